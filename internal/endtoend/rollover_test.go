package endtoend_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// A conversation that continues as new every second turn, with room for hardly
// any transcript, still shows its executor everything.
func TestContinueAsNewLosesNothing(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:    sim.Config{Player: rig.Endless{}},
		Setup:  sim.Setup{Conversations: 1, MaxTurns: 21},
		Policy: conversation.Policy{RunTurns: 2, CarryBytes: 1},
	})
	r.StartWorker(t)
	ref := r.Waiting(t)[0].Ref
	id := r.Start(t, ref)
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, 10, out.Turns)
	require.Equal(t, 21, out.Messages)
	require.EqualValues(t, 10, out.Usage.Calls, "usage adds up over runs")
	r.RequireOnce(t)
	for _, req := range r.Fake.Requests() {
		require.Len(t, req.Messages, 2*req.Turn-1, "turn %d", req.Turn)
		require.Equal(t, 1, req.New, "turn %d", req.Turn)
	}
	require.Zero(t, r.Fake.Duplicates())
}

// What an operator asked for is carried over, too.
func TestPauseSurvivesContinueAsNew(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:      sim.Config{Player: rig.Endless{}},
		Setup:    sim.Setup{Conversations: 1, MaxTurns: 5},
		Executor: gate,
		Policy:   conversation.Policy{RunTurns: 1},
	})
	r.StartWorker(t)
	id := r.Start(t, r.Waiting(t)[0].Ref)
	req := gate.Asked(t)
	require.NoError(t, r.Update(t, id, workflows.UpdatePause, workflows.PauseRequest{}))
	req.Reply(t)
	requireState(t, r, id, workflows.StatePaused)
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by hand"}))
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, 2, out.Turns)
	r.RequireOnce(t)
}

// A worker that is told to stop finishes the reply it has begun; the next worker,
// which knows nothing of the conversation, reads what it needs from the workflow.
func TestTranscriptAfterAWorkerRestart(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	fake := &executortest.Fake{}
	fake.Reply = func(ctx context.Context, req executors.Request) (executors.Result, error) {
		if req.Turn == 2 {
			close(begun)
			<-activity.GetWorkerStopChannel(ctx)
		}
		return executors.Result{Message: conversation.Text(conversation.RoleAssistant, fmt.Sprint("reply ", req.Turn))}, nil
	}
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:      sim.Config{Player: rig.Endless{}},
		Setup:    sim.Setup{Conversations: 1, MaxTurns: 7},
		Executor: fake,
	})
	stop := r.StartWorker(t)
	id := r.Start(t, r.Waiting(t)[0].Ref)
	<-begun
	stop()
	r.StartWorker(t)
	_, err := r.Outcome(t, id)
	require.NoError(t, err)
	r.RequireOnce(t)
	for _, req := range fake.Requests() {
		require.Equal(t, 1, req.Attempt, "turn %d: the stop has used up an attempt", req.Turn)
		require.Len(t, req.Messages, 2*req.Turn-1, "turn %d", req.Turn)
	}
	require.Zero(t, fake.Duplicates())
}

// A reply that does not finish within the drain time is handed over: it begins
// anew on the next worker, without an attempt used up.
func TestDrainHandsOver(t *testing.T) {
	t.Parallel()
	r, gate, ref := gated(t, 3)
	// gated has started a worker; it is the one that stops.
	id := r.Start(t, ref)
	gate.Asked(t)
	r.StopWorkers()
	r.StartWorker(t)
	again := gate.Asked(t)
	require.Equal(t, 1, again.Attempt)
	again.Reply(t)
	_, err := r.Outcome(t, id)
	require.NoError(t, err)
	r.RequireOnce(t)
}
