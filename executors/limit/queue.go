package limit

import (
	"slices"
	"time"
)

const (
	// soon is how far before its time a request that was given back is already
	// counted with, late how long after it.
	soon = time.Second
	late = 5 * time.Second
	// keptFor is how long after its time a place is kept. A request that comes later
	// begins at the end.
	keptFor = 30 * time.Second
)

// A ticket is a request's place in the queue.
type ticket struct {
	id      string  // the idempotency key; empty: the place cannot be kept
	need    float64 // tokens
	granted bool
	ready   chan struct{} // closed when granted
	// due is when a request that was given back comes again. Zero: it is here and
	// waits.
	due time.Time
}

func (t *ticket) here() bool { return t.due.IsZero() }

// back reports whether t is away and expected about now.
func (t *ticket) back(now time.Time) bool {
	return !t.here() && t.due.Sub(now) <= soon && now.Sub(t.due) <= late
}

// A queue holds tickets in the order in which they came first.
type queue []*ticket

// come returns the ticket that was kept for id, or a new one at the end. A
// second request with an id that is here already gets one of its own.
func (q *queue) come(id string, need float64) *ticket {
	t := &ticket{id: id, need: need, ready: make(chan struct{})}
	if id != "" {
		i := slices.IndexFunc(*q, func(have *ticket) bool { return have.id == id })
		if i >= 0 && !(*q)[i].here() {
			(*q)[i] = t
			return t
		}
		if i >= 0 {
			t.id = ""
		}
	}
	*q = append(*q, t)
	return t
}

func (q *queue) remove(t *ticket) {
	if i := slices.Index(*q, t); i >= 0 {
		*q = slices.Delete(*q, i, i+1)
	}
}

// sweep drops the places of those who have not come back.
func (q *queue) sweep(now time.Time) {
	*q = slices.DeleteFunc(*q, func(t *ticket) bool { return !t.here() && now.Sub(t.due) > keptFor })
}

// A claim is what a number of requests will take.
type claim struct {
	requests int
	tokens   float64
}

func (c *claim) add(t *ticket) {
	c.requests++
	c.tokens += t.need
}

// first returns the first ticket that is here, and what those before it claim
// who will be back in a moment.
func (q queue) first(now time.Time) (*ticket, claim) {
	var before claim
	for _, t := range q {
		if t.here() {
			return t, before
		}
		if t.back(now) {
			before.add(t)
		}
	}
	return nil, before
}

// before is what all those before t claim.
func (q queue) before(t *ticket) claim {
	var c claim
	for _, other := range q {
		if other == t {
			break
		}
		c.add(other)
	}
	return c
}
