package endtoend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// A platform that answers 500 for a while has fewer conversations open afterwards, and
// then more again. Two workers share the limit, every conversation ends, and none is
// claimed twice.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	const limit, conversations = 6, 14
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: conversations, MaxTurns: 3},
		// Long enough for what is open to end before the limit has grown back.
		MaxOpen: limit, PressureWindow: 5 * time.Second, Executor: gate,
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
	rig.Eventually(t, func() bool { return status().Reduced != nil })
	require.NoError(t, r.Sim.SetFaults(sim.Faults{}))
	s := status()
	require.LessOrEqual(t, s.Reduced.Limit, limit/2)
	require.Contains(t, s.Reduced.Reason, "500")
	require.Len(t, s.Open, limit, "what is open goes on")
	require.Zero(t, r.Sim.Report().Simulations[0].Conversations["ended"])

	// What ends makes no room above the lower limit, although others wait.
	for _, a := range asks[limit/2:] {
		a.Reply(t)
	}
	rig.Eventually(t, func() bool { s = status(); return len(s.Open) <= limit/2 }, &s)
	require.NotNil(t, s.Reduced)
	operator := operate.Operator{Reader: &records.Reader{Client: r.Client, TaskQueue: r.TaskQueue}}
	rig.Eventually(t, func() bool {
		in, err := operator.Inbox(t.Context(), inbox.Platform, inbox.Project, inbox.Agent)
		return err == nil && in.Limit == limit && in.Reduced != nil && in.Reduced.Reason == s.Reduced.Reason
	})

	// It grows by one at a time while the platform answers well.
	reduced := s.Reduced.Limit
	var more []rig.Ask
	for range reduced + 2 {
		more = append(more, gate.Asked(t))
		if s = status(); s.Reduced != nil {
			require.LessOrEqual(t, len(s.Open), s.Reduced.Limit)
		}
	}
	for _, a := range more {
		a.Reply(t)
	}
	for range conversations - limit - len(more) {
		gate.Asked(t).Reply(t)
	}
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
	for _, hint := range r.Sim.Report().Hints {
		require.NotEqual(t, sim.HintStartedTwice, hint.Hint, "%+v", hint)
	}
	if *record != "" {
		save(t, r, workflows.CapacityID(r.Name), "capacity-pressure")
	}
}
