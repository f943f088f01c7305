package iiiserve

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/iii"
)

const (
	// checkInterval is the time between two health checks of Temporal while calls wait,
	// and checkTimeout bounds one.
	checkInterval = time.Second
	checkTimeout  = 3 * time.Second
	// downAfter is how long nothing may listen at Temporal's address, and silentAfter how
	// long checks may time out, before the calls that wait for Temporal fail.
	downAfter   = 3 * time.Second
	silentAfter = 10 * time.Second
)

// outage fails calls while Temporal does not answer. Without it they would wait for their
// reply until their own timeout.
type outage struct {
	check func(context.Context) error

	mu      sync.Mutex
	waiting map[*context.CancelCauseFunc]bool
	running bool
	idle    chan struct{} // holds one: no call waits
}

func newOutage(c client.Client) *outage {
	return &outage{waiting: map[*context.CancelCauseFunc]bool{}, idle: make(chan struct{}, 1), check: func(ctx context.Context) error {
		_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	}}
}

// watch returns a context that ends with an [*iii.Error] as its cause when Temporal does
// not answer. The caller must call end.
func (o *outage) watch(ctx context.Context) (watched context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	key := &cancel
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting[key] = true
	if !o.running {
		o.running = true
		go o.run()
	}
	return ctx, func() {
		cancel(nil)
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.waiting, key)
		if len(o.waiting) == 0 {
			select {
			case o.idle <- struct{}{}:
			default:
			}
		}
	}
}

// run checks for as long as calls wait.
func (o *outage) run() {
	var since time.Time // Temporal has not answered since then
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		select {
		case <-o.idle:
			if !o.proceed(false) {
				return
			}
			continue
		case <-tick.C:
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		err := o.check(ctx)
		cancel()
		down, silent := classify(err)
		switch {
		case !down && !silent:
			since = time.Time{}
		case since.IsZero():
			since = began
		}
		limit := downAfter
		if silent {
			limit = silentAfter
		}
		if !o.proceed(!since.IsZero() && time.Since(since) >= limit) {
			return
		}
	}
}

// proceed fails the calls if there is an outage, and reports whether calls still wait.
func (o *outage) proceed(outage bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if outage {
		for cancel := range o.waiting {
			(*cancel)(iii.Errorf(codeUnavailable, "Temporal does not answer: retry with the same messageId"))
			delete(o.waiting, cancel)
		}
	}
	o.running = len(o.waiting) > 0
	return o.running
}

// classify reports whether the server is down or does not answer in time. One that
// answers with any other error is neither.
func classify(err error) (down, silent bool) {
	var (
		unavailable *serviceerror.Unavailable
		deadline    *serviceerror.DeadlineExceeded
	)
	silent = errors.Is(err, context.DeadlineExceeded) || errors.As(err, &deadline)
	return errors.As(err, &unavailable), silent
}
