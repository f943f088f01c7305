package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/tools"
)

// Limits on what an executor may answer. Temporal refuses payloads of 2 MiB; a
// reply is recorded twice and shown to operators.
const (
	maxReplyBytes = 512 << 10
	// maxRecordedReply is for replies of much that JSON has to escape. Twice: when a
	// direct conversation continues as new its newest reply goes along twice, and calls
	// of tools stand twice in a result. What Temporal refuses would be bought again
	// in each attempt.
	maxRecordedReply = 768 << 10
	maxStateBytes    = 4 << 10
	maxAttachBytes   = 8 << 10
	// Each call becomes an activity: Temporal takes 2,000 of them at a time.
	maxCalls = 128
)

// Reply lets an executor produce the agent's next message.
func (c *Conversation) Reply(ctx context.Context, in ReplyInput) (ReplyResult, error) {
	r := &replying{in: in}
	if p := earlier(ctx, in.Resume); p != nil {
		r.progress = *p
	}
	r.attempt = c.begin(ctx, "reply", r.progress)
	r.before, r.limit = r.progress.Failed, in.Attempts
	defer r.end()

	begin := time.Now()
	out, err := r.reply(r.work)
	if err != nil {
		return r.failed(err)
	}
	c.metrics.replied(ctx, out, time.Since(begin))
	out.Usage = out.Usage.Add(r.progress.Spent)
	out.Place(in)
	out.Lag = c.lag.worst()
	return out, nil
}

// replying is one attempt at a reply.
type replying struct {
	*attempt
	in ReplyInput

	mu       sync.Mutex
	progress ReplyProgress
	over     bool // the call is over: progress is the attempt's alone

	// sent is what the executor is given.
	sent SentMessages
}

// failed is how an attempt without a reply ends.
func (r *replying) failed(err error) (ReplyResult, error) {
	progress := &r.progress
	e := asError(err)
	if e != nil {
		// What a failed attempt cost must not be lost with it.
		progress.Spent = progress.Spent.Add(e.Usage.Plausible())
	}
	out := ReplyResult{HandedOver: true, Resume: progress, Lag: r.lag.worst()}
	switch {
	case r.handsOver():
		progress.Failed = r.number() - 1
		return out, nil
	case e != nil && errors.Is(err, limit.ErrQueued):
		// Nothing was asked: it is no attempt, and no worker is kept busy waiting.
		progress.Failed = r.number() - 1
		out.Wait = e.RetryAfter
		return out, nil
	}
	r.live.leave(*progress)
	details := ErrorDetails{Spent: progress.Spent}
	if conversation.IsKind(err, conversation.ContextTooLong) {
		details.Sent = &r.sent
	}
	return ReplyResult{}, r.fail(err, details)
}

func (r *replying) reply(ctx context.Context) (ReplyResult, error) {
	in := r.in
	if err := checkRun(ctx, in.Run); err != nil {
		return ReplyResult{}, err
	}
	name, executor, err := r.executors.Resolve(ctx, in.Executor)
	if err != nil {
		return ReplyResult{}, err
	}
	messages, err := r.history(ctx, in)
	if err != nil {
		return ReplyResult{}, err
	}
	if !executors.TakesTools(executor) {
		in.Tools = nil // nor are their servers asked
	}
	offered, err := r.offer(ctx, in.Tools)
	if err != nil {
		return ReplyResult{}, err
	}
	got, err := r.ask(ctx, name, executor, in, messages, offered)
	if err != nil {
		return ReplyResult{}, err
	}
	result := got.result
	if n := result.Message.Cleaned; n > 0 && !(in.Partial != nil && n == in.Partial.Cleaned) {
		activity.GetLogger(r.sdk).Warn("The reply had characters that platforms cannot store: they were taken out",
			"conversation_id", r.info.WorkflowExecution.ID, "executor", got.name, "characters", n)
	}
	held := append(messages[:len(messages):len(messages)], result.Message)
	if len(result.Message.ToolCalls()) == 0 {
		held = conversation.WithoutState(held) // of a turn that is over
	}
	r.cache.put(r.info.WorkflowExecution.ID, Digest(Digest(in.Digest, in.New...), result.Message), held)
	var sent *SentMessages
	if in.LimitBytes > 0 {
		sent = &r.sent
	}
	return ReplyResult{
		Sent:         sent,
		Message:      result.Message,
		State:        result.State,
		Usage:        result.Usage,
		Executor:     got.name,
		Provider:     result.Provider,
		Model:        result.Model,
		FinishReason: result.FinishReason,
		End:          result.End,
		Calls:        plan(result.Message, offered),
	}, nil
}

