package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// How often a conversation that is parked in doubt reads its platform's transcript:
// soon at first, since most late answers come within minutes, and at most every hour.
const (
	firstLook = time.Minute
	lastLook  = time.Hour
)

// waitAttended waits while the conversation is parked for a failure: until it is resumed,
// by people or by a signal, until interrupted, until the platform gives it up, or until
// f.look says that what failed has healed. Where that finds another failure, f becomes
// it. An error means cancellation.
func (t *talk) waitAttended(ctx workflow.Context, f *failure, interrupted func() bool) error {
	over := func() bool { return t.attention == nil || interrupted() }
	for interval := firstLook; f.look != nil && !over(); interval = min(2*interval, lastLook) {
		t.attention.NextCheck = workflow.Now(ctx).Add(interval).UTC()
		t.show(ctx)
		inTime, err := t.waitUpTo(ctx, interval, "read the transcript again", over)
		if err != nil || inTime || t.expired(ctx) {
			return err
		}
		healed, now := f.look(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case healed || over():
			return nil
		case now != nil:
			// It is in another kind of trouble now, that looking does not end.
			*f = *now
			t.attend(ctx, t.attention.Step, *f)
		}
	}
	return t.waitForPeople(ctx, over)
}

// waitUpTo waits until done, for at most d and not longer than the platform does.
func (t *talk) waitUpTo(ctx workflow.Context, d time.Duration, summary string, done func() bool) (inTime bool, err error) {
	if !t.about.Expires.IsZero() {
		d = min(d, t.about.Expires.Sub(workflow.Now(ctx)))
	}
	if d <= 0 {
		return done(), nil
	}
	return workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{Timeout: d, TimerOptions: workflow.TimerOptions{Summary: summary}}, done)
}

// lookOnly reads the transcript for an exchange that is ambiguous, and sends nothing.
// When the transcript shows what became of it, out is the exchange's result.
func (t *talk) lookOnly(ctx workflow.Context, name string, in activities.ExchangeInput, out *activities.ExchangeResult) (bool, *failure) {
	opts := activities.ExchangeOptions(t.policy)
	opts.StartToCloseTimeout = activities.ContextOptions(t.policy).StartToCloseTimeout
	once := *opts.RetryPolicy
	once.MaximumAttempts = 1
	opts.RetryPolicy = &once
	lookCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	future := t.schedule(lookCtx, name+" · look", 0, opts, activities.ExchangeName, in)
	_ = workflow.Await(ctx, func() bool { return future.IsReady() || t.attention == nil || t.interrupted() })
	if !future.IsReady() {
		cancel()
	}
	var seen activities.ExchangeResult
	err := future.Get(ctx, &seen)
	if err == nil && !seen.HandedOver {
		*out = seen
		return true, nil
	}
	if err == nil || ctx.Err() != nil {
		return false, nil
	}
	switch f := failureOf(err); f.kind {
	case conversation.Reset:
		t.wasReset(ctx, f)
	case conversation.Diverged, conversation.Claimed, conversation.NotFound:
		if f.kind == conversation.Claimed && t.spoken {
			f.kind = conversation.Diverged
		}
		return false, &f
	}
	return false, nil
}
