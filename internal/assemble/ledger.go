package assemble

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/parley-run/parley/executors/budget"
)

// A ledger is there once there is a connection to Temporal: executors are made
// before, so that a fault in their settings is found first.
type ledger struct{ connected atomic.Pointer[budget.Ledger] }

var errNoLedger = errors.New("there is no connection to Temporal, where the spending is kept")

// Record implements budget.Ledger.
func (l *ledger) Record(ctx context.Context, account budget.Account, entry budget.Entry) error {
	if to := l.connected.Load(); to != nil {
		return (*to).Record(ctx, account, entry)
	}
	return errNoLedger
}

// Total implements budget.Ledger.
func (l *ledger) Total(ctx context.Context, account budget.Account) (budget.Amount, error) {
	if to := l.connected.Load(); to != nil {
		return (*to).Total(ctx, account)
	}
	return budget.Amount{}, errNoLedger
}
