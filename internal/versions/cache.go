package versions

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxHeld bounds the task queues that one Cache knows.
const maxHeld = 8

// A Cache answers many questions about task queues with one reading. It is safe for
// concurrent use; concurrent questions wait for the same reading.
type Cache struct {
	Reader Reader
	// MaxAge is how old an answer may be, an error too.
	MaxAge time.Duration

	mu   sync.Mutex
	held map[string]answer
}

type answer struct {
	state State
	err   error
	at    time.Time
}

// Read is a reading that is at most MaxAge old.
func (c *Cache) Read(ctx context.Context, taskQueue string) (State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.held[taskQueue]
	if ok && time.Since(held.at) < c.MaxAge {
		return held.state, held.err
	}
	if !ok && len(c.held) >= maxHeld {
		return State{}, fmt.Errorf("versions: more than %d task queues", maxHeld)
	}
	if c.Reader.Memory == nil {
		c.Reader.Memory = new(Memory)
	}
	if c.held == nil {
		c.held = make(map[string]answer)
	}
	state, err := c.Reader.Read(ctx, taskQueue, "")
	c.held[taskQueue] = answer{state: state, err: err, at: time.Now()}
	return state, err
}
