package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/tracing"
)

const (
	// maxWaits is how often in a row a step is tried again by itself after a wait that the
	// other side asked for. Then an operator decides: a service that asks for another wait
	// each time is not one that waiting helps with.
	maxWaits = 10
	// Conversations that wait for the same time continue within a tenth of the wait, but
	// within these bounds.
	leastSpread, mostSpread = 30 * time.Second, 10 * time.Minute
)

// handleFailure decides how a conversation goes on whose step has failed for good: it
// ends, or parks. It returns nothing when the step is to be retried.
func (r *run) handleFailure(ctx workflow.Context, step string, f failure, interrupted func() bool) (*ending, error) {
	workflow.GetLogger(ctx).Warn("step failed", "step", step, "kind", string(f.kind), "reason", f.reason)
	f = r.claimedIsDiverged(f)
	onExhausted := r.policy.OnExhausted
	if f.kind == conversation.BudgetSpent {
		onExhausted = r.policy.OnSpent
	}
	if e := r.finalFailure(f, onExhausted); e != nil {
		return e, nil
	}
	parks := onExhausted != conversation.EndConversation || f.keyless // the key may come back
	if f.contagious() {
		r.warnInbox(ctx, f, parks)
	}
	if !parks {
		return &ending{kind: conversation.OutcomeFailed, detail: step + " failed: " + f.String(), cause: f.kind, open: r.claim.held}, nil
	}
	return r.parkFor(ctx, step, f, interrupted)
}

// claimedIsDiverged: a conversation that another worker has claimed is lost, unless the
// platform has messages of ours. To leave it then would leave it open there.
func (r *run) claimedIsDiverged(f failure) failure {
	if f.kind == conversation.Claimed && r.hasSpoken() {
		f.kind = conversation.Diverged
	}
	return f
}

// finalFailure is the ending after a failure that no operator can do anything about.
func (r *run) finalFailure(f failure, onExhausted conversation.OnExhausted) *ending {
	switch {
	case f.kind == conversation.Claimed:
		return &ending{kind: conversation.OutcomeClaimLost, detail: f.String()}
	case f.kind == conversation.NotFound:
		return &ending{kind: conversation.OutcomeFailed, detail: f.String(), cause: f.kind}
	case f.kind == conversation.ContextTooLong && f.sent == nil:
		// A worker of an earlier version has tried it with less.
		return &ending{kind: conversation.OutcomeFailed, detail: f.String(), cause: f.kind, open: r.claim.held}
	case f.kind == conversation.BudgetSpent && onExhausted == conversation.EndConversation:
		return &ending{kind: conversation.OutcomeBudgetSpent, detail: f.String(), cause: f.kind, open: r.claim.held}
	}
	return nil
}

// parkFor parks the conversation for a failure until it is resumed or must end.
func (r *run) parkFor(ctx workflow.Context, step string, f failure, interrupted func() bool) (*ending, error) {
	switch {
	case f.kind == conversation.Unauthorized && !f.until.IsZero():
		f.until = workflow.Now(ctx).Add(min(firstReconcile<<min(r.steps.waits, 10), lastReconcile))
	case r.steps.waits >= maxWaits:
		f.until = time.Time{}
	}
	inside, span := r.beginWait(ctx, tracing.SpanParked, "", tracing.KeyStep.String(tracing.Name(step)), tracing.KeyKind.String(string(f.kind)))
	r.park(inside, step, f)
	err := r.waitParked(inside, &f, interrupted)
	r.attention = nil
	span.End(ctx)
	if err != nil {
		return nil, err
	}
	if e := r.mustEnd(ctx); e != nil {
		if f.kind == conversation.BudgetSpent && e.kind == conversation.OutcomeEnded {
			e.kind, e.by = conversation.OutcomeBudgetSpent, ""
		}
		return e, nil
	}
	if err := r.reserveCapacity(ctx); err != nil {
		return nil, err
	}
	r.setState(ctx, r.activeState())
	if f.kind == conversation.Diverged && r.resets.stale == nil {
		r.resets.stale = &stale{}
	}
	return r.mustEnd(ctx), nil
}

// parkForFinding parks the conversation for something that is wrong with a result which
// counts all the same. It goes on when it is resumed.
func (r *run) parkForFinding(ctx workflow.Context, step string, park *activities.Finding) (*ending, error) {
	if park == nil {
		return nil, nil
	}
	return r.handleFailure(ctx, step, failure{kind: park.Kind, reason: park.Reason, remedy: park.Remedy}, r.interrupted)
}

