package endtoend_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// A conversation that has spent its tokens waits for somebody, who may allow as
// much again; or it ends with that outcome.
func TestBudgetOfAConversation(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 2, MaxTurns: 9},
	})
	r.StartWorker(t)
	waiting := r.Waiting(t)
	// Each reply of the fake takes 12 tokens.
	id := r.StartWith(t, workflows.ConversationInput{
		Ref: waiting[0].Ref, Policy: conversation.Policy{Executor: rig.ExecutorName, MaxTokens: 24},
	})
	status := requireState(t, r, id, workflows.StateNeedsAttention)
	require.Equal(t, conversation.BudgetSpent, status.Attention.Kind)
	require.Equal(t, 2, status.Turn)
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	requireOutcome(t, r, id, "ended by turn limit")

	id = r.StartWith(t, workflows.ConversationInput{
		Ref:    waiting[1].Ref,
		Policy: conversation.Policy{Executor: rig.ExecutorName, MaxTokens: 24, OnSpent: conversation.EndConversation},
	})
	requireOutcome(t, r, id, "budget spent")
	r.RequireOnce(t)
}

// The rounds of tools within one turn are paid for too: the budget is looked at
// before each call of the model.
func TestBudgetAmongTools(t *testing.T) {
	t.Parallel()
	r, gate, _, id := equipped(t, rig.NewToolbox([]string{"look"}), conversation.Policy{MaxTokens: 20}, 3)
	calls := rig.CallsTools("look")
	calls.Usage = conversation.Usage{InputTokens: 10, OutputTokens: 5, Calls: 1}
	gate.Asked(t).Answer(t, calls)
	gate.Asked(t).Answer(t, calls)
	status := requireState(t, r, id, workflows.StateNeedsAttention)
	require.Equal(t, conversation.BudgetSpent, status.Attention.Kind)
	require.Contains(t, status.Attention.Reason, "30 of 20 tokens are spent")
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	ask := gate.Asked(t)
	require.Equal(t, 2, ask.Round, "it goes on where it was")
	require.Len(t, toolResults(ask.Messages), 2)
	ask.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")

	r, gate, _, id = equipped(t, rig.NewToolbox([]string{"look"}), conversation.Policy{MaxTokens: 15, OnSpent: conversation.EndConversation}, 3)
	gate.Asked(t).Answer(t, calls)
	requireOutcome(t, r, id, "budget spent")
}

// What is booked is in Temporal: another worker's ledger knows of it.
func goldenLedger(t *testing.T) (*rig.Rig, string) {
	r := rig.New(t, localstacktest.Client(t), rig.Options{})
	r.StartWorker(t)
	account := budget.Account{Name: r.Name, Day: "2026-01-31"}
	first := launch.NewLedger(r.Launcher)
	total, err := first.Total(t.Context(), account)
	require.NoError(t, err)
	require.Zero(t, total)
	var group sync.WaitGroup
	for _, id := range []string{"a", "b", "c"} {
		group.Go(func() {
			require.NoError(t, first.Record(t.Context(), account, budget.Entry{ID: id, Amount: budget.Amount{Tokens: 100}}))
		})
	}
	group.Wait()
	settled := budget.Entry{ID: "a", Amount: budget.Amount{Tokens: 7}, Final: true}
	require.NoError(t, first.Record(t.Context(), account, settled))
	require.NoError(t, first.Record(t.Context(), account, settled), "the same entry again")
	second := launch.NewLedger(r.Launcher)
	total, err = second.Total(t.Context(), account)
	require.NoError(t, err)
	require.EqualValues(t, 207, total.Tokens)
	id := workflows.LedgerID(account)
	require.NoError(t, r.Client.TerminateWorkflow(t.Context(), id, "", "test over"))
	return r, id
}

// A request that must queue for its turn waits in a timer, and that is no attempt.
func TestQueuedReplyUsesNoAttempt(t *testing.T) {
	t.Parallel()
	fake := &executortest.Fake{}
	queued := 0
	fake.Reply = func(_ context.Context, req executors.Request) (executors.Result, error) {
		require.Equal(t, 1, req.Attempt)
		if queued++; queued <= 3 {
			return executors.Result{}, &conversation.Error{
				Kind: conversation.RateLimited, Op: "limit", Err: limit.ErrQueued, RetryAfter: 100 * time.Millisecond,
			}
		}
		return executors.Result{Message: conversation.Text(conversation.RoleAssistant, "at last")}, nil
	}
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 3},
		Executor: fake, Policy: conversation.Policy{ReplyAttempts: 1},
	})
	r.StartWorker(t)
	requireOutcome(t, r, r.Start(t, r.Waiting(t)[0].Ref), "ended by turn limit")
	require.Equal(t, 4, queued)
}
