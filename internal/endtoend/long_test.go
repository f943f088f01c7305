package endtoend_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// A thousand turns, over continue-as-new as Temporal suggests it: the history of
// turn 900 is as small as that of turn 100.
func TestThousandTurns(t *testing.T) {
	t.Parallel()
	const turns = 1000
	agent := &unmindful{lengths: map[int]int{}}
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Player: rig.Endless{Pad: 100}},
		Setup: sim.Setup{Conversations: 1, MaxTurns: 2*turns + 1}, Executor: agent,
	})
	r.StartWorker(t)
	ref := r.Waiting(t)[0].Ref
	id := r.Start(t, ref)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	var out conversation.Outcome
	require.NoError(t, r.Client.GetWorkflow(ctx, id, "").Get(ctx, &out))
	require.Equal(t, turns, out.Turns)
	require.Zero(t, agent.Duplicates())
	r.RequireOnce(t)
	require.Len(t, agent.lengths, turns)
	for turn, length := range agent.lengths {
		require.Equal(t, 2*turn-1, length, "turn %d", turn)
	}

	perTurn, runs := historyPerTurn(t, r, id)
	require.Greater(t, runs, 1, "it has never continued as new")
	early, late := mean(perTurn[50:150]), mean(perTurn[850:950])
	t.Logf("%d runs, %.0f bytes a turn at turn 100, %.0f at turn 900", runs, early, late)
	require.InEpsilon(t, early, late, 0.20)
}

// unmindful keeps the number of the messages that it was given in each turn, and not the
// messages: a million of them, at the end.
type unmindful struct {
	executortest.Fake
	mu      sync.Mutex
	lengths map[int]int
}

func (f *unmindful) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	f.mu.Lock()
	f.lengths[req.Turn] = len(req.Messages)
	f.mu.Unlock()
	req.Messages = nil
	return f.Fake.Execute(ctx, req)
}

// historyPerTurn is the size of the events of each turn, over all runs.
func historyPerTurn(t *testing.T, r *rig.Rig, id string) (perTurn []float64, runs int) {
	t.Helper()
	chain := runChain(t, r, id)
	perTurn = []float64{0}
	for _, run := range chain {
		events := r.Client.GetWorkflowHistory(t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			if summary(t, event) == fmt.Sprintf("turn %d · reply", len(perTurn)) {
				perTurn = append(perTurn, 0)
			}
			perTurn[len(perTurn)-1] += float64(proto.Size(event))
		}
	}
	return perTurn, len(chain)
}

// runChain lists the runs of a workflow, the first one first.
func runChain(t *testing.T, r *rig.Rig, id string) []string {
	t.Helper()
	var chain []string
	desc, err := r.Client.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	for run := desc.GetWorkflowExecutionInfo().GetExecution().GetRunId(); run != ""; {
		chain = append([]string{run}, chain...)
		first, err := r.Client.GetWorkflowHistory(t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
		require.NoError(t, err)
		run = first.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
	}
	return chain
}

func summary(t *testing.T, event *history.HistoryEvent) string {
	t.Helper()
	payload := event.GetUserMetadata().GetSummary()
	if payload == nil {
		return ""
	}
	var s string
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(payload, &s))
	return s
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}