// An answer is what an executor has answered, fit to be recorded.
type answer struct {
	name   string // the executor's
	result executors.Result
}

// ask asks the executor, or joins the same request that is under way, or ended a moment
// ago, on this worker.
func (r *replying) ask(
	ctx context.Context, name string, executor executors.Executor, in ReplyInput, messages []conversation.Message, offered []tools.Offered,
) (answer, error) {
	key, once := r.callKey(in), executors.AtMostOnce(executor)
	var (
		req     executors.Request
		unasked error
	)
	announce := func() error {
		unasked = r.announce(ctx, name, once)
		req = r.request(in, messages, offered)
		return unasked
	}
	work, cancel := context.WithDeadline(ctx, r.info.Deadline.Add(-reserve(r.info)))
	defer cancel()
	got, joined, err := r.calls.do(work, r.attempt, key, r.attached(name), announce, func(ctx context.Context, attached func(json.RawMessage)) (any, int, error) {
		req.OnAttach = attached
		result, err := executor.Execute(ctx, req)
		if err != nil {
			return nil, 0, r.estimatedError(name, req, err)
		}
		result.Usage = r.estimated(name, req, result.Message, result.Usage, nil)
		result = executors.Clean(result)
		result.Message = result.Message.Clean()
		result = continued(in.Partial, result)
		if len(in.Tools) == 0 {
			result = withoutCalls(result)
		}
		if err := checkReply(name, result); err != nil {
			return nil, 0, err
		}
		if result, err = markCutOff(name, in, result); err != nil {
			return nil, 0, err
		}
		nameCalls(result.Message, in)
		if result.Message.Time.IsZero() {
			result.Message.Time = time.Now().UTC()
		}
		return answer{name, result}, memoryOf(result.Message) + len(result.State), nil
	})
	if unasked != nil {
		return answer{}, unasked
	}
	if joined {
		r.metrics.joined(r.sdk, "reply")
	}
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.progress.Asked = once && mayHaveRun(err)
	if r.progress.Asked {
		return answer{}, notAgain(name, err)
	}
	if err != nil {
		return answer{}, err
	}
	return got.(answer), nil
}

func (r *replying) request(in ReplyInput, messages []conversation.Message, offered []tools.Offered) executors.Request {
	req := executors.Request{
		Conversation:   in.Ref,
		Turn:           in.Turn,
		Attempt:        r.number(),
		Round:          in.Round,
		IdempotencyKey: replyKey(r.info.WorkflowExecution.ID, in),
		Task:           in.Task,
		Messages:       messages,
		New:            len(in.New),
		Tools:          described(offered),
		OmittedText:    in.OmittedText,
		State:          in.State,
		Attach:         r.progress.Attach,
	}
	bounds := conversation.Bounds{Messages: in.Window, Bytes: in.LimitBytes, Marker: in.OmittedText}
	var partial conversation.Window
	if in.Partial != nil {
		partial.Messages = continuing(*in.Partial)
		if bounds.Bytes > 0 {
			bounds.Bytes = max(1, bounds.Bytes-partial.Size())
		}
	}
	fitting := bounds.Window(inTurn(messages))
	req.Messages = slices.Concat(fitting.Messages, partial.Messages)
	switch {
	case in.Partial == nil:
		req.New = min(req.New, len(req.Messages))
	case len(req.State) > 0:
		req.New = 1 // the rest it has seen, and its own part it has said
	default:
		req.New = len(req.Messages)
	}
	if in.Window > 0 || in.Anew {
		// What is kept on the other side is as long as before: it is begun anew.
		req.State, req.New = nil, len(req.Messages)
	}
	r.sent = SentMessages{
		Messages: len(req.Messages), Bytes: fitting.Size() + partial.Size(), Least: fitting.Least, Continued: len(req.State) > 0,
	}
	return req
}

// inTurn are the messages without what providers returned beside those of earlier turns:
// it is of use only until the agent has replied.
func inTurn(messages []conversation.Message) []conversation.Message {
	turn := len(messages)
	for turn > 0 && messages[turn-1].Internal() {
		turn--
	}
	if older := conversation.WithoutState(messages[:turn:turn]); turn > 0 && len(older) > 0 && &older[0] != &messages[0] {
		return append(older, messages[turn:]...)
	}
	return messages
}

// announce records at Temporal that the executor is about to be asked. That also proves
// that the attempt is the current one.
func (r *replying) announce(ctx context.Context, name string, once bool) error {
	before := r.progress
	repeats, err := r.progress.ask(name, once)
	if err != nil {
		return err
	}
	err = r.record(ctx, r.progress, "reply")
	if err == nil {
		err = r.act(ctx, "reply")
	}
	if err != nil {
		r.progress = before
		return err
	}
	if repeats {
		r.metrics.repeated(ctx)
	}
	return nil
}

