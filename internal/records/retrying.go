package records

import (
	"errors"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// retrying lists the steps of a workflow that have failed and will be retried, as the
// server reports them: no worker is needed.
func retrying(convert converter.DataConverter, pending []*workflow.PendingActivityInfo) []workflows.Retrying {
	var out []workflows.Retrying
	for _, p := range pending {
		if p.GetLastFailure() == nil {
			continue
		}
		name := p.GetActivityType().GetName()
		r := workflows.Retrying{
			ID: p.GetActivityId(), Step: strings.ToLower(name[strings.LastIndexByte(name, '.')+1:]),
			Attempt: max(1, int(p.GetAttempt())-1), Of: int(p.GetMaximumAttempts()), Since: TimeOf(p.GetLastAttemptCompleteTime()),
		}
		if p.GetState() == enums.PENDING_ACTIVITY_STATE_SCHEDULED {
			r.Next = TimeOf(p.GetScheduledTime())
		}
		failures := temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: convert})
		r.Kind, r.Reason, r.Remedy = reasonOf(failures.FailureToError(p.GetLastFailure()))
		out = append(out, r)
	}
	return out
}

// reasonOf is the text of an activity's error.
func reasonOf(err error) (kind conversation.Kind, reason, remedy string) {
	var app *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &app):
		var details activities.ErrorDetails
		if app.HasDetails() && app.Details(&details) == nil {
			remedy = details.Remedy
		}
		return conversation.Kind(app.Type()), FirstLine(app), remedy
	case errors.As(err, &timeout):
		return conversation.Unavailable, "it did not finish in time, or its worker died: " + FirstLine(err), ""
	}
	return conversation.Unavailable, FirstLine(err), ""
}

// nameRetrying gives steps the names, and attempts the counts over hand-overs, that the
// workflow keeps.
func nameRetrying(pending []workflows.Retrying, status workflows.Status) {
	for i := range pending {
		p := &pending[i]
		for _, known := range status.Retrying {
			if known.ID == p.ID {
				p.Step = known.Step
				p.Attempt, p.Of = p.Attempt+known.Of-p.Of, known.Of
			}
		}
		if len(status.Retrying) == 0 && len(pending) == 1 && strings.Contains(status.Step, p.Step) {
			p.Step = status.Step
		}
	}
}
