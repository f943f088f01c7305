package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/tools"
)

// Limits on what an executor may answer. Temporal refuses payloads of 2 MiB; a
// reply is recorded twice and shown to people.
const (
	maxReplyBytes = 512 << 10
	// maxRecordedReply is for replies of much that JSON has to escape. Twice: when a
	// direct conversation continues as new its newest reply goes along twice, and calls
	// of tools stand twice in a result. What Temporal refuses would be bought again
	// in each attempt.
	maxRecordedReply = 768 << 10
	maxStateBytes    = 4 << 10
	// Each call becomes an activity: Temporal takes 2,000 of them at a time.
	maxCalls = 128
)

// Reply lets an executor produce the agent's next message.
func (c *Conversation) Reply(ctx context.Context, in ReplyInput) (ReplyResult, error) {
	progress := ReplyProgress{}
	if p := earlier(ctx, in.Resume); p != nil {
		progress = *p
	}
	live := keepAlive(ctx, c.heartbeats, progress)
	defer live.stop()
	work, stop := withDrain(ctx, c.drain)
	defer stop()

	begin := time.Now()
	attempt := int(activity.GetInfo(ctx).Attempt) + progress.Tries
	out, err := c.reply(work, in, attempt, &progress, live)
	if err != nil {
		if e := asError(err); e != nil {
			// What a failed attempt cost must not be lost with it.
			progress.Spent = progress.Spent.Add(e.Usage)
		}
		live.note(ctx, progress)
		if handedOver(work) {
			progress.Tries = attempt - 1
			return ReplyResult{HandedOver: true, Resume: &progress}, nil
		}
		if e := asError(err); e != nil && errors.Is(err, limit.ErrQueued) {
			// Nothing was asked: it is no attempt, and no worker is kept busy waiting.
			progress.Tries = attempt - 1
			return ReplyResult{HandedOver: true, Wait: e.RetryAfter, Resume: &progress}, nil
		}
		return ReplyResult{}, c.failed(ctx, "reply", err, progress.Spent)
	}
	c.metrics.replied(ctx, out, time.Since(begin))
	out.Usage = out.Usage.Add(progress.Spent)
	return out, nil
}

func (c *Conversation) reply(ctx context.Context, in ReplyInput, attempt int, progress *ReplyProgress, live *liveness) (ReplyResult, error) {
	name, executor, err := c.executors.Resolve(ctx, in.Executor)
	if err != nil {
		return ReplyResult{}, err
	}
	messages, err := c.history(ctx, in)
	if err != nil {
		return ReplyResult{}, err
	}
	if !executors.TakesTools(executor) {
		in.Tools = nil // nor are their servers asked
	}
	offered, err := c.offer(ctx, in.Tools)
	if err != nil {
		return ReplyResult{}, err
	}
	info := activity.GetInfo(ctx)
	once := atMostOnce(executor)
	before := *progress
	repeats, err := progress.ask(name, once)
	if err != nil {
		return ReplyResult{}, err
	}
	if repeats {
		c.metrics.repeated(ctx)
	}
	if once {
		// Whoever comes next must know, whatever happens to this process.
		if err := live.record(ctx, *progress); err != nil {
			*progress = before
			return ReplyResult{}, fmt.Errorf("record the run before making it: %w", err)
		}
	} else {
		live.note(ctx, *progress)
	}
	ctx, release := plainCancel(ctx)
	defer release()
	ctx, cancel := context.WithDeadline(ctx, info.Deadline.Add(-reserve(info)))
	defer cancel()
	req := executors.Request{
		Conversation:   in.Ref,
		Turn:           in.Turn,
		Attempt:        attempt,
		Round:          in.Round,
		IdempotencyKey: replyKey(info.WorkflowExecution.ID, in),
		Task:           in.Task,
		Messages:       messages,
		New:            len(in.New),
		Tools:          described(offered),
		State:          in.State,
		Attach:         progress.Attach,
		OnAttach: func(token json.RawMessage) {
			if token == nil && progress.Attach != nil {
				c.metrics.repeated(ctx)
			}
			progress.Executor, progress.Attach = name, token
			// Best effort: without the record a kill repeats the call, as it would
			// have without the token.
			_ = live.record(ctx, *progress)
		},
	}
	if in.Window > 0 {
		// What is kept on the other side is as long as before: it is begun anew.
		req.Messages, req.State = conversation.Window(messages, in.Window), nil
		req.New = len(req.Messages)
	}
	result, err := executor.Execute(ctx, req)
	progress.Asked = once && mayHaveRun(err)
	if progress.Asked {
		return ReplyResult{}, notAgain(name, err)
	}
	if err != nil {
		return ReplyResult{}, err
	}
	result = executors.Clean(result)
	if len(in.Tools) == 0 {
		result = withoutCalls(result)
	}
	if err := checkReply(name, result, in.Task != nil || in.Alone); err != nil {
		return ReplyResult{}, err
	}
	nameCalls(result.Message, in)
	if result.Message.Time.IsZero() {
		result.Message.Time = time.Now().UTC()
	}
	c.cache.put(info.WorkflowExecution.ID, Digest(Digest(in.Digest, in.New...), result.Message),
		append(messages[:len(messages):len(messages)], result.Message))
	return ReplyResult{
		Message:      result.Message,
		State:        result.State,
		Usage:        result.Usage,
		Executor:     name,
		Provider:     result.Provider,
		Model:        result.Model,
		FinishReason: result.FinishReason,
		End:          result.End,
		Calls:        plan(result.Message, offered),
	}, nil
}

