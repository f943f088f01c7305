package endtoend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// goldenPressure: a platform that answers 500 for a while has fewer conversations open
// afterwards, and then as many as configured again. Two workers share the limit, every
// conversation ends, and none is claimed twice.
func goldenPressure(t *testing.T) (*rig.Rig, string) {
	const limit, conversations = 6, 14
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: conversations, MaxTurns: 3},
		MaxOpen: limit, PressureWindow: 2 * time.Second, Executor: gate,
	})
	r.StartWorker(t)
	r.StartWorker(t)
	inbox := r.InboxInput()
	r.StartInbox(t, inbox)
	status := func() activities.CapacityStatus {
		s, err := launch.Runs{Launcher: r.Launcher}.Capacity(t.Context(), r.Name)
		require.NoError(t, err)
		return s
	}
	var asks []rig.Ask
	for range limit {
		asks = append(asks, gate.Asked(t))
	}

	// Half of them meet the wave.
	require.NoError(t, r.Sim.SetFaults(sim.Faults{ErrorRate: 1}))
	for _, a := range asks[:limit/2] {
		a.Reply(t)
	}
	require.Eventually(t, func() bool { return status().Reduced != nil }, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, r.Sim.SetFaults(sim.Faults{}))
	s := status()
	require.Equal(t, limit/2, s.Reduced.Limit)
	require.Contains(t, s.Reduced.Reason, "500")
	require.Len(t, s.Open, limit, "what is open goes on")
	require.Zero(t, r.Sim.Report().Simulations[0].Conversations["ended"])

	// What ends makes no room above the lower limit, although others wait.
	for _, a := range asks[limit/2:] {
		a.Reply(t)
	}
	require.Eventually(t, func() bool { s = status(); return len(s.Open) <= limit/2 }, 30*time.Second, 20*time.Millisecond)
	require.NotNil(t, s.Reduced)
	require.Equal(t, conversations-limit, r.Sim.Report().Simulations[0].Conversations["queued"])
	operator := operate.Operator{Client: r.Client, TaskQueue: r.TaskQueue}
	require.Eventually(t, func() bool {
		in, err := operator.Inbox(t.Context(), inbox.Platform, inbox.Project, inbox.Agent)
		return err == nil && in.Limit == limit && in.Reduced != nil && in.Reduced.Reason == s.Reduced.Reason
	}, 30*time.Second, 50*time.Millisecond)

	// It grows one by one while the platform answers well.
	asks = nil
	for range limit {
		asks = append(asks, gate.AskedWithin(t, time.Minute))
		s = status()
		if s.Reduced != nil {
			require.LessOrEqual(t, len(s.Open), s.Reduced.Limit)
		}
	}
	require.Eventually(t, func() bool { return status().Reduced == nil }, time.Minute, 50*time.Millisecond)
	require.Len(t, status().Open, limit)
	for _, a := range asks {
		a.Reply(t)
	}
	for range conversations - 2*limit {
		gate.Asked(t).Reply(t)
	}
	r.WaitDone(t, time.Minute)
	r.RequireOnce(t)
	for _, hint := range r.Sim.Report().Hints {
		require.NotEqual(t, sim.HintStartedTwice, hint.Hint, "%+v", hint)
	}
	return r, workflows.CapacityID(r.Name)
}
