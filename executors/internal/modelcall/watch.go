package modelcall

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

// Timers bound a call. FirstToken and Gap are for replies that come piece by
// piece.
type Timers struct {
	Total      time.Duration
	FirstToken time.Duration
	Gap        time.Duration
}

// WithDefaults fills zero fields. A total below the defaults of the inner timers
// is meant to win.
func (t Timers) WithDefaults() Timers {
	t.Total = cmp.Or(t.Total, DefaultTimeout)
	t.FirstToken = cmp.Or(t.FirstToken, min(DefaultFirstTokenTimeout, t.Total))
	t.Gap = cmp.Or(t.Gap, min(DefaultGapTimeout, t.Total))
	return t
}

// A timeoutError says which of the timers ran out.
type timeoutError struct {
	key   string
	what  string
	limit time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("%s within %v (%s)", e.what, e.limit, e.key)
}

// A Watch cancels a call's context, with a cause that [Failure] knows, when one
// of the timers runs out.
type Watch struct {
	cancel context.CancelCauseFunc
	total  *time.Timer
	gap    time.Duration

	mu      sync.Mutex
	started bool
	next    *time.Timer // nil: not streaming
}

// Watch starts the timers, and only the total where the reply comes in one
// piece. Stop must be called.
func (t Timers) Watch(ctx context.Context, stream bool) (context.Context, *Watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &Watch{cancel: cancel, gap: t.Gap}
	w.total = time.AfterFunc(t.Total, func() {
		cancel(&timeoutError{"timeout", "the answer was not complete", t.Total})
	})
	if stream {
		w.mu.Lock() // the timer may fire before it is stored
		defer w.mu.Unlock()
		w.next = time.AfterFunc(t.FirstToken, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.started {
				cancel(&timeoutError{"gap_timeout", "the answer did not go on", t.Gap})
			} else {
				cancel(&timeoutError{"first_token_timeout", "the answer did not begin", t.FirstToken})
			}
		})
	}
	return ctx, w
}

// Alive notes a sign of life; begins means that the model thinks or speaks. The
// gap counts once it has begun to.
func (w *Watch) Alive(begins bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started = w.started || begins
	if w.started && w.next != nil {
		w.next.Reset(w.gap)
	}
}

// Stop ends the watch and cancels the call.
func (w *Watch) Stop() {
	w.total.Stop()
	w.mu.Lock()
	if w.next != nil {
		w.next.Stop()
	}
	w.mu.Unlock()
	w.cancel(nil)
}
