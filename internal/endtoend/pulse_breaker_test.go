package endtoend_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/breaker"
	"github.com/parley-run/parley/internal/pulsetest"
)

// poorHouse runs agents, of which one has an empty account.
type poorHouse struct {
	summariser
	refused atomic.Int64
}

func (h *poorHouse) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	run, err := req.Task.Run()
	if err != nil {
		return executors.Result{}, err
	}
	if run.AgentID == "poor" {
		h.refused.Add(1)
		return executors.Result{}, &conversation.Error{
			Kind: conversation.QuotaExhausted, Op: "agent poor", Err: errors.New("402 Payment Required"), Remedy: "fill the account",
		}
	}
	return h.summariser.Execute(ctx, req)
}

// Of two agents on one Pulse, one answers 402: its tasks fail with the reason, and the
// other's run on time.
func TestPulseAgentWithoutMoneyStopsNoOther(t *testing.T) {
	t.Parallel()
	house := &poorHouse{}
	executor, err := breaker.New(house, breaker.Config{Name: "agent"})
	require.NoError(t, err)
	r := newPulseRig(t, pulsetest.Config{}, executor)
	r.start(t)
	r.poll(t)
	poor := func() string {
		task := r.task("main", map[string]any{"callback_url": r.received.url})
		task.Payload.(map[string]any)["agent_id"] = "poor"
		return r.stand.Add(task)
	}
	for round := range 3 {
		id := poor()
		_, err := r.outcome(t, id)
		require.ErrorContains(t, err, "402 Payment Required")
		require.Equal(t, "failed", r.stand.Acks(id)[0].Status)
		require.Contains(t, r.stand.Acks(id)[0].Error, "402 Payment Required")
		_, bodies := r.received.seen()
		require.Len(t, bodies, round+1)
		require.Contains(t, bodies[round]["error"], "402 Payment Required")

		out, err := r.outcome(t, r.stand.Add(r.task("main", nil)))
		require.NoError(t, err)
		require.Equal(t, conversation.TaskSuccess, out.Task.Status)
	}
	require.EqualValues(t, 1, house.refused.Load(), "it is left alone after the first")
	require.EqualValues(t, 3, house.runs.Load())
}
