package workflows

import (
	"strings"

	"go.temporal.io/sdk/workflow"
)

// resets knows which run of the workflow the state was built in. A workflow that was
// reset has the history of another run up to some point, and that run went further.
type resets struct {
	// run is the run id that the state was built in: see activities.ContextResult.
	run string
	// stale is set once the state may be older than what the other side holds. The
	// conversation is then reconciled before anything else is done.
	stale *stale
	// reconciled is how often that was done in this run. It is a part of keys.
	reconciled int
	// mayHaveAsked means that the run that was reset may have made the executor's next
	// call.
	mayHaveAsked bool
	// turns is how many turns are to come whose tool calls may have been made before, and
	// why says how.
	turns int
	why   string
	// called means that the turn has made tool calls that must not be repeated.
	called bool
}

// mayHaveCalled says why a tool call of this turn may have been made before. Empty: it was
// not.
func (r *resets) mayHaveCalled() string {
	if r.turns == 0 {
		return ""
	}
	return r.why
}

// delivered records that a turn has come to its end.
func (r *resets) delivered() { r.turns, r.called = max(0, r.turns-1), false }

// foundReset records that the run was reset: what it did from here on is not known.
func (r *run) foundReset() {
	var s Status
	r.side.describe(&s)
	// Temporal repeats the messages of clients that came after the reset's point.
	r.resets.mayHaveAsked, r.resets.turns, r.resets.why = true, 1+s.Queued, lostInReset
}

// stale says why the state may be older than what the other side holds.
type stale struct {
	// run is the run that goes on, if the workflow was reset. Empty: it was not.
	run string
	// back is where the turn began that found it out, if that was one of the executor.
	back *bookmark
}

// wasReset records that an activity found the workflow reset.
func (r *run) wasReset(ctx workflow.Context, f failure) {
	if r.resets.stale == nil {
		workflow.GetLogger(ctx).Warn("the run was reset: the conversation is reconciled before it continues", "run", f.runID)
		r.resets.stale = &stale{run: f.runID}
	}
}

// catchUp reconciles the conversation with its other side.
func (r *run) catchUp(ctx workflow.Context) (*ending, error) {
	reset, back := r.resets.stale.run != "", r.resets.stale.back
	if reset {
		r.resets.run = r.resets.stale.run
		r.foundReset()
	} else if r.resets.called {
		// The turn is had again, and the agent does not know what it has called.
		r.resets.turns, r.resets.why = 1, lostInReconcile
	}
	r.resets.stale = nil
	r.resets.reconciled++
	e, err := r.side.reconcile(ctx, reset)
	if e == nil && err == nil && back != nil && r.onlyCopy {
		r.transcript.goBack(*back) // nothing else has replaced what the turn has brought
	}
	if e != nil && reset && !strings.Contains(e.detail, "reset") {
		e.detail = join("the workflow was reset", e.detail)
	}
	return e, err
}
