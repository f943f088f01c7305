package activities

import (
	"errors"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/budget"
)

// estimated is the usage of a request in a conversation with a budget: where the provider
// reports no tokens, an estimate stands, so that the budget holds. A reply without a call,
// such as one of a script, costs nothing.
func (r *replying) estimated(name string, req executors.Request, reply conversation.Message, u conversation.Usage, err error) conversation.Usage {
	if !r.in.Budgeted || u.Calls == 0 || !budget.Unmetered(err, u) {
		return u
	}
	u.EstimatedTokens = budget.Tokens(budget.Estimate(req, reply))
	if _, before := r.unmetered.LoadOrStore(name, true); !before {
		activity.GetLogger(r.sdk).Warn("An executor reports no tokens: its calls count with an estimate against the budgets of conversations",
			"executor", name, "estimate", u.EstimatedTokens)
	}
	return u
}

// estimatedError is err with the usage of a request that failed.
func (r *replying) estimatedError(name string, req executors.Request, err error) error {
	var e *conversation.Error
	if !errors.As(err, &e) {
		return err
	}
	u := r.estimated(name, req, conversation.Message{}, e.Usage, err)
	if u == e.Usage {
		return err
	}
	counted := *e
	counted.Kind, counted.Usage = conversation.KindOf(err), u
	return &counted
}
