package pulse

import (
	"sync"
	"time"
)

const (
	// dateLag is how far a server's Date header may be behind its clock. Uvicorn, on
	// which Pulse runs, renews it about once a second and cuts off the fraction.
	dateLag = 2 * time.Second
	// clockStep is how far the server's time has to go back to count as set anew.
	clockStep = 10 * time.Second
	// boundFor is how long a bound of the server's clock is used: clocks drift.
	boundFor = time.Minute
	// closeBy is how often it is worth asking while a task may be due any moment.
	closeBy = 250 * time.Millisecond
)

// A serverClock is what is known of the server's clock: times that it has reached,
// and times that it had not reached yet. It serves to ask and to sleep; what the
// server itself calls due is due, whatever this clock shows.
type serverClock struct {
	base time.Time // our own clock is base and the monotonic time since

	mu      sync.Mutex
	reached time.Time
	least   bound // of how far the server's clock is ahead of ours
	most    bound
}

// A bound is the best value of a measure in the last boundFor, or the one before.
type bound struct {
	better        func(a, b time.Duration) time.Duration
	value, before time.Duration
	known, had    bool
	since         time.Duration
}

func newServerClock() *serverClock {
	return &serverClock{
		base:  time.Now(),
		least: bound{better: func(a, b time.Duration) time.Duration { return max(a, b) }},
		most:  bound{better: func(a, b time.Duration) time.Duration { return min(a, b) }},
	}
}

// ours is a time by our own clock, without its steps.
func (c *serverClock) ours(elapsed time.Duration) time.Time { return c.base.Round(0).Add(elapsed) }

// elapsed is what saw and notYet measure with.
func (c *serverClock) elapsed() time.Duration { return time.Since(c.base) }

// saw notes that the server's clock has reached a time.
func (c *serverClock) saw(at time.Time) {
	if at.IsZero() {
		return
	}
	elapsed := c.elapsed()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch back := c.reached.Sub(at); {
	case back > clockStep:
		c.least.known, c.least.had, c.most.known, c.most.had = false, false, false, false
		c.reached = at
	case back < 0:
		c.reached = at
	}
	c.least.note(at.Sub(c.ours(elapsed)), elapsed)
}

// notYet notes that the server's clock had not reached a time when our own was at
// elapsed.
func (c *serverClock) notYet(at time.Time, elapsed time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most.note(at.Sub(c.ours(elapsed)), elapsed)
}

func (b *bound) note(value, elapsed time.Duration) {
	switch {
	case !b.known:
		b.value, b.known, b.since = value, true, elapsed
	case elapsed-b.since > boundFor:
		b.before, b.had = b.value, true
		b.value, b.since = value, elapsed
	default:
		b.value = b.better(b.value, value)
	}
}

// now is a time that the server's clock has reached, and may have passed.
func (c *serverClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reached
}

// until is after how long the server's clock reaches a time: not before the first,
// and surely after the second. Negative: that is past.
func (c *serverClock) until(at time.Time) (atLeast, atMost time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	elapsed := c.elapsed()
	least, _ := c.least.get(elapsed)
	most, known := c.most.get(elapsed)
	if !known || most > least+dateLag || most < least {
		most = least + dateLag
	}
	left := at.Sub(c.ours(elapsed))
	return left - most, left - least
}

func (b *bound) get(elapsed time.Duration) (time.Duration, bool) {
	if b.had && elapsed-b.since <= boundFor {
		return b.better(b.value, b.before), true
	}
	return b.value, b.known && elapsed-b.since <= 3*boundFor
}
