package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
)

const (
	// listTimeout bounds one listing. A turn waits for it, so it is well below
	// what a turn, or the heartbeat of an activity, may take.
	listTimeout = 10 * time.Second
	// listedFor is how long a listing holds.
	listedFor = time.Minute
	// staleFor is how long an old listing stands in for one that fails. Tools
	// change rarely; a server that is away for longer is to be noticed.
	staleFor = 10 * time.Minute
	// failedFor is how long an old listing stands in before the set is asked
	// again: not every turn is to wait for a server that hangs.
	failedFor = 10 * time.Second
)

// A Versioned set knows when its tools change. A listing is not used any longer
// once Version returns something else than it did before the listing.
type Versioned interface {
	Version() uint64
}

// listings are the remembered tools of one set. At most one listing runs at a
// time, whoever asks, and none without being asked for.
type listings struct {
	mu      sync.Mutex
	running *listing // nil: none
	tools   []conversation.Tool
	version uint64
	listed  time.Time // zero: never
	failed  time.Time // when the newest listing failed; zero: it did not
}

// A listing is one that runs.
type listing struct {
	ctx   context.Context // done once it has taken too long
	done  chan struct{}
	tools []conversation.Tool // both to be read after done
	err   error
}

var errSlowList = fmt.Errorf("the tools were not listed within %v", listTimeout)

// list returns the set's tools: remembered ones if fresh is false and they are
// new enough. They are the registry's own: nobody may change them.
func (r *Registry) list(ctx context.Context, e *entry, fresh bool) ([]conversation.Tool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &e.cache
	c.mu.Lock()
	now, version := time.Now(), versionOf(e.set)
	age := now.Sub(c.listed) // ages, if it was never listed
	stale := age < staleFor
	current := age < listedFor && c.version == version
	if !fresh && (current || stale && now.Sub(c.failed) < failedFor) {
		defer c.mu.Unlock()
		return c.tools, nil
	}
	l := c.running
	if l == nil {
		if !r.begin() {
			c.mu.Unlock()
			return nil, errClosed
		}
		// It is not tied to whoever asked first: others may be waiting for it.
		lctx, cancel := context.WithTimeout(r.ctx, listTimeout)
		l = &listing{ctx: lctx, done: make(chan struct{})}
		c.running = l
		go func() {
			defer r.asking.Done()
			defer cancel()
			c.run(l, e.set, version)
		}()
	}
	old := c.tools
	c.mu.Unlock()

	err := l.wait(ctx)
	switch {
	case err == nil:
		return l.tools, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case stale && !fresh:
		return old, nil
	}
	return nil, err
}

func (l *listing) wait(ctx context.Context) error {
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ctx.Done():
	}
	// It has just ended, or the set does not heed its context: then it stays the
	// one that runs, and everybody gets this answer.
	select {
	case <-l.done:
		return l.err
	default:
		return l.stopped()
	}
}

// stopped says why a listing was stopped, which is nil if it was not.
func (l *listing) stopped() error {
	switch err := l.ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return errSlowList
	default:
		return errClosed
	}
}

func (c *listings) run(l *listing, set Set, version uint64) {
	l.tools, l.err = ask(l.ctx, set)
	if l.err != nil {
		l.err = cmp.Or(l.stopped(), l.err)
	}
	c.mu.Lock()
	if c.running = nil; l.err == nil {
		c.tools, c.version, c.listed, c.failed = l.tools, version, time.Now(), time.Time{}
	} else {
		c.failed = time.Now()
	}
	c.mu.Unlock()
	close(l.done)
}

// ask keeps a set that panics from taking the process along: it runs on a
// goroutine of ours.
func ask(ctx context.Context, set Set) (tools []conversation.Tool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("listing the tools panicked: %v", v)
		}
	}()
	tools, err = set.List(ctx)
	return fit(tools), err
}

func versionOf(set Set) uint64 {
	if v, ok := set.(Versioned); ok {
		return v.Version()
	}
	return 0
}
