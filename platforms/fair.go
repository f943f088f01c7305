package platforms

import (
	"cmp"
	"slices"
)

// Fair chooses at most capacity of the waiting assignments, so that no simulation waits
// for another's backlog. Each next one is from the simulation with the fewest open
// conversations; among those from the one served longest ago, one never served first;
// then the oldest assignment. Inside a simulation the
// oldest comes first.
//
// Open counts the open conversations by simulation id. Served holds the ids of
// simulations in the order they were served, the latest last. Neither they nor
// waiting are changed, and the same arguments give the same choice.
func Fair(waiting []Assignment, open map[string]int, served []string, capacity int) []Assignment {
	queues := simulationQueues(waiting, open, served)
	var chosen []Assignment
	for turn := len(served); len(chosen) < capacity && len(queues) > 0; turn++ {
		next := slices.MinFunc(queues, (*simulationQueue).compare)
		chosen = append(chosen, next.waiting[0])
		next.waiting = next.waiting[1:]
		next.open++
		next.served = turn
		if len(next.waiting) == 0 {
			queues = slices.DeleteFunc(queues, func(q *simulationQueue) bool { return q == next })
		}
	}
	return chosen
}

// A simulationQueue is what waits in one simulation, oldest first.
type simulationQueue struct {
	waiting []Assignment
	open    int
	served  int // when it was last served; -1: never
}

func simulationQueues(waiting []Assignment, open map[string]int, served []string) []*simulationQueue {
	byID := map[string]*simulationQueue{}
	var queues []*simulationQueue
	for _, a := range waiting {
		id := a.Ref.Simulation
		q := byID[id]
		if q == nil {
			q = &simulationQueue{open: open[id], served: lastIndex(served, id)}
			byID[id] = q
			queues = append(queues, q)
		}
		q.waiting = append(q.waiting, a)
	}
	for _, q := range queues {
		slices.SortStableFunc(q.waiting, compareAge)
	}
	return queues
}

func (q *simulationQueue) compare(other *simulationQueue) int {
	return cmp.Or(
		cmp.Compare(q.open, other.open),
		cmp.Compare(q.served, other.served),
		compareAge(q.waiting[0], other.waiting[0]),
	)
}

// compareAge puts the oldest first. Of the same age, the ids decide, so that the
// order the platform lists them in does not.
func compareAge(a, b Assignment) int {
	return cmp.Or(
		a.Created.Compare(b.Created),
		cmp.Compare(a.Ref.Simulation, b.Ref.Simulation),
		cmp.Compare(a.Ref.ID, b.Ref.ID),
	)
}

func lastIndex(ids []string, id string) int {
	for i, other := range slices.Backward(ids) {
		if other == id {
			return i
		}
	}
	return -1
}
