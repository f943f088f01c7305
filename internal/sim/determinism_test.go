package sim_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

// transcripts runs all conversations and returns their messages, in order.
func transcripts(t *testing.T, seed int64, parallel bool) [][]string {
	t.Helper()
	// More than OneRun takes at once.
	b := setup(t, sim.Config{Seed: seed, Lenient: sim.Lenient{Capacity: true}}, sim.Setup{Conversations: 32})
	all := b.conversations(0)
	var wg sync.WaitGroup
	for _, c := range all {
		if parallel {
			wg.Go(func() { b.run(c, agents["Helpful"]) })
		} else {
			b.run(c, agents["Helpful"])
		}
	}
	wg.Wait()
	var out [][]string
	for _, c := range all {
		out = append(out, b.transcript(c))
	}
	return out
}

func TestSameSeedSameWords(t *testing.T) {
	t.Parallel()
	one := transcripts(t, 1, false)
	require.Equal(t, one, transcripts(t, 1, true), "the order of calls does not matter")
	require.NotEqual(t, one, transcripts(t, 2, false))
	n := len(sim.Builtin().Personas)
	require.NotEqual(t, one[:n], one[n:2*n], "the same personas again, but not word for word")
	lengths := map[int]bool{}
	for _, lines := range one {
		lengths[len(lines)] = true
	}
	require.GreaterOrEqual(t, len(lengths), 4, "conversations are of different lengths")
}

// A worker that remembers ids must not take a second run for the first.
func TestIDsAreNew(t *testing.T) {
	t.Parallel()
	one := setup(t, sim.Config{Seed: 1}, sim.Setup{Conversations: 3})
	two := setup(t, sim.Config{Seed: 1}, sim.Setup{Conversations: 3})
	require.NotEqual(t, one.seeded, two.seeded)
	for _, id := range one.conversations(0) {
		require.False(t, slices.Contains(two.conversations(0), id))
	}
}
