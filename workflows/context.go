package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
)

// readContext reads what the platform knows of the conversation or task, and replaces the
// transcript by it. What came with the claim need not be read.
func (r *run) readContext(ctx workflow.Context) (out activities.ContextResult, done bool, e *ending, err error) {
	if given := r.claim.takeContext(); given != nil {
		r.transcript.replace(given.Record())
		return *given, true, nil, nil
	}
	done, e, err = r.runStep(ctx, step{
		name: stepContext, options: activities.ContextOptions(r.policy), activity: activities.ContextName,
		input:       func() any { return r.contextInput() },
		interrupted: r.interrupted,
		get: func(f workflow.Future) (*handover, error) {
			out = activities.ContextResult{}
			err := f.Get(ctx, &out)
			return handedOver(out.HandedOver, 0, out.Failed), err
		},
	})
	if done {
		r.transcript.replace(out.Record())
	}
	return out, done, e, err
}

func (r *run) contextInput() activities.ContextInput {
	return activities.ContextInput{
		Ref: r.in.Ref, CarryBytes: r.policy.CarryBytes, MaxMessageBytes: r.policy.MaxMessageBytes, OnOversize: r.policy.OnOversize,
	}
}

// awaitLateMessages reads the conversation until no message is added any more: the run
// that was reset may have been sending one, of which this run's history does not know.
func (r *run) awaitLateMessages(ctx workflow.Context, out activities.ContextResult) (activities.ContextResult, bool, *ending, error) {
	for out.State == activities.StateOpen && out.Settle > 0 {
		r.steps.now = "what was sent before the reset may still arrive"
		r.show(ctx)
		if _, err := r.waitUpTo(ctx, out.Settle, r.steps.now, r.interrupted); err != nil {
			return out, false, nil, err
		}
		if r.interrupted() {
			return out, false, r.mustEnd(ctx), nil
		}
		before := out.Count
		next, done, e, err := r.readContext(ctx)
		if !done {
			return out, false, e, err
		}
		if out = next; out.Count == before {
			break
		}
	}
	return out, true, nil, nil
}
