package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/spending"
	"github.com/parley-run/parley/workflows"
)

// The names that are recorded, and those by which others find a workflow, do not change.
func TestNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Conversation", workflows.ConversationName)
	require.Equal(t, "Inbox", workflows.InboxName)
	require.Equal(t, "Ledger", workflows.LedgerName)
	require.Equal(t, "mem/p/c", workflows.ConversationID(conversation.Ref{Platform: "mem", Project: "p", Agent: "a", Simulation: "s", ID: "c"}))
	require.Equal(t, "inbox/mem/p/a", workflows.InboxID("mem", "p", "a"))
	require.Equal(t, "budget/gold/2026-03-01", workflows.LedgerID(spending.Account{Name: "gold", Day: "2026-03-01"}))
}

// All search attributes of Parley carry its name, once each.
func TestSearchAttributes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, key := range workflows.SearchAttributes() {
		require.Regexp(t, "^Parley[A-Z]", key.GetName())
		require.False(t, seen[key.GetName()], key.GetName())
		seen[key.GetName()] = true
	}
	require.Len(t, seen, 16)
}

// registry keeps what is registered.
type registry map[string]workflow.RegisterOptions

func (r registry) RegisterWorkflow(any) { panic("a workflow without a name") }

func (r registry) RegisterWorkflowWithOptions(_ any, o workflow.RegisterOptions) { r[o.Name] = o }

func (r registry) RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions) {
	panic("a dynamic workflow")
}

// Conversations stay on the version of the worker that they began on; what owns a
// resource moves on.
func TestRegister(t *testing.T) {
	t.Parallel()
	r := registry{}
	workflows.Register(r)
	want := map[string]workflow.VersioningBehavior{
		workflows.ConversationName: workflow.VersioningBehaviorAutoUpgrade, workflows.InboxName: workflow.VersioningBehaviorAutoUpgrade,
		workflows.CapacityName: workflow.VersioningBehaviorAutoUpgrade, workflows.LedgerName: workflow.VersioningBehaviorAutoUpgrade,
		workflows.ActName: workflow.VersioningBehaviorAutoUpgrade,
	}
	require.Len(t, r, len(want))
	for name, behavior := range want {
		require.Equal(t, behavior, r[name].VersioningBehavior, name)
	}
}
