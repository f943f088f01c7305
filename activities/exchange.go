package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/ticket"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/platforms"
)

// Exchange sends the agent's messages to the platform, once, and returns what
// came back. Before anything is sent, Temporal has a mark that records it, or has recorded that
// an attempt has started which needs none: see [exchanging.unmarked]. An attempt
// that finds a mark reads the platform's transcript first: if it grew by
// our messages and an answer, the answer is taken from there. If it has not grown,
// the messages are sent again only if the earlier request is over; while it may still
// be running, or may have taken effect without a trace so far, nothing is sent.
func (c *Conversation) Exchange(ctx context.Context, in ExchangeInput) (ExchangeResult, error) {
	e := &exchanging{in: in, mark: sent(earlier(ctx, in.Tried)), ticket: ticket.Of(ctx)}
	e.attempt = c.begin(ctx, "exchange", in.Ref, markOrNil(e.mark))
	e.span.Set(tracing.KeyTurn.Int(in.Turn))
	defer e.end()
	e.presume(ctx) // first: whatever fails after it must not say that nothing was sent

	out, err := e.exchange(e.work)
	if err == nil {
		err = tooMany(out.Messages)
	}
	switch {
	case err != nil && e.handsOver(), errors.Is(err, errNeedsTime), errors.Is(err, errAskIssuer):
		e.traceEnd(tracing.ResultHandedOver)
		return ExchangeResult{HandedOver: true, Tried: e.mark, Failed: failedAttempts(ctx), Lag: c.lag.worst()}, nil
	case err != nil:
		if e.mark == nil && in.Unmarked && !e.left {
			e.unsent(nil) // else the next attempt could not tell
		}
		return ExchangeResult{}, e.fail(err, ErrorDetails{Mark: e.mark})
	}
	for i := range out.Messages {
		if out.Messages[i].Time.IsZero() {
			out.Messages[i].Time = time.Now().UTC()
		}
	}
	e.bound(&out)
	if out.Ended {
		c.cache.forget(e.info.WorkflowExecution.ID)
	}
	out.Place(in)
	out.Slowest, out.Lag, out.Eager = max(in.Slowest, e.slowest), c.lag.worst(), e.live.eager
	out.TookMS = e.undisturbed(e.took)
	return out, nil
}

// exchanging is one attempt at an exchange.
type exchanging struct {
	*attempt
	in ExchangeInput
	on conversationShape
	// mark is what is known of the requests so far. Nil: none has gone out.
	mark    *Mark
	slowest time.Duration
	took    time.Duration // the request that was answered; zero: none was
	waited  bool          // this attempt has waited for an earlier request
	left    bool          // Temporal was told what is known of the requests, as far as it answers
	ticket  string        // of the activity; empty: it has none
	asks    bool          // the worker that has scheduled the activity is asked first
}

// errNeedsTime: what is left of the attempt's time is not enough for what comes next.
var errNeedsTime = errors.New("the attempt has too little time left")

// sent is the mark, unless it says that nothing has gone out.
func sent(m *Mark) *Mark {
	if m == nil || m.Time.IsZero() && !m.Answered {
		return nil
	}
	return m
}

func (e *exchanging) exchange(ctx context.Context) (ExchangeResult, error) {
	if err := checkRun(ctx, e.in.Run); err != nil {
		return ExchangeResult{}, err
	}
	p, err := e.platform(e.in.Ref)
	if err != nil {
		return ExchangeResult{}, err
	}
	return p.exchange(ctx, e)
}

func (s conversationShape) exchange(ctx context.Context, e *exchanging) (ExchangeResult, error) {
	e.on = s
	in := e.in
	if e.asks {
		return ExchangeResult{}, errAskIssuer
	}
	if e.mark != nil {
		e.slowest = e.mark.Slowest
	}
	send := in.Messages
	if e.mark != nil || in.ReadOnly {
		found, err := e.reconcile(ctx)
		if err != nil {
			return ExchangeResult{}, err
		}
		if found.done {
			e.metrics.recovered(ctx)
			return found.result, nil
		}
		if found.taken {
			// Ours is there, without an answer to it: ask the other side to speak.
			send = nil
		}
		e.metrics.resent(ctx)
	}
	return e.send(ctx, send)
}

