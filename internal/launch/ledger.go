package launch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/workflows"
)

const (
	// gather is how long entries wait for others: every signal costs the server a
	// workflow task, and a workflow should get only a few a second.
	gather = 100 * time.Millisecond
	// totalFor is how long a sum is believed.
	totalFor = 2 * time.Second
)

// A Ledger keeps budgets in Temporal, one workflow per budget and day. It is safe
// for concurrent use. Create it with [NewLedger].
type Ledger struct {
	launcher Launcher
	mu       sync.Mutex
	batches  map[budget.Account]*batch
	totals   map[budget.Account]total
}

var _ budget.Ledger = (*Ledger)(nil)

type batch struct {
	entries []budget.Entry
	done    chan struct{}
	err     error
}

type total struct {
	amount budget.Amount
	at     time.Time
}

// NewLedger returns a ledger that writes with this launcher.
func NewLedger(l Launcher) *Ledger {
	return &Ledger{launcher: l, batches: make(map[budget.Account]*batch), totals: make(map[budget.Account]total)}
}

// Record implements budget.Ledger. Entries that come at about the same time go
// together.
func (l *Ledger) Record(ctx context.Context, account budget.Account, entry budget.Entry) error {
	l.mu.Lock()
	b, first := l.batches[account], false
	if b == nil {
		b, first = &batch{done: make(chan struct{})}, true
		l.batches[account] = b
	}
	b.entries = append(b.entries, entry)
	l.mu.Unlock()
	if first {
		l.write(ctx, account, b)
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write waits for other entries and writes. It goes on when ctx is done: others rely on
// it.
func (l *Ledger) write(ctx context.Context, account budget.Account, b *batch) {
	select {
	case <-ctx.Done():
	case <-time.After(gather):
	}
	l.mu.Lock()
	delete(l.batches, account)
	entries := b.entries
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	id := workflows.LedgerID(account)
	_, err := l.launcher.Client.SignalWithStartWorkflow(ctx, id, workflows.SignalEntries, entries, client.StartWorkflowOptions{
		ID: id, TaskQueue: l.launcher.taskQueue(),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         printable.Clip(fmt.Sprintf("budget %s on %s", account.Name, account.Day), 200),
	}, workflows.LedgerName, workflows.LedgerInput{Account: account})
	if err != nil {
		b.err = fmt.Errorf("launch: record usage in %q: %w", id, err)
	}
	close(b.done)
}

// Total implements budget.Ledger.
func (l *Ledger) Total(ctx context.Context, account budget.Account) (budget.Amount, error) {
	l.mu.Lock()
	known, ok := l.totals[account]
	l.mu.Unlock()
	if ok && time.Since(known.at) < totalFor {
		return known.amount, nil
	}
	id := workflows.LedgerID(account)
	var amount budget.Amount
	value, err := l.launcher.Client.QueryWorkflow(ctx, id, "", workflows.QueryTotal)
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone): // nothing spent yet
	case err != nil:
		return budget.Amount{}, fmt.Errorf("launch: ask %q: %w", id, err)
	default:
		if err := value.Get(&amount); err != nil {
			return budget.Amount{}, fmt.Errorf("launch: ask %q: %w", id, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.totals[account] = total{amount, time.Now()}
	return amount, nil
}
