package command

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/internal/rig"
)

// TestDirectDocs sends what docs/direct.md shows for other programs.
func TestDirectDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "direct.md"))
	require.NoError(t, err)
	var blocks []map[string]any
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1) {
		var document map[string]any
		require.NoError(t, json.Unmarshal(block[1], &document))
		blocks = append(blocks, document)
	}
	require.Len(t, blocks, 3)
	input, message, want := blocks[0], blocks[1], blocks[2]

	o := newOffice(t, parrot{}, nil)
	o.StartWorker(t)
	id := "direct/support/order-17"
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	for range 2 {
		start := o.Client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
			ID: id, TaskQueue: o.TaskQueue,
			WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		}, "Conversation", input)
		handle, err := o.Client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: start,
			UpdateOptions: client.UpdateWorkflowOptions{
				UpdateName: "send", UpdateID: message["id"].(string), Args: []any{message},
				WaitForStage: client.WorkflowUpdateStageAccepted,
			},
		})
		require.NoError(t, err)
		var reply map[string]any
		require.NoError(t, handle.Get(ctx, &reply))
		said := reply["message"].(map[string]any)
		require.Equal(t, `1: "Where is my order?"`, said["parts"].([]any)[0].(map[string]any)["text"])

		// The page leaves out times and empty fields.
		delete(said, "time")
		said["parts"] = want["message"].(map[string]any)["parts"]
		reply["ended"] = false
		require.Equal(t, want, reply)
	}
	o.starter(0, "send", "--resume", id, "bye")
	o.starter(0, "show", id)
}
