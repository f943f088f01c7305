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
	// checkEvery and checkFor are for asking whether Temporal answers, while calls wait.
	checkEvery = time.Second
	checkFor   = 3 * time.Second
	// downAfter is how long nothing may listen at Temporal's address, and slowAfter how
	// long it may be silent, before the calls that wait for it fail.
	downAfter = 3 * time.Second
	slowAfter = 10 * time.Second
)

// outage ends calls with an error while Temporal does not answer. Otherwise they would
// wait for a reply that cannot come until their own timeout.
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

// watched is a context that ends with an [*iii.Error] as its cause when Temporal does
// not answer. end must be called.
func (o *outage) watched(ctx context.Context) (watched context.Context, end func()) {
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
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-o.idle:
			if !o.goOn(false) {
				return
			}
			continue
		case <-tick.C:
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), checkFor)
		err := o.check(ctx)
		cancel()
		down, slow := silent(err)
		switch {
		case !down && !slow:
			since = time.Time{}
		case since.IsZero():
			since = began
		}
		limit := downAfter
		if slow {
			limit = slowAfter
		}
		if !o.goOn(!since.IsZero() && time.Since(since) >= limit) {
			return
		}
	}
}

// goOn ends the calls if they wait in vain, and reports whether any are left.
func (o *outage) goOn(inVain bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if inVain {
		for cancel := range o.waiting {
			(*cancel)(iii.Errorf(codeUnavailable, "Temporal does not answer: ask again with the same messageId"))
			delete(o.waiting, cancel)
		}
	}
	o.running = len(o.waiting) > 0
	return o.running
}

// silent tells a server that is not there, or does not answer, from one that answers
// anything at all.
func silent(err error) (down, slow bool) {
	var (
		unavailable *serviceerror.Unavailable
		deadline    *serviceerror.DeadlineExceeded
	)
	slow = errors.Is(err, context.DeadlineExceeded) || errors.As(err, &deadline)
	return errors.As(err, &unavailable), slow
}
