package endtoend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// Five workers that all start the same inbox: no conversation runs twice.
func TestFiveWorkers(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Setup: sim.Setup{Simulations: 2, Conversations: 10}, MaxOpen: 8,
	})
	for range 5 {
		r.StartWorker(t)
		r.StartInbox(t, r.InboxInput())
	}
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
	require.Zero(t, r.Fake.Duplicates())
	for _, hint := range r.Sim.Report().Hints {
		require.NotEqual(t, sim.HintStartedTwice, hint.Hint, "two workflows for one conversation: %+v", hint)
	}
}

// Forty simulations with five hundred waiting conversations: all are found, oldest first.
func TestBigBacklogIsFound(t *testing.T) {
	t.Parallel()
	first := backlog(t, 13).Waiting(t)
	require.Len(t, first, 520)
	for i := 1; i < len(first); i++ {
		require.False(t, first[i].Created.Before(first[i-1].Created), "oldest first")
	}
}

// backlog is a rig with forty simulations of so many conversations each.
func backlog(t *testing.T, conversations int) *rig.Rig {
	t.Helper()
	return rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Lenient: sim.Lenient{Capacity: true}},
		Setup: sim.Setup{Simulations: 40, Conversations: conversations, MaxTurns: 1}, MaxOpen: 40,
	})
}

// Five times as many conversations wait as may be open: all are served.
func TestBigBacklog(t *testing.T) {
	t.Parallel()
	const each = 5
	r := backlog(t, each)
	r.StartWorker(t)
	r.StartInbox(t, r.InboxInput())

	// None starves: by the time a quarter is done, every simulation has been served.
	rig.Eventually(t, func() bool {
		ended := 0
		for _, s := range r.Sim.Report().Simulations {
			ended += s.Conversations["ended"]
		}
		return ended >= 40*each/4
	})
	for _, s := range r.Sim.Report().Simulations {
		require.Less(t, s.Conversations["queued"], each, "simulation %s starves", s.ID)
	}
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
}

// A slot that frees is filled at once, not at the next poll.
func TestFreedSlotIsFilledAtOnce(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Player: rig.Endless{}},
		Setup: sim.Setup{Conversations: 2, MaxTurns: 3}, MaxOpen: 1, Executor: gate,
	})
	r.StartWorker(t)
	in := r.InboxInput()
	in.Settings.Interval = 10 * time.Minute // the next poll is for another day
	r.StartInbox(t, in)
	first := gate.Asked(t)
	require.Len(t, r.Waiting(t), 1, "there is room for one")
	first.Reply(t)
	second := gate.Asked(t)
	require.NotEqual(t, first.Conversation, second.Conversation)
	second.Reply(t)
	r.WaitDone(t, rig.Patience)
}