// park shows that the conversation needs attention, and why.
func (r *run) park(ctx workflow.Context, step string, f failure) {
	r.turnTime.disturb()
	r.count(ctx, MetricParkings, "kind", string(f.kind))
	before := r.attention
	r.attention = &Attention{
		Since: workflow.Now(ctx).UTC(), Step: step, Kind: f.kind, Reason: f.reason, Remedy: f.remedy, Source: r.sourceOf(f),
	}
	if !f.until.IsZero() {
		next := continuesAt(ctx, f.until)
		r.attention.NextCheck = next
		r.attention.Reason = "waits until " + next.Format("2006-01-02 15:04:05 UTC") + ": " + f.reason
	}
	r.attention.NewReply = r.suggestsNewReply(f)
	r.setState(ctx, StateNeedsAttention)
	if before != nil && before.Kind != f.kind && r.in.Edition >= 2 {
		r.upsertState(ctx) // the reason has changed, not the state
	}
	r.show(ctx)
	r.notify(ctx, conversation.EventNeedsAttention, r.attention.Reason)
	r.releaseCapacity(ctx, true)
}

// waitParked waits while the conversation is parked: until it is resumed, by an operator
// or by a signal, until interrupted, until it expires, until the time that the failure
// names, or until f.reconcile reports that the failure is resolved. Where that finds another failure, f becomes it. An error means
// that the workflow is cancelled.
func (r *run) waitParked(ctx workflow.Context, f *failure, interrupted func() bool) error {
	over := func() bool { return r.attention == nil || interrupted() }
	for interval := firstReconcile; f.reconcile != nil && !over(); interval = min(2*interval, r.longestReconcile()) {
		r.attention.NextCheck = workflow.Now(ctx).Add(interval).UTC()
		r.show(ctx)
		inTime, err := r.waitUpTo(ctx, interval, "read the transcript once more", over)
		if err != nil || inTime || r.expired(ctx) {
			return err
		}
		done, now := f.reconcile(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case done || over():
			return nil
		case now != nil:
			// It is another failure now, which reading does not resolve.
			*f = *now
			r.park(ctx, r.attention.Step, *f)
		}
	}
	if over() || !r.attention.ContinuesByItself() {
		return r.waitForOperator(ctx, over)
	}
	return r.waitForTime(ctx, over)
}

// waitForTime waits until the time at which the parked conversation continues by itself.
// While it is paused it does not.
func (r *run) waitForTime(ctx workflow.Context, over func() bool) error {
	r.show(ctx)
	inTime, err := r.waitUpTo(ctx, r.attention.NextCheck.Sub(workflow.Now(ctx)), "the wait that was asked for", over)
	if err != nil || inTime || r.expired(ctx) {
		return err
	}
	if r.wishes.paused != nil {
		r.attention.NextCheck = time.Time{}
		return r.waitForOperator(ctx, over)
	}
	r.steps.waits++
	return nil
}

// continuesAt is when a conversation that has to wait until a time continues. Not all that
// wait for the same time continue in the same second.
func continuesAt(ctx workflow.Context, until time.Time) time.Time {
	now := workflow.Now(ctx)
	spread := min(max(until.Sub(now)/10, leastSpread), mostSpread)
	if until.Before(now) { // no worker was there meanwhile
		until = now
	}
	info := workflow.GetInfo(ctx)
	return until.Add(time.Duration(hash(info.WorkflowExecution.ID, int(until.Unix())) % uint64(spread))).UTC()
}

// waitForOperator waits until done, or until the conversation expires: no operator should
// have to clear away what has expired.
func (r *run) waitForOperator(ctx workflow.Context, done func() bool) error {
	r.show(ctx)
	if r.about.Expires.IsZero() {
		return workflow.Await(ctx, done)
	}
	left := r.about.Expires.Sub(workflow.Now(ctx))
	if left <= 0 {
		return nil
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      left,
		TimerOptions: workflow.TimerOptions{Summary: "expiry of the conversation"},
	}, done)
	return err
}

// waitUpTo waits until done, for at most d and not beyond the conversation's expiry.
func (r *run) waitUpTo(ctx workflow.Context, d time.Duration, summary string, done func() bool) (inTime bool, err error) {
	if !r.about.Expires.IsZero() {
		d = min(d, r.about.Expires.Sub(workflow.Now(ctx)))
	}
	if d <= 0 {
		return done(), nil
	}
	return workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{Timeout: d, TimerOptions: workflow.TimerOptions{Summary: summary}}, done)
}
