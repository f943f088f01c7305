package sim_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

// perPersona counts the first simulation's conversations by persona, in the
// order of the personas.
func (b *bench) perPersona() []int {
	b.t.Helper()
	counts := map[any]int{}
	for _, c := range b.get(b.sim(0, "/conversations?limit=100")).data() {
		counts[c["persona_id"]]++
	}
	personas := b.get(b.sim(0, "/personas")).data()
	out := make([]int, len(personas))
	for i, p := range personas {
		out[len(personas)-1-i] = counts[p["id"]]
	}
	return out
}

func TestConversationsAreSharedOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		setup sim.Setup
		want  []int
	}{
		"Even":         {sim.Setup{Conversations: 6, Personas: 3}, []int{2, 2, 2}},
		"Uneven":       {sim.Setup{Conversations: 7, Personas: 3}, []int{3, 2, 2}},
		"MorePersonas": {sim.Setup{Conversations: 2, Personas: 4}, []int{1, 1, 0, 0}},
		"MoreThanCast": {sim.Setup{Conversations: 20, Personas: 20}, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
		"Approval":     {sim.Setup{Conversations: 6, Personas: 3, ManualApproval: true}, []int{0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, setup(t, sim.Config{}, test.setup).perPersona())
		})
	}
}

func TestApproval(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 6, Personas: 3, ManualApproval: true})
	personas := b.get(b.sim(0, "/personas")).ids() // newest first
	status := func(i int) any { return b.get(b.sim(0, "/personas")).data()[i]["approval_status"] }
	require.Equal(t, "pending", status(0))
	for range 2 { // idempotent
		a := b.post(b.sim(0, "/personas/"+personas[2]+"/approve"), nil)
		require.IsType(t, "", a.body["message"])
	}
	require.Equal(t, "approved", status(2))
	require.Equal(t, []int{2, 0, 0}, b.perPersona(), "no more than its share")
	b.post(b.sim(0, "/personas/"+personas[1]+"/reject"), nil)
	require.Equal(t, []int{3, 0, 0}, b.perPersona(), "two share the work now")
	b.post(b.sim(0, "/personas/"+personas[0]+"/approve"), nil)
	require.Equal(t, []int{3, 0, 3}, b.perPersona())
	b.post(b.sim(0, "/personas/"+personas[0]+"/reject"), nil)
	require.Equal(t, []int{3, 0, 3}, b.perPersona(), "conversations stay")
}

func TestPasses(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Pass: sim.Pass{Size: 4, Every: time.Minute}}, sim.Setup{Conversations: 10, Personas: 3})
	for _, want := range []int{4, 8, 10, 10} {
		require.Len(t, b.conversations(0), want)
		b.clock.advance(59 * time.Second)
		require.Len(t, b.conversations(0), want)
		b.clock.advance(time.Second)
	}
}

func TestPassesInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, sim.Config{Clock: time.Now, Pass: sim.Pass{Size: 1, Every: 10 * time.Second}}, sim.Setup{Conversations: 3})
		time.Sleep(time.Minute) // of a clock that costs nothing
		require.Len(t, b.conversations(0), 3)
		require.NoError(t, b.Close())
	})
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 3})
	status := func() any { return b.get(b.sim(0, "")).body["status"] }
	for _, c := range b.conversations(0) {
		require.Equal(t, "in_progress", status())
		requireOpen(t, b.Done())
		b.run(c, agents["Polite"])
	}
	require.Equal(t, "completed", status())
	require.NoError(t, b.Wait(t.Context()))

	// Cancelling what is over changes nothing.
	b.post(b.sim(0, "/cancel"), nil)
	require.Equal(t, "completed", status())

	b.seed(sim.Setup{Conversations: 1})
	requireOpen(t, b.Done())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.Wait(ctx), context.Canceled)
}

func requireOpen(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
		require.Fail(t, "done too early")
	default:
	}
}

func TestNothingIsNotDone(t *testing.T) {
	t.Parallel()
	requireOpen(t, newBench(t, sim.Config{}).Done())
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: chatty}, sim.Setup{Conversations: 2})
	status := func() any { return b.get(b.sim(0, "")).body["status"] }
	c := b.conversations(0)[0]
	b.post(b.conv(c, "/start"), nil)
	b.clock.advance(24 * time.Hour)
	require.Equal(t, "in_progress", status())
	b.clock.advance(time.Microsecond)
	require.Equal(t, "expired", status())
	require.NoError(t, b.Wait(t.Context()))

	// Its conversations can still talk and end, and are judged; it stays expired.
	b.post(b.conv(c, "/responses"), says("hi"))
	b.post(b.conv(c, "/end"), nil)
	require.Equal(t, "completed", b.get(b.conv(c, "")).body["evaluation_status"])
	require.Equal(t, "expired", status())
	require.Contains(t, b.Report().Conversations[0].Hints, sim.HintNotRunning)

	b.post(b.sim(0, "/run"), nil)
	require.Equal(t, "in_progress", status(), "another day")
	b.clock.advance(time.Hour)
	require.Equal(t, "in_progress", status())
}

func TestCancelAndRun(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Pass: sim.Pass{Size: 1, Every: time.Minute}}, sim.Setup{Conversations: 3})
	status := func() any { return b.get(b.sim(0, "")).body["status"] }
	for range 2 {
		require.IsType(t, "", b.post(b.sim(0, "/cancel"), nil).body["message"])
		require.Equal(t, "canceled", status())
	}
	require.NoError(t, b.Wait(t.Context()))
	b.clock.advance(time.Hour)
	require.Len(t, b.conversations(0), 1, "no more are made")
	require.Equal(t, "queued", b.get(b.conv(b.conversations(0)[0], "")).body["status"], "those there are stay")
	for range 2 {
		b.post(b.sim(0, "/run"), nil)
		require.Equal(t, "in_progress", status())
	}
	requireOpen(t, b.Done())
	require.Len(t, b.conversations(0), 3)
}

func TestNoObjectives(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{NoSimulations: true})
	require.Empty(t, b.seeded.SimulationIDs)
	b.seeded.SimulationIDs = []string{b.post(b.q("/v1/simulations"), map[string]any{
		"agent_id": b.seeded.AgentID, "name": "s", "scenario": "s", "target_conversations": 1, "target_personas": 1, "auto_approve": true,
	}).body["id"].(string)}
	c := b.conversations(0)[0]
	b.run(c, agents["Polite"])
	body := b.get(b.conv(c, "")).body
	require.Equal(t, "completed", body["evaluation_status"])
	require.Equal(t, []any{}, body["evaluations"])
	require.Equal(t, "completed", b.get(b.sim(0, "")).body["status"])
}

func TestNothingToDo(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{NoSimulations: true})
	b.seeded.SimulationIDs = []string{b.post(b.q("/v1/simulations"), map[string]any{
		"agent_id": b.seeded.AgentID, "name": "s", "scenario": "s", "target_conversations": 0, "target_personas": 0,
	}).body["id"].(string)}
	require.Equal(t, "completed", b.get(b.sim(0, "")).body["status"])
	_, err := b.Seed(t.Context(), sim.Setup{Conversations: -1, Personas: 1 << 30})
	require.ErrorContains(t, err, "conversations -1")
	require.ErrorContains(t, err, "personas 1073741824")
}
