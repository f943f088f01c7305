package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// claim says whether the conversation or task is this workflow's.
type claim struct {
	held bool
	// ambiguous means that the last request is ambiguous: the claim may be ours. tried is
	// what is known of the requests.
	ambiguous bool
	tried     *activities.Mark
	// run is the run that made the claim.
	run string
	// receipt is what the claim of a task gave.
	receipt *activities.Receipt
	// context came with the claim, and has not been taken in yet.
	context *activities.ContextResult
}

// takeContext is what came with the claim, once.
func (c *claim) takeContext() *activities.ContextResult {
	out := c.context
	c.context = nil
	return out
}

// gotReceipt records that a task is ours, to be reported whatever is wanted by now.
func (c *claim) gotReceipt(receipt *activities.Receipt) {
	if receipt != nil {
		c.receipt, c.held = receipt, true
	}
}

// enter waits for capacity before the first request to the platform.
func (r *run) enter(ctx workflow.Context) (*ending, error) {
	if err := r.reserveCapacity(ctx); err != nil {
		return nil, err
	}
	return r.mustEnd(ctx), nil
}

// requestClaim has the conversation claimed. done is false if it is not ours, or not yet.
func (r *run) requestClaim(ctx workflow.Context) (done bool, e *ending, err error) {
	about := r.contextInput()
	in := activities.ClaimInput{Ref: r.in.Ref, Adopt: r.in.Adopt, Run: r.resets.run, Context: &about}
	var out activities.ClaimResult
	done, e, err = r.runStep(ctx, step{
		name: stepClaim, options: activities.ClaimOptions(r.policy), activity: activities.ClaimName,
		input:       func() any { return in },
		interrupted: r.interrupted,
		get: func(f workflow.Future) (*handover, error) {
			out = activities.ClaimResult{}
			err := f.Get(ctx, &out)
			before := in.Tried
			in.Tried = out.Tried
			if err != nil {
				// It may be ours: the next attempt must know its own claim from a rival's.
				in.Tried = triedBefore(ctx, err, before)
			}
			r.claim.tried = in.Tried
			r.claim.ambiguous = err != nil && failureOf(err).mayHaveClaimed() || out.HandedOver && out.Tried != nil
			r.claim.gotReceipt(out.Receipt)
			return handedOver(out.HandedOver, 0, out.Failed), err
		},
	})
	if done && !out.Claimed {
		return false, &ending{kind: conversation.OutcomeClaimLost, detail: out.Detail}, nil
	}
	if done {
		r.claim.held, r.claim.context, r.eager = true, out.Context, out.Eager
	}
	return done, e, err
}

// resolveClaim finds out whether an ambiguous claim is ours: nothing else would release
// the conversation or task then.
func (r *run) resolveClaim(ctx workflow.Context, e *ending) {
	if !r.claim.ambiguous || r.claim.held || e.cause == conversation.NotFound {
		return
	}
	out, err := r.findClaim(ctx)
	if err != nil {
		e.detail = join(e.detail, "whether the claim was made could not be found out: "+failureOf(err).String())
		return
	}
	r.claim.ambiguous = false
	r.claim.gotReceipt(out.Receipt)
	if out.Ours || out.Receipt != nil {
		r.claim.held, e.open = true, true
	}
}

// findClaim asks the platform whether the claim is this workflow's.
func (r *run) findClaim(ctx workflow.Context) (activities.FindClaimResult, error) {
	in := activities.FindClaimInput{Ref: r.in.Ref, Adopt: r.in.Adopt, Tried: r.claim.tried, Run: r.claim.run}
	var out activities.FindClaimResult
	err := r.runToEnd(ctx, "find the claim", activities.ReportOptions(), activities.FindClaimName,
		func(int) any { return in },
		func(f workflow.Future) (bool, int, error) {
			out = activities.FindClaimResult{}
			err := f.Get(ctx, &out)
			if out.HandedOver && out.Tried != nil {
				in.Tried = out.Tried
			}
			return out.HandedOver, out.Failed, err
		})
	return out, err
}
