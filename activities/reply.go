package activities

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/tools"
)

// Reply lets an executor produce the agent's next message.
func (c *Conversation) Reply(ctx context.Context, in ReplyInput) (ReplyResult, error) {
	r := &replying{in: in}
	if p := earlier(ctx, in.Resume); p != nil {
		r.progress = *p
	}
	r.lost = activity.GetInfo(ctx).Attempt > 1 && !r.progress.Ended
	r.progress.Ended = false
	r.attempt = c.begin(ctx, "reply", in.Ref, r.progress)
	r.span.Set(tracing.KeyOperation.String(tracing.SpanReply), tracing.KeyTurn.Int(in.Turn), tracing.KeyRound.Int(in.Round))
	r.before, r.limit = r.progress.Failed, in.Attempts
	defer r.end()

	out, err := r.reply(r.work)
	if err != nil {
		r.traceNoReply(err)
		return r.failed(err)
	}
	r.traceReply(out)
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
	// lost: the attempt before this one did not end in order, and may have asked.
	lost bool

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
	progress.Ended = true
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
	r.traceRequest(name)
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
	ctx, call := context.WithCancelCause(ctx)
	defer call(nil)
	verified := r.verify(ctx, in, messages, func() { call(errDiffers) })
	defer verified.stop()
	if executors.AtMostOnce(executor) { // what it does is not to be done about another conversation
		if park := verified.wait(); park != nil {
			return ReplyResult{Park: park, Executor: name}, nil
		}
	}
	got, err := r.ask(ctx, name, executor, in, messages, offered)
	if err != nil && errors.Is(context.Cause(ctx), errDiffers) {
		out := ReplyResult{Park: verified.wait(), Executor: name}
		if e := asError(err); e != nil {
			out.Usage = e.Usage.Plausible() // of the call that was cancelled
		}
		return out, nil
	}
	if err != nil {
		return ReplyResult{}, err
	}
	result := got.result
	if park := verified.wait(); park != nil {
		return ReplyResult{Park: park, Usage: result.Usage, Executor: got.name, Provider: result.Provider, Model: result.Model}, nil
	}
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
		TookMS:       r.undisturbed(got.took),
	}, nil
}

// An answer is what an executor has answered, fit to be recorded.
type answer struct {
	name   string // the executor's
	result executors.Result
	took   time.Duration // the call alone
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
		r.span.Input(req.Messages)
		return unasked
	}
	work, cancel := context.WithDeadline(ctx, r.info.Deadline.Add(-reserve(r.info)))
	defer cancel()
	got, joined, err := r.calls.do(work, r.attempt, key, r.attached(name), announce, func(ctx context.Context, attached func(json.RawMessage)) (any, int, error) {
		req.OnAttach = attached
		begin := time.Now()
		result, err := executor.Execute(ctx, req)
		took := time.Since(begin)
		if err != nil {
			err = r.estimatedError(name, req, err)
			if e := asError(err); e != nil {
				r.metrics.used(ctx, name, "", e.Usage)
			}
			return nil, 0, err
		}
		result.Usage = r.estimated(name, req, result.Message, result.Usage, nil)
		r.metrics.used(ctx, name, result.Model, result.Usage)
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
		r.metrics.replied(ctx, name, result.Model, took)
		return answer{name, result, took}, memoryOf(result.Message) + len(result.State), nil
	})
	if unasked != nil {
		return answer{}, unasked
	}
	if joined {
		r.metrics.joined(r.sdk, "reply")
		r.span.Set(tracing.KeyJoined.Bool(true))
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

// announce makes sure that the attempt is the current one before the executor is asked.
// What must not be asked twice is recorded at Temporal first. Otherwise heartbeats say so,
// and an attempt without any may have asked.
func (r *replying) announce(ctx context.Context, name string, once bool) error {
	before := r.progress
	repeats, err := r.progress.ask(name, once)
	if err != nil {
		return err
	}
	if once || r.progress.Attach != nil {
		err = r.record(ctx, r.progress, "reply")
	} else {
		r.live.set(r.progress)
		repeats = repeats || r.lost
	}
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

// MaxReserve is the most that is kept back of the time for an attempt.
const MaxReserve = 10 * time.Second

// reserve is the part of the time for an attempt that is kept back to record its
// answer: a model that answers at the last moment has been paid for.
func reserve(info activity.Info) time.Duration {
	return min(MaxReserve, info.Deadline.Sub(info.StartedTime)/10)
}

func asError(err error) *conversation.Error {
	var e *conversation.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
