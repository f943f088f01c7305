package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// An exchange sends the agent's message and receives what comes back for it.
type exchange struct {
	*platformSide
	name  string
	reply *reply // nil: only receive
	in    activities.ExchangeInput
	out   activities.ExchangeResult
	// failed is what the conversation is parked for. Nil: it is not.
	failed *failure
	// absent means that the platform's transcript, read last, does not have the reply.
	absent bool
	// withdrawn means that the reply is not sent: another is asked for.
	withdrawn bool
}

// exchange sends the agent's reply, if there is one, and records what comes back.
func (s *platformSide) exchange(ctx workflow.Context, r *reply) (*ending, error) {
	x := &exchange{platformSide: s, name: stepOpening, reply: r}
	var messages []conversation.Message
	if r != nil {
		x.transcript.sending()
		messages = []conversation.Message{r.message}
		x.name = fmt.Sprintf("turn %d"+stepExchange, x.transcript.turn())
	}
	x.in = activities.ExchangeInput{
		Ref: s.in.Ref, Turn: x.transcript.turn(), Before: x.transcript.Count(), Internal: x.transcript.Internal, Messages: messages,
		Run: s.resets.run, Reconciled: s.resets.reconciled, Spoken: s.hasSpoken(), Slowest: s.slowest,
		Timeout: s.policy.ExchangeTimeout, Attempts: s.policy.PlatformAttempts, OnAmbiguous: s.policy.OnAmbiguous,
		MaxMessageBytes: s.policy.MaxMessageBytes, OnOversize: s.policy.OnOversize,
		VerifyLater: r == nil || !r.end, // no reply follows the last message
		Unmarked:    s.eager,
	}
	s.sending, s.outgoing = true, x
	done, e, err := s.runStep(ctx, x.step(ctx))
	s.sending, s.outgoing = false, nil
	if !done {
		if x.withdrawn {
			s.withdraw(r)
		}
		x.transcript.lost() // not known to have arrived: the platform's count is read in the end
		return e, err
	}
	return x.take(ctx)
}

// hasSpoken reports that the platform has taken messages of the agent.
func (r *run) hasSpoken() bool { return r.transcript.Turns > 0 }

func (x *exchange) step(ctx workflow.Context) step {
	return step{
		name: x.name, options: activities.ExchangeOptions(x.policy), activity: activities.ExchangeName,
		input:       func() any { return x.in },
		interrupted: x.interrupted,
		get:         func(f workflow.Future) (*handover, error) { return x.get(ctx, f) },
		recover:     x.fails,
		reconcile:   func(ctx workflow.Context) (bool, *failure) { return x.readOnly(ctx, false) },
		replace:     x.replace,
		resumed:     func(f failure) { x.in.Resend = f.kind == conversation.Ambiguous },
	}
}

// get reads a result and prepares the input of the next activity.
func (x *exchange) get(ctx workflow.Context, f workflow.Future) (*handover, error) {
	tried, before := x.in.Tried, sends(x.in.Tried)
	x.out = activities.ExchangeResult{}
	err := f.Get(ctx, &x.out)
	x.in.Tried = x.out.Tried
	x.turnTime.call(x.out.TookMS)
	if err != nil {
		x.in.Tried = x.triedBefore(ctx, err, tried)
	}
	x.slowest = max(x.slowest, x.out.Slowest)
	x.in.Slowest = x.slowest
	if err != nil || sends(x.in.Tried) > before {
		x.in.Resend = false // an operator has allowed one
	}
	return handedOver(x.out.HandedOver, 0, x.out.Failed), err
}

// triedBefore is what the next activity knows of the requests before it. One that was allowed to
// send without a mark, and was lost without a word, may have sent.
func (x *exchange) triedBefore(ctx workflow.Context, err error, before *activities.Mark) *activities.Mark {
	var timeout *temporal.TimeoutError
	if x.in.Unmarked && before == nil && errors.As(err, &timeout) && !timeout.HasLastHeartbeatDetails() {
		return unknownMark(ctx)
	}
	return triedBefore(ctx, err, before)
}

// take adds what the exchange brought to the transcript.
func (x *exchange) take(ctx workflow.Context) (*ending, error) {
	out := x.out
	x.slowest, x.steps.lag, x.eager = max(x.slowest, out.Slowest), out.Lag, out.Eager
	taken := x.reply
	if out.Taken == 0 {
		taken = nil
	}
	x.transcript.exchanged(out.Record(x.in), taken, len(out.Messages))
	if out.Unverified {
		x.transcript.unverified += out.Taken + len(out.Messages)
	} else {
		x.transcript.unverified = 0
	}
	if out.Park != nil && out.Ended {
		out.EndDetail, out.Park = join(out.EndDetail, out.Park.Reason), nil
	}
	if e, err := x.parkForFinding(ctx, x.name, out.Park); e != nil || err != nil || x.resets.stale != nil {
		return e, err
	}
	switch {
	case out.Ended:
		return &ending{kind: conversation.OutcomeEnded, by: out.EndedBy, detail: out.EndDetail}, nil
	case x.reply != nil && x.reply.end:
		return &ending{kind: conversation.OutcomeEnded, by: conversation.EndedByAgent, open: true}, nil
	}
	return nil, nil
}

// readOnly reads the transcript for an exchange that is ambiguous, and sends nothing. It
// reports whether the transcript shows what became of it: then that is the result.
// With prove it sets absent if the transcript does not have the reply; otherwise it is not
// waited for once an operator has resumed the conversation.
func (x *exchange) readOnly(ctx workflow.Context, prove bool) (resolved bool, now *failure) {
	in := x.in
	in.ReadOnly, in.Prove = true, prove
	opts := activities.ExchangeOptions(x.policy)
	opts.StartToCloseTimeout = activities.ContextOptions(x.policy).StartToCloseTimeout
	once := *opts.RetryPolicy
	once.MaximumAttempts = 1
	opts.RetryPolicy = &once
	readCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	future := x.steps.schedule(readCtx, x.name+" · reconcile", 0, opts, activities.ExchangeName, in)
	_ = workflow.Await(ctx, func() bool { return future.IsReady() || x.attention == nil && !prove || x.interrupted() })
	if !future.IsReady() {
		cancel()
	}
	var out activities.ExchangeResult
	err := future.Get(ctx, &out)
	switch {
	case err == nil && out.Absent:
		x.absent = true
		return false, nil
	case err == nil && !out.HandedOver:
		x.out = out
		return true, nil
	case err == nil || ctx.Err() != nil:
		return false, nil
	}
	switch f := failureOf(err); f.kind {
	case conversation.Reset:
		x.wasReset(ctx, f)
	case conversation.Diverged, conversation.Claimed, conversation.NotFound:
		f = x.claimedIsDiverged(f)
		return false, &f
	}
	return false, nil
}
