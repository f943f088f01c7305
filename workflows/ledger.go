package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation/spending"
)

// ledgerFor is how long the usage ledger of a day is kept: past the end of its day in
// every time zone, and past the longest call that may still be open.
const ledgerFor = 48 * time.Hour

// LedgerInput starts a Ledger.
type LedgerInput struct {
	Account spending.Account      `json:"account"`
	State   spending.AccountState `json:"state,omitzero"`
	// Until is when it ends. Zero: two days from now.
	Until time.Time `json:"until,omitzero"`
}

// Ledger keeps what a budget has spent in a day. It receives entries as signals, which
// outlive every worker, and answers a query with their sum.
func Ledger(ctx workflow.Context, in LedgerInput) error {
	l := &ledger{account: in.Account, state: in.State, entries: workflow.GetSignalChannel(ctx, SignalEntries)}
	until := in.Until
	if until.IsZero() {
		until = workflow.Now(ctx).Add(ledgerFor)
	}
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryTotal, func() (spending.Amount, error) { return l.state.Total(), nil },
		workflow.QueryHandlerOptions{Description: "What has been spent."})
	if err != nil {
		return err
	}
	l.show(ctx)
	over := false
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(l.entries, func(workflow.ReceiveChannel, bool) { l.receive(ctx) })
	selector.AddFuture(workflow.NewTimerWithOptions(ctx, until.Sub(workflow.Now(ctx)), workflow.TimerOptions{Summary: "end of the ledger"}),
		func(workflow.Future) { over = true })
	for !over && ctx.Err() == nil {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			l.receive(ctx) // signals that have arrived must not be lost with the run
			return workflow.NewContinueAsNewError(ctx, LedgerName, LedgerInput{Account: in.Account, State: l.state, Until: until})
		}
		selector.Select(ctx)
	}
	return ctx.Err()
}

// ledger is the state of a Ledger.
type ledger struct {
	account spending.Account
	state   spending.AccountState
	entries workflow.ReceiveChannel
}

// receive records the entries that have arrived.
func (l *ledger) receive(ctx workflow.Context) {
	for {
		var batch []spending.Entry
		if !l.entries.ReceiveAsync(&batch) {
			break
		}
		for _, e := range batch {
			l.state.Record(e)
		}
	}
	l.show(ctx)
}

func (l *ledger) show(ctx workflow.Context) {
	total := l.state.Total()
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s** on %s: %d tokens · %s of money · %d open calls\n",
		l.account.Name, l.account.Day, total.Tokens, total.Money, len(l.state.Open)))
}
