package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/payloads"
)

// A failure is what is left of an activity's error in the workflow.
type failure struct {
	kind   conversation.Kind
	reason string
	remedy string
	spent  conversation.Usage
	// activity is the name of the activity that failed, if it was one.
	activity string
	// ambiguous means that what was requested may have been done all the same.
	ambiguous bool
	// reconcile, if not nil, finds out without doing anything twice whether what failed
	// has its result meanwhile, or now fails otherwise. It is called from time to time
	// while the conversation is parked.
	reconcile func(workflow.Context) (resolved bool, now *failure)
	// runID, of a Reset, is the run that is going on.
	runID string
	// mark is what is known of the requests of an exchange or a claim. Nil: nothing.
	mark *activities.Mark
	// sent is what did not fit an executor. Nil: not known.
	sent *activities.SentMessages
	// keyless means that its worker could not read its payloads.
	keyless bool
	// until is when the step may be tried again. Zero: an operator decides.
	until time.Time
}

// failureOf reads the error of an activity whose retries have ended.
func failureOf(err error) failure {
	f := failure{kind: conversation.Unavailable, reason: err.Error(), ambiguous: true}
	var failed *temporal.ActivityError
	if errors.As(err, &failed) {
		f.activity = failed.ActivityType().GetName()
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		f.kind = conversation.Kind(app.Type())
		f.reason = app.Message()
		if app.Type() == payloads.ErrTypeMissingKey {
			return missingKey(f)
		}
		var details activities.ErrorDetails
		if app.HasDetails() && isRead(app.Details(&details)) {
			f.kind, f.remedy, f.spent, f.ambiguous = details.Kind, details.Remedy, details.Spent, details.Ambiguous
			f.mark, f.runID, f.sent, f.until = details.Mark, details.RunID, details.Sent, details.Until
		}
		return f
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		f.reason = "it did not finish in time, or its worker died: " + timeout.Error()
		// What the attempts before it cost is in its heartbeats.
		var left activities.ReplyProgress
		if timeout.HasLastHeartbeatDetails() && isRead(timeout.LastHeartbeatDetails(&left)) {
			f.spent = left.Spent
		}
		var mark activities.Mark
		if timeout.HasLastHeartbeatDetails() && isRead(timeout.LastHeartbeatDetails(&mark)) && !mark.Time.IsZero() {
			f.mark = &mark
		}
	}
	return f
}

// isRead reports whether details were read. Those whose key is missing must not count as
// absent: they may say that a message was sent. The workflow task then fails, and the
// conversation waits for the key.
func isRead(err error) bool {
	payloads.MustRead(err)
	return err == nil
}

// missingKey is the failure of an activity whose worker could not read its payloads. This
// code runs, so another worker can, or the key is back: the step is tried again soon.
func missingKey(f failure) failure {
	f.kind, f.keyless, f.until = conversation.Unavailable, true, time.Unix(1, 0)
	f.remedy = "give every worker the keys of the others"
	return f
}

// triedBefore is what the next activity knows of the requests before it, after one that
// knew of before and has failed. A request goes out only once its mark is
// recorded: an activity that has left none has sent nothing. For an exchange see
// [exchange.triedBefore].
func triedBefore(ctx workflow.Context, err error, before *activities.Mark) *activities.Mark {
	var app *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	mark := failureOf(err).mark
	switch {
	case mark != nil:
		return mark
	case errors.As(err, &app) && app.HasDetails():
		return nil
	case errors.As(err, &timeout):
		return before
	}
	return unknownMark(ctx)
}

// unknownMark is for an attempt of which it is not known what it did: the next must read the
// transcript first.
func unknownMark(ctx workflow.Context) *activities.Mark {
	return &activities.Mark{Time: workflow.Now(ctx).UTC()}
}

// String is the reason and, in parentheses, the remedy.
func (f failure) String() string {
	if f.remedy == "" {
		return f.reason
	}
	return f.reason + " (" + f.remedy + ")"
}

// mayHaveClaimed reports whether a claim that failed may be ours all the same. One of a
// run that was reset may have been made before.
func (f failure) mayHaveClaimed() bool { return f.ambiguous || f.kind == conversation.Reset }

// sends is how many requests a mark knows of.
func sends(m *activities.Mark) int {
	if m == nil {
		return 0
	}
	return m.Sends
}

// contagious reports whether other conversations of the agent will meet the same
// failure.
func (f failure) contagious() bool {
	return f.kind == conversation.Unauthorized || f.kind == conversation.QuotaExhausted
}
