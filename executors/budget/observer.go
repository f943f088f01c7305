package budget

import (
	"context"

	"github.com/parley-run/parley/conversation"
)

// A Spending is the money of one call, which may have failed.
type Spending struct {
	Executor string // as configured
	Model    string // that answered, or the configured one of a call that failed
	Money    Money
	Currency string
}

// An Observer observes what executors spend, for metrics. It must be quick.
type Observer interface {
	Spent(ctx context.Context, s Spending)
}

// observe tells the observer what a call has cost.
func (e *Executor) observe(ctx context.Context, model string, u conversation.Usage) {
	if e.cfg.Observer == nil || u.Cost <= 0 {
		return
	}
	e.cfg.Observer.Spent(ctx, Spending{Executor: e.cfg.Executor, Model: model, Money: Money(u.Cost), Currency: e.cfg.Currency})
}
