package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation/spending"
)

// ledgerFor is how long a day's ledger is kept: past the end of its day in every
// time zone, and past the longest call that may still be settled.
const ledgerFor = 48 * time.Hour

// LedgerInput starts a Ledger.
type LedgerInput struct {
	Account      spending.Account      `json:"account"`
	AccountState spending.AccountState `json:"state,omitzero"`
	// Until is when it ends. Zero: two days from now.
	Until time.Time `json:"until,omitzero"`
}

// Ledger keeps what a budget has spent in a day. It takes entries as signals, which
// outlive every worker, and answers with their sum.
func Ledger(ctx workflow.Context, in LedgerInput) error {
	sheet := in.AccountState
	until := in.Until
	if until.IsZero() {
		until = workflow.Now(ctx).Add(ledgerFor)
	}
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryTotal, func() (spending.Amount, error) { return sheet.Total(), nil },
		workflow.QueryHandlerOptions{Description: "What has been spent."})
	if err != nil {
		return err
	}
	show := func() {
		total := sheet.Total()
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s** on %s: %d tokens · %s of money · %d calls under way\n",
			in.Account.Name, in.Account.Day, total.Tokens, total.Money, len(sheet.Open)))
	}
	show()
	entries := workflow.GetSignalChannel(ctx, SignalEntries)
	book := func(c workflow.ReceiveChannel, _ bool) {
		var batch []spending.Entry
		c.Receive(ctx, &batch)
		for _, e := range batch {
			sheet.Record(e)
		}
		show()
	}
	over := false
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(entries, book)
	selector.AddFuture(workflow.NewTimerWithOptions(ctx, until.Sub(workflow.Now(ctx)), workflow.TimerOptions{Summary: "end of the ledger"}),
		func(workflow.Future) { over = true })
	for !over {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			var batch []spending.Entry
			for entries.ReceiveAsync(&batch) {
				for _, e := range batch {
					sheet.Record(e)
				}
				batch = nil
			}
			return workflow.NewContinueAsNewError(ctx, LedgerName, LedgerInput{Account: in.Account, AccountState: sheet, Until: until})
		}
		selector.Select(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
