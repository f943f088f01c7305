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
	// listTimeout bounds one listing. A turn waits for it, so it is well below the
	// timeouts of a turn and of an activity's heartbeat.
	listTimeout = 10 * time.Second
	// lookTimeout bounds a listing that an operator waits for, not a turn. It is above the
	// usual connect_timeout: a program that starts slowly, as npx does the first time, is
	// listed, and one that does not start says so itself.
	lookTimeout = 40 * time.Second
	// listedFor is how long a listing is used without asking again.
	listedFor = time.Minute
	// staleFor is how long an old listing replaces one that fails. Tools change
	// rarely, but a longer outage must be reported.
	staleFor = 10 * time.Minute
	// failedFor is how long an old listing is used before the set is asked again:
	// not every turn must wait for a server that hangs.
	failedFor = 10 * time.Second
)

// A Versioned set reports changes of its tools. A listing is no longer used when
// Version returns another value than before the listing.
type Versioned interface {
	Version() uint64
}

// listings caches the tools of one set. At most one listing runs at a time, for all
// callers, and only when one is requested.
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
	ctx   context.Context // done when it takes too long
	done  chan struct{}
	tools []conversation.Tool // to be read after done, like err
	err   error
}

// within bounds the time of a listing, or of a wait for one.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("the tools were not listed within %v", limit))
}

// list returns the set's tools: cached ones if fresh is false and they are new
// enough. It waits no longer than limit. The caller must not change the tools.
func (r *Registry) list(ctx context.Context, e *entry, fresh bool, limit time.Duration) ([]conversation.Tool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &e.cache
	c.mu.Lock()
	now, version := time.Now(), versionOf(e.set)
	age := now.Sub(c.listed) // the age is meaningless before the first listing
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
		// The context is not the first caller's: others may wait for the listing.
		lctx, cancel := within(r.ctx, limit)
		l = &listing{ctx: lctx, done: make(chan struct{})}
		c.running = l
		go func() {
			defer r.asking.Done()
			defer cancel()
			c.run(l, e.set, version, func() { r.notice(e, l.tools) })
		}()
	}
	old := c.tools
	c.mu.Unlock()

	waiting, cancel := within(ctx, limit) // the running listing's limit may be longer
	defer cancel()
	err := l.wait(waiting)
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
	// The listing has just ended, or the set ignores its context: then it remains
	// the running one, and all callers get this result.
	select {
	case <-l.done:
		return l.err
	default:
		return l.stopped()
	}
}

// stopped returns why a listing was stopped, or nil.
func (l *listing) stopped() error {
	switch err := l.ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return context.Cause(l.ctx)
	default:
		return errClosed
	}
}

func (c *listings) run(l *listing, set Set, version uint64, notice func()) {
	l.tools, l.err = ask(l.ctx, set)
	if l.err != nil {
		l.err = cmp.Or(l.stopped(), l.err)
	} else {
		notice()
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

// ask runs List on a goroutine of its own and recovers from a panic of the set.
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