func described(offered []tools.Offered) []conversation.Tool {
	var out []conversation.Tool
	for _, o := range offered {
		out = append(out, o.Tool)
	}
	return out
}

// nameCalls gives calls that came without an id one, so that results find them.
func nameCalls(m conversation.Message, in ReplyInput) {
	for i, p := range m.Parts {
		if p.ToolCall != nil && p.ToolCall.ID == "" {
			p.ToolCall.ID = fmt.Sprintf("call_%d_%d_%d", in.Turn, in.Round, i)
		}
	}
}

// withoutCalls is the result without the tools it calls although none were
// offered: a message with calls is not sent to anybody.
func withoutCalls(result executors.Result) executors.Result {
	if len(result.Message.ToolCalls()) == 0 {
		return result
	}
	result.Message.Parts = slices.DeleteFunc(slices.Clone(result.Message.Parts), func(p conversation.Part) bool {
		return p.Type == conversation.PartToolCall
	})
	if result.FinishReason == executors.FinishToolCall {
		result.FinishReason = executors.FinishStop
	}
	return result
}

// MaxReserve is the most that is kept back of the time for an attempt.
const MaxReserve = 10 * time.Second

// reserve is the part of the time for an attempt that is kept back to record its
// answer: a model that answers at the last moment has been paid for.
func reserve(info activity.Info) time.Duration {
	return min(MaxReserve, info.Deadline.Sub(info.StartedTime)/10)
}

// checkReply refuses what nobody could be sent. Structured data alone is an answer
// to a task, or where no platform has to pass it on.
func checkReply(name string, result executors.Result, dataCounts bool) error {
	invalid := func(kind conversation.Kind, format string, args ...any) error {
		return &conversation.Error{
			Kind:  kind,
			Op:    fmt.Sprintf("executor %q", name),
			Err:   fmt.Errorf(format, args...),
			Usage: result.Usage,
		}
	}
	text, calls := result.Message.Text(), len(result.Message.ToolCalls())
	switch {
	case result.Message.Role != conversation.RoleAssistant && !(result.End && result.Message.Role == ""):
		return invalid(conversation.Invalid, "answered as %q, not as the assistant", result.Message.Role)
	case strings.TrimSpace(text) == "" && !result.End && calls == 0 && !(dataCounts && hasData(result.Message)):
		return invalid(conversation.Unavailable, "answered with nothing")
	case calls > maxCalls:
		return invalid(conversation.Unavailable, "calls tools %d times: %d are allowed", calls, maxCalls)
	case !utf8.ValidString(text):
		return invalid(conversation.Unavailable, "answered with text that is not UTF-8")
	case result.Message.Size() > maxReplyBytes:
		return invalid(conversation.Invalid, "answered with %d KiB; at most %d are possible", result.Message.Size()>>10, maxReplyBytes>>10)
	case result.Message.Recorded() > maxRecordedReply:
		return invalid(conversation.Invalid, "answered with %d KiB, once it is written as JSON; at most %d are possible", result.Message.Recorded()>>10, maxRecordedReply>>10)
	case len(result.State) > maxStateBytes:
		return invalid(conversation.Invalid, "keeps a state of %d KiB in the conversation; at most %d are possible", len(result.State)>>10, maxStateBytes>>10)
	}
	return nil
}

func hasData(m conversation.Message) bool {
	return slices.ContainsFunc(m.Parts, func(p conversation.Part) bool { return p.Type == conversation.PartData && len(p.Data) > 0 })
}

// history is the conversation so far: from memory, else from the workflow, else
// from the platform.
func (c *Conversation) history(ctx context.Context, in ReplyInput) ([]conversation.Message, error) {
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	var before []conversation.Message
	if in.Before > 0 {
		held, ok := c.cache.get(id, in.Digest)
		c.metrics.cacheLookup(ctx, ok)
		if ok {
			before = held
		} else {
			read, err := c.read(ctx, in)
			if err != nil {
				return nil, err
			}
			before = read
		}
	}
	all := make([]conversation.Message, 0, len(before)+len(in.New)+1)
	return append(append(all, before...), in.New...), nil
}

func (c *Conversation) read(ctx context.Context, in ReplyInput) ([]conversation.Message, error) {
	first, newest := in.Before, []conversation.Message(nil)
	if c.transcripts != nil {
		execution := activity.GetInfo(ctx).WorkflowExecution
		var err error
		if first, newest, err = c.transcripts.Messages(ctx, execution.ID, execution.RunID, in.Before); err != nil {
			if in.Alone {
				return nil, &conversation.Error{Kind: conversation.Unavailable, Op: "transcript", Err: err}
			}
			// The workflow may have no worker for the moment: the platform knows too.
			first, newest = in.Before, nil
		}
	}
	if first == 0 {
		return newest, nil
	}
	if in.Alone {
		return newest, nil
	}
	inst, err := c.instance(in.Ref)
	if err != nil {
		return nil, err
	}
	transcript, err := inst.Platform.Transcript(ctx, in.Ref)
	if err != nil {
		return nil, err
	}
	if len(transcript.Messages) < first-in.Internal {
		return newest, nil // a platform that keeps less than the workflow
	}
	// The platform has none of what went on between the agent and its tools.
	missing := in.Internal
	for _, m := range newest {
		if m.Internal() {
			missing--
		}
	}
	upTo := min(max(0, first-max(0, missing)), len(transcript.Messages))
	older := transcript.Messages[:upTo:upTo]
	return append(older, newest...), nil
}

func asError(err error) *conversation.Error {
	var e *conversation.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
