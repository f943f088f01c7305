package executors

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// checkTimeout bounds one check. A turn may wait for it, so it is short.
	checkTimeout = 3 * time.Second
	// checkedFor is how long a check's result holds: long enough that busy turns
	// do not each ask, short enough that a new key is seen soon.
	checkedFor = 5 * time.Second
)

// availability is the remembered answer of one executor's [Checker]. At most
// one check runs at a time.
type availability struct {
	executor Executor // nil: always available

	mu      sync.Mutex
	probe   *probe // nil: none running
	err     error
	expires time.Time
}

// A probe is one running check.
type probe struct {
	ctx  context.Context // done once the check has taken too long
	done chan struct{}
	err  error // to be read after done
}

func newAvailability(e Executor) availability {
	if _, ok := As[Checker](e); !ok {
		return availability{}
	}
	return availability{executor: e}
}

// refresh begins a check unless the last result still holds or one is running.
// A check is not tied to its first caller: others may wait for it.
func (a *availability) refresh() {
	if a.executor == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.probe != nil || time.Now().Before(a.expires) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	p := &probe{ctx: ctx, done: make(chan struct{})}
	a.probe = p
	go func() {
		defer cancel()
		p.err = Check(ctx, a.executor)
		if p.err != nil && ctx.Err() != nil {
			p.err = errTooSlow
		}
		a.mu.Lock()
		a.probe, a.err, a.expires = nil, p.err, time.Now().Add(checkedFor)
		a.mu.Unlock()
		close(p.done)
	}()
}

var errTooSlow = fmt.Errorf("the availability check took longer than %v", checkTimeout)

// wait returns the result of the running check, or the last one.
func (a *availability) wait(ctx context.Context) error {
	if a.executor == nil {
		return nil
	}
	a.mu.Lock()
	p, err := a.probe, a.err
	a.mu.Unlock()
	if p == nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ctx.Done():
	}
	// The check has just ended, or it ignores its context: then it stays
	// the one running check and every caller gets this answer.
	select {
	case <-p.done:
		return p.err
	default:
		return errTooSlow
	}
}