// send makes the request and records it.
func (e *exchanging) send(ctx context.Context, messages []conversation.Message) (ExchangeResult, error) {
	if e.waited && time.Until(e.info.Deadline) < e.sendTime() {
		return ExchangeResult{}, errNeedsTime
	}
	before, mark := e.mark, Mark{Time: e.clock.now(), Sends: 1, Slowest: max(e.in.Slowest, e.slowest)}
	if before != nil {
		mark.Sends += before.Sends
	}
	op := fmt.Sprintf("exchange with %s", e.in.Ref)
	var err error
	if e.unmarked() {
		e.live.set(mark) // goes along with any heartbeat
	} else {
		err = e.record(ctx, mark, op)
	}
	e.mark = &mark
	if err == nil {
		err = e.act(ctx, "exchange")
	}
	if err != nil {
		e.unsent(before)
		return ExchangeResult{}, err
	}
	// From now on heartbeats record that the request is still running. The first need not go
	// out at once: the mark says as much.
	underway := mark
	e.live.set(func() any {
		now := underway
		now.Running = e.clock.now()
		return now
	})
	begin := time.Now()
	reply, err := e.on.Send(ctx, e.in.Ref, platforms.Send{
		Messages: outgoing(messages), IdempotencyKey: exchangeKey(e.info.WorkflowExecution.ID, e.in, len(messages)),
	})
	exact := time.Since(begin)
	took := exact.Round(time.Second) // histories need no more, and a quick answer none of it
	switch failed := asError(err); {
	case conversation.IsKind(err, conversation.Ended):
		e.mark = before // this one was refused
		return e.afterEnd(ctx)
	case failed != nil && !failed.Ambiguous:
		e.unsent(before)
		return ExchangeResult{}, err
	case failed != nil && failed.Answered:
		mark.Answered = true
		e.live.leave(mark)
		return ExchangeResult{}, err
	case err != nil:
		mark.Cut = e.clock.now()
		e.live.leave(mark)
		return ExchangeResult{}, err
	}
	if before == nil { // else it is not the turn's whole wait
		e.took = exact
	}
	e.metrics.exchanged(ctx, e.in.Ref.Platform, exact)
	e.slowest = max(e.slowest, took)
	mark.Answered, mark.Slowest = true, max(mark.Slowest, took)
	if !reply.Ended && len(reply.Messages) > 0 {
		out := ExchangeResult{
			Messages: reply.Messages,
			Count:    e.in.Before + len(e.in.Messages) + len(reply.Messages),
			Taken:    len(e.in.Messages),
		}
		e.live.set(mark)
		diff := e.echoed(messages, reply)
		if out.Unverified = diff == "" && e.in.VerifyLater; !out.Unverified {
			out.Park = e.verify(ctx, diff, &out)
		}
		return out, nil
	}
	// Why it ended is only to be had by reading again. Should that fail, the next
	// attempt finds everything in the transcript.
	e.live.set(mark)
	found, err := e.read(ctx)
	if err != nil {
		e.live.leave(mark)
		return ExchangeResult{}, err
	}
	if !found.done {
		e.live.leave(mark)
		return ExchangeResult{}, &conversation.Error{
			Kind: conversation.Invalid, Op: op,
			Err: errors.New("the platform answered without a message and without an end"),
		}
	}
	return found.result, nil
}

// outgoing are messages as the platform gets them.
func outgoing(messages []conversation.Message) []conversation.Message {
	var out []conversation.Message
	for _, m := range messages {
		out = append(out, m.Outgoing())
	}
	return out
}

// unsent is for a request that was not made: the mark before it counts.
func (e *exchanging) unsent(before *Mark) {
	e.mark, e.left = before, true
	if before == nil {
		e.live.leave(Mark{})
		return
	}
	e.live.leave(*before)
}

// sendTime is what a request may need of the attempt's time, until its answer is
// recorded.
func (e *exchanging) sendTime() time.Duration {
	whole := e.info.Deadline.Sub(e.info.StartedTime)
	need := e.on.SendTimeout
	if need <= 0 {
		need = whole / 2
	}
	return min(need+reserve(e.info), whole*9/10)
}

// afterEnd is what an exchange gives when the conversation was over already.
func (e *exchanging) afterEnd(ctx context.Context) (ExchangeResult, error) {
	transcript, err := e.on.Transcript(ctx, e.in.Ref)
	if err != nil {
		return ExchangeResult{}, err
	}
	transcript.State = platforms.StateEnded
	found, err := e.compare(transcript)
	if err != nil {
		return ExchangeResult{}, err
	}
	return found.result, nil
}

// markOrNil is a mark as heartbeat details.
func markOrNil(m *Mark) any {
	if m == nil {
		return nil
	}
	return *m
}

// pause waits, or returns ctx's cause.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// timeLeft is how much of an attempt's time there is until its result has to be
// recorded.
func timeLeft(info activity.Info) time.Duration { return time.Until(info.Deadline) - reserve(info) }
