package launch

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/workflows"
)

// Act records an act in a workflow of its own. It needs no worker. The fields of ref that
// are known make the record found by the same filters as a conversation.
func (l Launcher) Act(ctx context.Context, record workflows.ActRecord, ref conversation.Ref) error {
	id := workflows.ActID(record)
	_, err := l.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                l.taskQueue(),
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            printable.MarkdownClip(fmt.Sprintf("%s %s", record.Action, record.Subject()), maxSummary),
		TypedSearchAttributes:    attributes(ref, workflows.StateClosed, ""),
	}, workflows.ActName, record)
	if err != nil {
		return fmt.Errorf("record %q: %w", id, err)
	}
	return nil
}
