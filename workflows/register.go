package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Register makes the workflows known to a worker under their recorded names. With
// worker versioning, conversations stay on the version they began on until they
// continue as new, and inboxes, capacities and ledgers move to the newest.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(Conversation, workflow.RegisterOptions{
		Name:               ConversationName,
		VersioningBehavior: workflow.VersioningBehaviorPinned,
	})
	r.RegisterWorkflowWithOptions(Inbox, workflow.RegisterOptions{
		Name:               InboxName,
		VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	r.RegisterWorkflowWithOptions(Capacity, workflow.RegisterOptions{
		Name:               CapacityName,
		VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	r.RegisterWorkflowWithOptions(Ledger, workflow.RegisterOptions{
		Name:               LedgerName,
		VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	r.RegisterWorkflowWithOptions(Act, workflow.RegisterOptions{
		Name:               ActName,
		VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
}
