package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/tracing"
)

// A handover is the end of an activity without its result, for no fault of its own: its
// worker stopped, or its turn under a rate limit is still to come.
type handover struct {
	// wait is how long its turn is away, and failed how many attempts had failed.
	wait   time.Duration
	failed int
}

// handedOver is nil unless the activity was handed over.
func handedOver(over bool, wait time.Duration, failed int) *handover {
	if !over {
		return nil
	}
	return &handover{wait: wait, failed: failed}
}

// recovery says how a step goes on after a failure.
type recovery int

const (
	none     recovery = iota // it does not: the conversation parks or ends
	retry                    // schedule the step once more, with another input
	resolved                 // go on without a result
)

// A step is an activity on whose result the conversation goes on.
type step struct {
	name     string
	options  workflow.ActivityOptions
	activity string
	// input is called each time the activity is scheduled.
	input func() any
	// interrupted reports that the result is not waited for any more.
	interrupted func() bool
	// get reads the result.
	get func(workflow.Future) (*handover, error)
	// recover, if not nil, sees a failure before the conversation parks for it.
	recover func(failure) recovery
	// reconcile, if not nil, finds out whether an ambiguous step has its result meanwhile,
	// without doing anything twice: see failure.reconcile.
	reconcile func(workflow.Context) (bool, *failure)
	// replace, if not nil, is called when an operator has resumed the step. The step ends if
	// its input is withdrawn, or if it has its result after all. It fails anew with now.
	replace func(workflow.Context) (withdrawn, found bool, now *failure)
	// resumed, if not nil, is called with a failure that an operator wants to be retried.
	resumed func(failure)
}

// runStep runs a step: an activity, as often as it is handed over, and once more after an
// operator has resumed it. done is false when it was interrupted, or when the
// conversation has to be reconciled first. An error means that the workflow is cancelled.
func (r *run) runStep(ctx workflow.Context, s step) (done bool, e *ending, err error) {
	r.steps.waits = 0
	for failed := 0; ; {
		over, err := r.await(ctx, s, failed)
		switch {
		case err == nil && over == nil:
			return true, nil, nil
		case ctx.Err() != nil:
			return false, nil, ctx.Err()
		case s.interrupted():
			return false, r.mustEnd(ctx), nil
		case err == nil:
			r.turnTime.disturb()
			failed += over.failed
			if err := r.waitTurn(ctx, over.wait, s.interrupted); err != nil {
				return false, nil, err
			}
			if s.interrupted() {
				return false, r.mustEnd(ctx), nil
			}
			continue
		}
		r.turnTime.disturb()
		failed = 0
		done, stop, e, err := r.recoverStep(ctx, s, failureOf(err))
		if stop {
			return done, e, err
		}
	}
}

// await schedules the step's activity and waits for it, or until it is interrupted.
func (r *run) await(ctx workflow.Context, s step, failed int) (*handover, error) {
	r.steps.now = s.name
	r.show(ctx)
	stepCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	future := r.steps.schedule(stepCtx, s.name, failed, s.options, s.activity, s.input())
	// An error means that the workflow is cancelled, and the activity with it.
	_ = workflow.Await(ctx, func() bool { return future.IsReady() || s.interrupted() })
	if !future.IsReady() {
		cancel()
	}
	return s.get(future)
}

// recoverStep deals with the failure of a step. Unless stop is set, the step is to be
// scheduled once more.
func (r *run) recoverStep(ctx workflow.Context, s step, f failure) (done, stop bool, e *ending, err error) {
	r.usage.add(f.spent)
	if f.kind == conversation.Reset {
		r.wasReset(ctx, f)
		return false, true, nil, nil
	}
	if s.recover != nil {
		switch s.recover(f) {
		case retry:
			return false, false, nil, nil
		case resolved:
			return true, true, nil, nil
		}
	}
	found := false
	if s.reconcile != nil && f.kind == conversation.Ambiguous {
		f.reconcile = func(ctx workflow.Context) (bool, *failure) {
			var now *failure
			found, now = s.reconcile(ctx)
			return found, now
		}
	}
	e, err = r.handleFailure(ctx, s.name, f, s.interrupted)
	switch {
	case e != nil || err != nil:
		return false, true, e, err
	case found:
		return true, true, nil, nil
	case s.interrupted():
		return false, true, r.mustEnd(ctx), nil
	}
	if s.replace != nil {
		withdrawn, found, now := s.replace(ctx)
		switch {
		case ctx.Err() != nil:
			return false, true, nil, ctx.Err()
		case s.interrupted():
			return false, true, r.mustEnd(ctx), nil
		case now != nil:
			return r.recoverStep(ctx, s, *now)
		case withdrawn || found:
			return found, true, nil, nil
		}
	}
	if s.resumed != nil {
		s.resumed(f)
	}
	return false, false, nil, nil
}

// waitTurn waits until it is this conversation's turn under a rate limit.
func (r *run) waitTurn(ctx workflow.Context, wait time.Duration, interrupted func() bool) error {
	if wait <= 0 {
		return nil
	}
	begun := workflow.Now(ctx)
	r.steps.queue.waits = true
	_, span := r.beginWait(ctx, tracing.SpanRate, "")
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      wait,
		TimerOptions: workflow.TimerOptions{Summary: "its turn under the rate limit"},
	}, interrupted)
	span.End(ctx)
	now := workflow.Now(ctx)
	r.steps.queue.waits, r.steps.queue.waited = false, r.steps.queue.waited+now.Sub(begun)
	if r.usage.total.Calls == 0 {
		r.steps.queue.until = now.UTC()
	}
	return err
}

// runToEnd runs one activity as a step, as often as it is handed over, and waits for it
// whatever operators want meanwhile. get reads its result.
func (r *run) runToEnd(
	ctx workflow.Context, name string, opts workflow.ActivityOptions, activity string,
	input func(failed int) any,
	get func(workflow.Future) (handedOver bool, failed int, err error),
) error {
	r.steps.now = name
	r.show(ctx)
	for failed := 0; ; {
		over, more, err := get(r.steps.schedule(ctx, name, failed, opts, activity, input(failed)))
		if err != nil {
			f := failureOf(err)
			if f.kind != conversation.Reset {
				workflow.GetLogger(ctx).Warn("step failed", "step", name, "kind", string(f.kind), "reason", f.reason)
			}
			return err
		}
		if !over {
			return nil
		}
		failed += more
	}
}