// attached records the token by which the provider's run can be found.
func (r *replying) attached(name string) func(json.RawMessage) {
	return func(token json.RawMessage) {
		if token != nil && (len(token) > maxAttachBytes || !json.Valid(token)) {
			return // it cannot be recorded: without it the call is as one that has none
		}
		r.mu.Lock()
		if r.over {
			r.mu.Unlock()
			return
		}
		if token == nil && r.progress.Attach != nil {
			r.metrics.repeated(r.sdk)
		}
		r.progress.Executor, r.progress.Attach = name, token
		progress := r.progress
		r.mu.Unlock()
		// Best effort: without the record a kill repeats the call, as it would have
		// without the token.
		r.live.leave(progress)
	}
}

// callKey names the request with all that matters about it.
func (r *replying) callKey(in ReplyInput) string {
	execution := r.info.WorkflowExecution
	return fmt.Sprintf("%s %s %s %s", replyKey(execution.ID, in), execution.RunID, in.Executor, Digest(in.Digest, in.New...))
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
// offered: a message with calls is not sent.
func withoutCalls(result executors.Result) executors.Result {
	if len(result.Message.ToolCalls()) == 0 {
		return result
	}
	result.Message.State = nil
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

// checkReply refuses what cannot be sent. Structured data alone is an answer:
// platforms that take text alone are sent its JSON.
func checkReply(name string, result executors.Result) error {
	invalid := func(kind conversation.Kind, format string, args ...any) error {
		return &conversation.Error{
			Kind:  kind,
			Op:    fmt.Sprintf("executor %q", name),
			Err:   fmt.Errorf(format, args...),
			Usage: result.Usage,
		}
	}
	text, calls := result.Message.Text(), len(result.Message.ToolCalls())
	if what := notJSON(result); what != "" {
		return invalid(conversation.Invalid, "answered with %s that are not JSON", what)
	}
	switch {
	case result.Message.Role != conversation.RoleAssistant && !(result.End && result.Message.Role == ""):
		return invalid(conversation.Invalid, "answered as %q, not as the assistant", result.Message.Role)
	case strings.TrimSpace(text) == "" && !result.End && calls == 0 && !hasData(result.Message):
		return invalid(conversation.Unavailable, "answered with nothing")
	case calls > maxCalls:
		return invalid(conversation.Unavailable, "calls tools %d times: %d are allowed", calls, maxCalls)
	case !utf8.ValidString(text):
		return invalid(conversation.Unavailable, "answered with text that is not UTF-8")
	case result.Message.Size() > maxReplyBytes:
		return invalid(conversation.Invalid, "answered with %d KiB; at most %d are possible", result.Message.Size()>>10, maxReplyBytes>>10)
	case result.Message.RecordedSize() > maxRecordedReply:
		return invalid(conversation.Invalid, "answered with %d KiB, once it is written as JSON; at most %d are possible", result.Message.RecordedSize()>>10, maxRecordedReply>>10)
	case len(result.State) > maxStateBytes:
		return invalid(conversation.Invalid, "keeps a state of %d KiB in the conversation; at most %d are possible", len(result.State)>>10, maxStateBytes>>10)
	}
	return nil
}

// notJSON names what could not be recorded: a reply that fails as it is recorded would be
// bought again in each attempt.
func notJSON(result executors.Result) string {
	for _, p := range result.Message.Parts {
		switch {
		case len(p.Data) > 0 && !json.Valid(p.Data):
			return "data"
		case p.ToolCall != nil && len(p.ToolCall.Arguments) > 0 && !json.Valid(p.ToolCall.Arguments):
			return fmt.Sprintf("arguments of tool %q", p.ToolCall.Name)
		}
	}
	if len(result.State) > 0 && !json.Valid(result.State) {
		return "the bytes of a state"
	}
	return ""
}

func hasData(m conversation.Message) bool {
	return slices.ContainsFunc(m.Parts, func(p conversation.Part) bool { return p.Type == conversation.PartData && len(p.Data) > 0 })
}

// history is the conversation so far: from the cache, else from the workflow, else from
// the platform.
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
			if in.OnlyCopy {
				return nil, &conversation.Error{Kind: conversation.Unavailable, Op: "transcript", Err: err}
			}
			// The workflow may have no worker for the moment: the platform knows too.
			first, newest = in.Before, nil
		}
	}
	if first == 0 {
		return newest, nil
	}
	if in.OnlyCopy {
		return newest, nil
	}
	p, err := c.platform(in.Ref)
	if err != nil {
		return nil, err
	}
	transcript, err := p.transcript(ctx, in.Ref)
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
