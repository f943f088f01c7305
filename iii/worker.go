package iii

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// A Worker is one worker of an iii engine: it serves functions and calls others.
// It keeps itself connected until it is shut down. Its methods are safe for
// concurrent use.
type Worker struct {
	opts Options
	at   endpoint
	log  *slog.Logger

	// ctx is the parent of every connection and, through it, of every handler.
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed once nothing of this worker runs but handlers

	logs  logQueue
	slots chan struct{} // holds one value per running invocation; nil: no limit

	mu      sync.Mutex
	state   State
	err     error
	changed chan struct{} // closed and replaced with each change of state
	notices []notice      // for OnState, in order
	closing bool          // no further connection, no further registration
	ended   error         // why calls fail from now on; nil: they do not

	conn          *connection // nil while there is none that has been greeted
	workerID      string      // of the last connection
	reattachToken string

	waiting  []*call          // calls not handed to a connection yet, oldest first
	dequeued chan struct{}    // closed when waiting shrinks; nil: no call waits for it
	pending  map[string]*call // calls without an answer, waiting or sent

	triggerTypes []*TriggerTypeRegistration // in the order of registration, as the two below
	functions    []*Registration
	triggers     []*TriggerRegistration

	dialect *Dialect      // of the engine that conn leads to
	running int           // handlers
	idle    chan struct{} // closed when running is zero; nil: Shutdown does not wait

	noticing sync.Mutex // held while OnState is called
}

// Connect starts a worker and returns at once. The worker connects in the background,
// and reconnects whenever the connection breaks, until Shutdown or Close. The end of ctx
// has the effect of Close. Handlers inherit the values of ctx. The error is about the
// options alone.
//
// Functions and triggers may be registered before there is a connection; calls wait for
// it.
func Connect(ctx context.Context, opts Options) (*Worker, error) {
	opts, at, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &Worker{
		opts: opts, at: at, log: boundLog(opts.Logger),
		done: make(chan struct{}), changed: make(chan struct{}), pending: map[string]*call{},
	}
	w.logs.service, w.logs.wake = opts.Name, make(chan struct{}, 1)
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	if opts.MaxConcurrent > 0 {
		w.slots = make(chan struct{}, opts.MaxConcurrent)
	}
	go w.run()
	return w, nil
}

// ID is the id that the engine gave this worker on the last connection; empty before the
// first. Every connection has a new one.
func (w *Worker) ID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.workerID
}

// run keeps the worker connected until it is closed or rejected.
func (w *Worker) run() {
	failed := 0
	for {
		greeted, err := w.session()
		if greeted {
			failed = 0
		}
		w.mu.Lock()
		closing := w.closing
		w.mu.Unlock()
		switch {
		case closing || w.ctx.Err() != nil:
			w.end(Closed, ErrClosed)
			return
		case errors.Is(err, ErrRejected):
			w.log.Error("the iii engine rejects this worker: it serves nothing and does not reconnect", "url", w.at.shown, "error", err)
			w.end(Failed, err)
			return
		}
		wait := backoff(failed)
		failed++
		level := slog.LevelWarn
		if HasCode(err, CodeAuth) {
			level = slog.LevelError
		}
		w.log.Log(w.ctx, level, "not connected to the iii engine", "url", w.at.shown, "error", err, "retry_in", wait)
		if !greeted { // else detach has set the state
			w.setState(Reconnecting, err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-w.ctx.Done():
			timer.Stop()
		}
	}
}

// end fails every open call. Nothing is sent after it.
func (w *Worker) end(state State, err error) {
	w.mu.Lock()
	w.closing = true
	w.ended = err
	for _, c := range w.pending {
		w.complete(c, outcome{err: w.lost(c, err)})
	}
	for _, c := range w.waiting {
		w.complete(c, outcome{err: w.lost(c, err)})
	}
	w.waiting = nil
	w.signalDequeued()
	w.mu.Unlock()
	w.cancel(err)
	w.setState(state, err)
	close(w.done)
}
