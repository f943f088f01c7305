package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation/spending"
	"github.com/parley-run/parley/workflows"
)

var account = spending.Account{Name: "gpt", Day: "2026-01-31"}

// books is a usage ledger in the test environment.
type books struct {
	t   *testing.T
	env *testsuite.TestWorkflowEnvironment
}

func newBooks(t *testing.T) *books {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	b := &books{t: t, env: suite.NewTestWorkflowEnvironment()}
	workflows.Register(b.env)
	return b
}

func (b *books) record(entries ...spending.Entry) {
	b.env.SignalWorkflow(workflows.SignalEntries, entries)
}

func (b *books) after(d time.Duration, do func()) { b.env.RegisterDelayedCallback(do, d) }

func (b *books) total() (out spending.Amount) {
	value, err := b.env.QueryWorkflow(workflows.QueryTotal)
	require.NoError(b.t, err)
	require.NoError(b.t, value.Get(&out))
	return out
}

func entry(id string, tokens int64, final bool) spending.Entry {
	return spending.Entry{ID: id, Amount: spending.Amount{Tokens: tokens}, Final: final}
}

// Estimates are replaced by what calls have really spent, and an entry that arrives
// twice counts once.
func TestLedgerSumsUp(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	b.after(time.Second, func() {
		require.Zero(t, b.total())
		b.record(entry("a", 100, false), entry("b", 50, false))
	})
	b.after(2*time.Second, func() {
		require.EqualValues(t, 150, b.total().Tokens)
		b.record(entry("a", 70, true))
		b.record(entry("a", 70, true))
	})
	b.after(3*time.Second, func() { require.EqualValues(t, 120, b.total().Tokens) })
	begun := b.env.Now()
	b.env.ExecuteWorkflow(workflows.LedgerName, workflows.LedgerInput{Account: account})
	require.NoError(t, b.env.GetWorkflowError())
	require.Equal(t, 48*time.Hour, b.env.Now().Sub(begun).Round(time.Hour), "past the end of the day everywhere")
	require.EqualValues(t, 120, b.total().Tokens)
}

// Continuing as new carries the state and the end.
func TestLedgerContinuesAsNew(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	until := b.env.Now().Add(5 * time.Hour).UTC()
	b.after(time.Minute, func() {
		b.record(entry("a", 100, true))
		b.record(entry("b", 1, true))
	})
	b.after(2*time.Minute, func() {
		b.env.SetContinueAsNewSuggested(true)
		b.record(entry("c", 2, false))
	})
	b.env.ExecuteWorkflow(workflows.LedgerName, workflows.LedgerInput{
		Account: account, Until: until, State: spending.AccountState{Settled: spending.Amount{Tokens: 1000}},
	})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, b.env.GetWorkflowError(), &again)
	var next workflows.LedgerInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	require.Equal(t, account, next.Account)
	require.Equal(t, until, next.Until.UTC())
	require.EqualValues(t, 1103, next.State.Total().Tokens)
	require.Len(t, next.State.Open, 1)
}

func TestLedgerIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	b.after(time.Minute, b.env.CancelWorkflow)
	b.env.ExecuteWorkflow(workflows.LedgerName, workflows.LedgerInput{Account: account})
	var cancelled *temporal.CanceledError
	require.ErrorAs(t, b.env.GetWorkflowError(), &cancelled)
}

func TestLedgerID(t *testing.T) {
	t.Parallel()
	require.Equal(t, "budget/gpt/2026-01-31", workflows.LedgerID(account))
}
