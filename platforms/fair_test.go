package platforms_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// waiting makes assignments from "simulation/id" in order of age.
func waiting(names ...string) []platforms.Assignment {
	var out []platforms.Assignment
	for i, name := range names {
		sim, id := name[:1], name[1:]
		out = append(out, platforms.Assignment{
			Ref:     conversation.Ref{Platform: "onerun", Simulation: sim, ID: id},
			Created: time.Unix(int64(i), 0).UTC(),
		})
	}
	return out
}

func names(list []platforms.Assignment) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.Ref.Simulation+a.Ref.ID)
	}
	return out
}

func TestFair(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		waiting []platforms.Assignment
		open    map[string]int
		served  []string
		room    int
		want    []string
	}{
		{name: "NothingWaits", room: 3},
		{name: "NoRoom", waiting: waiting("A1"), room: 0},
		{name: "LessThanNoRoom", waiting: waiting("A1"), room: -1},
		{name: "OldestFirst", waiting: waiting("A1", "A2", "A3"), room: 2, want: []string{"A1", "A2"}},
		{name: "MoreRoomThanWork", waiting: waiting("A1", "B1"), room: 9, want: []string{"A1", "B1"}},
		{name: "TakesTurns", waiting: waiting("A1", "A2", "A3", "B1", "C1"), room: 4, want: []string{"A1", "B1", "C1", "A2"}},
		{
			name: "FewestOpenFirst", waiting: waiting("A1", "A2", "B1", "B2"), open: map[string]int{"A": 2}, room: 3,
			want: []string{"B1", "B2", "A1"},
		},
		{
			name: "ServedLongestAgoFirst", waiting: waiting("A1", "B1", "C1"), served: []string{"C", "B", "A"}, room: 3,
			want: []string{"C1", "B1", "A1"},
		},
		{
			name: "NeverServedBeforeAll", waiting: waiting("A1", "B1", "C1"), served: []string{"A", "B"}, room: 2,
			want: []string{"C1", "A1"},
		},
		{
			name: "TheLastServiceCounts", waiting: waiting("A1", "B1"), served: []string{"A", "B", "A"}, room: 1,
			want: []string{"B1"},
		},
		{
			name: "ServiceInThisRoundCounts", waiting: waiting("A1", "A2", "B1", "B2"), open: map[string]int{"A": 0, "B": 1},
			served: []string{"A", "B"}, room: 3, want: []string{"A1", "B1", "A2"},
		},
		{name: "OldestSimulationOnATie", waiting: waiting("B1", "A1"), room: 1, want: []string{"B1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tt.waiting)
			require.Equal(t, tt.want, names(platforms.Fair(tt.waiting, tt.open, tt.served, tt.room)))
			require.Equal(t, before, tt.waiting, "the arguments stay as they are")

			shuffled := slices.Clone(tt.waiting)
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) {
				shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
			})
			require.Equal(t, tt.want, names(platforms.Fair(shuffled, tt.open, tt.served, tt.room)), "the order of listing does not matter")
		})
	}
}

// TestFairStarvesNobody works off forty simulations of five hundred conversations
// each with ten slots that become free one at a time, in any order. While a
// simulation has nothing open, each of the others is served at most once.
func TestFairStarvesNobody(t *testing.T) {
	t.Parallel()
	const simulations, each, slots = 40, 500, 10
	backlog := map[string][]platforms.Assignment{}
	for i := range simulations * each {
		// The first simulation is older than the second, and so on.
		id := fmt.Sprintf("S%02d", i/each)
		backlog[id] = append(backlog[id], platforms.Assignment{
			Ref:     conversation.Ref{Platform: "onerun", Simulation: id, ID: fmt.Sprintf("C%03d", i%each)},
			Created: time.Unix(int64(i), 0),
		})
	}
	random := rand.New(rand.NewPCG(7, 7))
	open, got, waited := map[string]int{}, map[string]int{}, map[string]int{}
	var served []string
	var running []platforms.Assignment
	for len(served) < simulations*each {
		if len(running) == slots {
			i := random.IntN(slots)
			id := running[i].Ref.Simulation
			if open[id]--; open[id] == 0 {
				waited[id] = 0
			}
			running = slices.Delete(running, i, i+1)
		}
		room := slots - len(running)
		chosen := platforms.Fair(heads(backlog, room), open, served, room)
		require.NotEmpty(t, chosen)
		for _, a := range chosen {
			id := a.Ref.Simulation
			require.Equal(t, backlog[id][0].Ref, a.Ref, "the oldest of its simulation")
			backlog[id] = backlog[id][1:]
			served, running = append(served, id), append(running, a)
			got[id]++
			open[id]++
			for other := range backlog {
				if other != id && open[other] == 0 && len(backlog[other]) > 0 {
					if waited[other]++; waited[other] >= simulations {
						t.Fatalf("simulation %s waits while others are served twice", other)
					}
				}
			}
		}
		if len(served) == 50*simulations {
			for id := range backlog {
				require.InDelta(t, 50, got[id], 5, "simulation %s", id)
			}
		}
	}
	for id := range backlog {
		require.Equal(t, each, got[id], "simulation %s", id)
	}
}

// heads are the n oldest of every simulation: enough to choose n from.
func heads(backlog map[string][]platforms.Assignment, n int) []platforms.Assignment {
	var out []platforms.Assignment
	for _, queue := range backlog {
		out = append(out, queue[:min(n, len(queue))]...)
	}
	return out
}
