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

// gather is how long entries wait for others: every signal costs the server a workflow
// task, and a workflow should get only a few a second.
const gather = 100 * time.Millisecond

// A Ledger keeps budgets in Temporal, one workflow per budget and day. It is safe
// for concurrent use. Create it with [NewLedger].
type Ledger struct {
	launcher Launcher
	mu       sync.Mutex
	batches  map[budget.Account]*batch
	sums     map[budget.Account]*sums
}

var _ budget.Ledger = (*Ledger)(nil)

type batch struct {
	entries []budget.Entry
	done    chan struct{}
	err     error
}

// sums are a question for a sum that is under way, and the one after it. Nil: none waits.
type sums struct{ next *sum }

type sum struct {
	amount budget.Amount
	err    error
	done   chan struct{}
}

// NewLedger returns a ledger that writes with this launcher.
func NewLedger(l Launcher) *Ledger {
	return &Ledger{launcher: l, batches: make(map[budget.Account]*batch), sums: make(map[budget.Account]*sums)}
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
		StaticSummary:         printable.MarkdownClip(fmt.Sprintf("budget %s on %s", account.Name, account.Day), maxSummary),
	}, workflows.LedgerName, workflows.LedgerInput{Account: account})
	if err != nil {
		b.err = fmt.Errorf("launch: record usage in %q: %w", id, err)
	}
	close(b.done)
}

// Total implements budget.Ledger. The sum is asked for after the call: what was recorded
// before is in it, by whatever worker. Calls that come while one asks share the next
// question.
func (l *Ledger) Total(ctx context.Context, account budget.Account) (budget.Amount, error) {
	l.mu.Lock()
	f := l.sums[account]
	var s *sum
	switch {
	case f == nil:
		s = &sum{done: make(chan struct{})}
		f = &sums{}
		l.sums[account] = f
		go l.ask(context.WithoutCancel(ctx), account, f, s)
	case f.next == nil:
		f.next = &sum{done: make(chan struct{})}
		s = f.next
	default:
		s = f.next
	}
	l.mu.Unlock()
	select {
	case <-s.done:
		return s.amount, s.err
	case <-ctx.Done():
		return budget.Amount{}, ctx.Err()
	}
}

// ask asks for a sum, and then for the next as long as there are callers.
func (l *Ledger) ask(ctx context.Context, account budget.Account, f *sums, s *sum) {
	for s != nil {
		s.amount, s.err = l.query(ctx, account)
		close(s.done)
		l.mu.Lock()
		s, f.next = f.next, nil
		if s == nil {
			delete(l.sums, account)
		}
		l.mu.Unlock()
	}
}

func (l *Ledger) query(ctx context.Context, account budget.Account) (budget.Amount, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	id := workflows.LedgerID(account)
	var amount budget.Amount
	value, err := l.launcher.Client.QueryWorkflow(ctx, id, "", workflows.QueryTotal)
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone): // nothing spent yet
		return budget.Amount{}, nil
	case err == nil:
		err = value.Get(&amount)
	}
	if err != nil {
		return budget.Amount{}, fmt.Errorf("launch: ask %q: %w", id, err)
	}
	return amount, nil
}
