package modelcall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/settings"
)

// Timers bound a call. FirstToken and Gap apply to streams only.
type Timers struct {
	Total      time.Duration
	FirstToken time.Duration
	Gap        time.Duration
}

// WithDefaults fills zero fields. A Total below the defaults of the other timers
// replaces them.
func (t Timers) WithDefaults() Timers {
	t.Total = cmp.Or(t.Total, executors.DefaultTimeout)
	t.FirstToken = cmp.Or(t.FirstToken, min(executors.DefaultFirstTokenTimeout, t.Total))
	t.Gap = cmp.Or(t.Gap, min(executors.DefaultGapTimeout, t.Total))
	return t
}

// Validate requires times above zero, and inner ones within the total.
func (t Timers) Validate(f *settings.Faults) {
	total := cmp.Or(t.Total, executors.DefaultTimeout)
	for field, d := range map[string]time.Duration{"timeout": t.Total, "first_token_timeout": t.FirstToken, "gap_timeout": t.Gap} {
		f.Duration(field, d)
		if d > total && total > 0 && field != "timeout" {
			f.Add(field, "lower it, or raise timeout", "is %v, longer than timeout, %v", d, total)
		}
	}
}

// A TimeoutError names the timer that expired.
type TimeoutError struct {
	// Key is the setting of the timer.
	Key   string
	what  string
	limit time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s within %v (%s)", e.what, e.limit, e.Key)
}

// A Watch cancels the context of a call, with a [TimeoutError] as its cause, when a
// timer expires.
type Watch struct {
	cancel context.CancelCauseFunc
	total  *time.Timer
	gap    time.Duration

	mu      sync.Mutex
	started bool
	stopped bool
	next    *time.Timer
}

// watchKey is the key of the call's Watch in its context, by which the reader of the body
// finds it.
type watchKey struct{}

// Watch starts the timers: FirstToken only if a stream is expected, Gap when the
// first piece arrives, since an agent may stream without being asked to. Stop must
// be called.
func (t Timers) Watch(ctx context.Context, stream bool) (context.Context, *Watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &Watch{cancel: cancel, gap: t.Gap}
	ctx = context.WithValue(ctx, watchKey{}, w)
	w.mu.Lock() // a timer may fire before it is stored
	defer w.mu.Unlock()
	w.total = time.AfterFunc(t.Total, func() {
		cancel(&TimeoutError{"timeout", "the answer was not complete", t.Total})
	})
	w.next = time.AfterFunc(t.FirstToken, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.started {
			cancel(&TimeoutError{"gap_timeout", "the answer did not continue", t.Gap})
		} else {
			cancel(&TimeoutError{"first_token_timeout", "the answer did not begin", t.FirstToken})
		}
	})
	if !stream {
		w.next.Stop()
	}
	return ctx, w
}

// Alive restarts the timer; begins reports that a piece of the answer has arrived.
func (w *Watch) Alive(begins bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started = w.started || begins
	if w.started && !w.stopped {
		w.next.Reset(w.gap)
	}
}

// Pause stops all timers except Total, while the agent is not expected to send.
func (w *Watch) Pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next.Stop()
}

// Sleep waits between polls, with the timers paused. It returns early with the
// context's error.
func (w *Watch) Sleep(ctx context.Context, d time.Duration) error {
	w.Pause()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		w.Alive(true)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the watch and cancels the context.
func (w *Watch) Stop() {
	w.mu.Lock()
	w.stopped = true
	w.next.Stop()
	w.mu.Unlock()
	w.total.Stop()
	w.cancel(nil)
}

// Cancelled reports whether the caller ended the context of a call, and no timer did.
func Cancelled(ctx context.Context) bool {
	var timeout *TimeoutError
	return ctx.Err() != nil && !errors.As(context.Cause(ctx), &timeout)
}

// StreamOver reports whether a stream of which no more is read needs no further look, and how
// it ended: it was too large, the caller or a timer ended the call, or it broke off with err,
// unless the answer was finished before. Nothing of that: it ended in order, by its marker
// (a nil err) or by its last byte, and the adapter knows whether the answer is complete.
func StreamOver(ctx context.Context, err error, finished bool) (over bool, _ error) {
	switch {
	case errors.Is(err, ErrTooLarge):
		return true, err
	case Cancelled(ctx):
		return true, ctx.Err()
	case finished:
		return true, nil // a later failure does not matter, nor does a connection that stays open
	case ctx.Err() != nil:
		return true, ctx.Err()
	case err != nil && !errors.Is(err, io.EOF):
		return true, err
	}
	return false, nil
}
