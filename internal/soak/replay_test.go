//go:build soak

package soak_test

import (
	"context"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

// How long a worker needs for the longest histories that there are: many small events, up to
// where Temporal suggests to continue as new, and few large ones, up to where a turn with
// tools comes to its end.
func TestReplay(t *testing.T) {
	t.Run("small messages", func(t *testing.T) {
		c, options := connected(t, nil)
		r := rig.New(t, c, rig.Options{
			Sim: sim.Config{Player: rig.Endless{Pad: 300}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 2 * 400},
			Executor: agent{strings.Repeat("word ", 60)},
		})
		r.StartWorker(t)
		id := r.Start(t, r.Waiting(t)[0].Ref)
		require.NoError(t, c.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
		replay(t, c, options, id, chain(t, c, id)[0])
	})
	t.Run("large results", func(t *testing.T) {
		c, options := connected(t, nil)
		box := rig.NewToolbox([]string{"read"})
		box.OnCall = func(context.Context, tools.Call) (tools.Result, error) {
			return tools.Result{Content: incompressible(conversation.MaxToolResultBytes)}, nil
		}
		r := rig.New(t, c, rig.Options{
			Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 3},
			Policy:   conversation.Policy{Tools: []string{rig.ToolSet}, ToolResultBytes: conversation.MaxToolResultBytes, ToolRounds: 100},
			Executor: caller{}, Tools: box,
		})
		r.StartWorker(t)
		id := r.Start(t, r.Waiting(t)[0].Ref)
		require.NoError(t, c.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
		replay(t, c, options, id, chain(t, c, id)[0])
	})
}

// caller calls tools as long as it may.
type caller struct{}

func (caller) Execute(_ context.Context, req executors.Request) (executors.Result, error) {
	if len(req.Tools) == 0 {
		return executors.Result{Message: conversation.Text(conversation.RoleAssistant, "done")}, nil
	}
	return rig.CallsTools("read"), nil
}

// incompressible is a text of about so many bytes.
func incompressible(n int) string {
	raw := make([]byte, n*3/4)
	for i := range raw {
		raw[i] = byte(rand.Uint32())
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func replay(t *testing.T, c client.Client, options client.Options, id, run string) {
	t.Helper()
	all := &history.History{}
	begun := time.Now()
	for events := c.GetWorkflowHistory(t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		require.NoError(t, err)
		all.Events = append(all.Events, event)
	}
	read := time.Since(begun)
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		DataConverter: options.DataConverter, FailureConverter: options.FailureConverter, Interceptors: nil,
	})
	require.NoError(t, err)
	workflows.Register(replayer)
	begun = time.Now()
	require.NoError(t, replayer.ReplayWorkflowHistoryWithOptions(silent{}, all, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: id, RunID: run},
	}))
	took := time.Since(begun)
	t.Logf("%d events, %d KiB: read from Temporal in %s, replayed in %s", len(all.Events), proto.Size(all)>>10, read.Round(time.Millisecond), took.Round(time.Millisecond))
	require.Less(t, read+took, 5*time.Second, "the timeout of a workflow task is ten seconds")
}
