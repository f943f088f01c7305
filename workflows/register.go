package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Register makes the workflows known to a worker under their recorded names. With
// worker versioning, all of them move to the current version with their next task:
// workers of earlier versions can stop at any time. Histories of earlier releases that
// the tests replay guard the move.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(Conversation, workflow.RegisterOptions{
		Name:               ConversationName,
		VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
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
