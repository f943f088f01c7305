package iii

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// State of a [Worker].
type State int

const (
	// Connecting: there has been no connection yet.
	Connecting State = iota
	// Connected: the engine has greeted; functions and triggers are announced.
	Connected
	// Reconnecting: the connection broke, or an attempt failed. [Worker.Err] says
	// why; an [*Error] with [CodeAuth] means that the engine refuses the credentials.
	Reconnecting
	// Failed: the engine rejected this worker for good, for another with its name.
	// Nothing brings it back; [Worker.Err] wraps [ErrRejected].
	Failed
	// Closed: by Shutdown, by Close or by the end of Connect's context.
	Closed
)

func (s State) String() string {
	names := []string{"connecting", "connected", "reconnecting", "failed", "closed"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return names[s]
}

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
	slots chan struct{} // a place for each running invocation; nil: no limit

	mu      sync.Mutex
	state   State
	err     error
	changed chan struct{} // closed and replaced with each change of state
	notices []notice      // for OnState, in order
	closing bool          // no further connection, no further registration
	ended   error         // why calls fail from now on; nil while they do not

	conn          *connection // nil while there is none that has been greeted
	workerID      string      // of the last connection
	reattachToken string

	waiting []*call // calls that no connection has taken yet, oldest first
	room    chan struct{}
	pending map[string]*call // calls without an answer, waiting or sent

	triggerTypes []*TriggerTypeRegistration // in the order of registration, as the two below
	functions    []*Registration
	triggers     []*TriggerRegistration

	dialect *Dialect // of the engine at the other end of conn
	running int      // handlers
	quiet   chan struct{}

	noticing sync.Mutex // held while OnState is called
}

type notice struct {
	state State
	err   error
}

// Connect starts a worker and returns at once: it connects in the background, and
// again whenever the connection breaks, until Shutdown or Close, or until ctx is
// done, which is as good as Close. Handlers inherit the values of ctx. The error
// is about the options alone.
//
// What is registered before there is a connection is announced with it; calls made
// before wait for it.
func Connect(ctx context.Context, opts Options) (*Worker, error) {
	opts, at, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &Worker{
		opts: opts, at: at, log: opts.Logger,
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

// State says how the worker stands, and Err why if it is not connected.
func (w *Worker) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// Err is why there is no connection: the last attempt's failure. Nil while
// connected, and before the first attempt has ended.
func (w *Worker) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// ID is what the engine calls this worker since the last connect; empty before
// the first. Every connection has another one.
func (w *Worker) ID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.workerID
}

// Done is closed once the worker is [Failed] or [Closed].
func (w *Worker) Done() <-chan struct{} { return w.done }

// WaitConnected returns once the worker is connected. Its error says why it is
// not: the context's end, together with what keeps the worker from connecting, or
// [ErrRejected], or [ErrClosed].
func (w *Worker) WaitConnected(ctx context.Context) error {
	for {
		w.mu.Lock()
		state, err, changed := w.state, w.err, w.changed
		w.mu.Unlock()
		switch state {
		case Connected:
			return nil
		case Failed, Closed:
			return fmt.Errorf("iii: %w", err)
		case Connecting, Reconnecting:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if err == nil {
				return fmt.Errorf("iii: connect to %s: %w", w.at.shown, ctx.Err())
			}
			return fmt.Errorf("iii: %w; %w", ctx.Err(), err)
		}
	}
}

// run connects until it may no longer.
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
			w.log.Error("rejected by the iii engine, not connecting again", "url", w.at.shown, "error", err)
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
		if !greeted { // else detach has set it
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

// end fails whatever waits. Nothing is sent after it.
func (w *Worker) end(state State, err error) {
	w.mu.Lock()
	w.closing = true
	w.ended = err
	for _, c := range w.pending {
		w.settle(c, outcome{err: w.lost(c, err)})
	}
	for _, c := range w.waiting {
		w.settle(c, outcome{err: w.lost(c, err)})
	}
	w.waiting = nil
	w.makeRoom()
	w.mu.Unlock()
	w.cancel(err)
	w.setState(state, err)
	close(w.done)
}

func (w *Worker) setState(state State, err error) {
	w.mu.Lock()
	w.change(state, err)
	w.mu.Unlock()
	w.notify()
}

// change needs Worker.mu.
func (w *Worker) change(state State, err error) {
	w.state, w.err = state, err
	close(w.changed)
	w.changed = make(chan struct{})
	if w.opts.OnState != nil {
		w.notices = append(w.notices, notice{state, err})
	}
}

// notify tells OnState of all changes it does not know yet.
func (w *Worker) notify() {
	if w.opts.OnState == nil {
		return
	}
	w.noticing.Lock()
	defer w.noticing.Unlock()
	w.mu.Lock()
	notices := w.notices
	w.notices = nil
	w.mu.Unlock()
	for _, n := range notices {
		w.opts.OnState(n.state, n.err)
	}
}

// attach makes c the connection that is used, and puts the replay before
// everything else it will carry. The order is the official SDKs', but for calls
// that waited: they come after the worker's own description, because an engine
// from 0.23 holds registrations back until it has that. A worker that takes leave
// attaches nothing.
func (w *Worker) attach(c *connection) bool {
	w.mu.Lock()
	if w.closing {
		w.mu.Unlock()
		return false
	}
	if w.reattachToken != "" {
		c.pushLocked(frame{Type: typeReattach, PreviousWorkerID: w.workerID, ReattachToken: w.reattachToken})
	}
	w.workerID, w.reattachToken = c.id, c.token
	for _, t := range w.triggerTypes {
		c.pushLocked(t.frame())
	}
	for _, r := range w.functions {
		r.refusal = nil
		c.pushLocked(r.frame)
	}
	for _, t := range w.triggers {
		t.announced = false
		w.announceTrigger(c, t)
	}
	c.pushLocked(w.describe())
	w.conn = c
	w.dialect = nil
	w.mu.Unlock()
	c.wakeWriter()
	w.log.Info("connected to the iii engine", "url", w.at.shown, "worker_id", c.id)
	w.setState(Connected, nil)
	return true
}

// detach fails the calls that were handed to c: their answers would have come over
// it. Those no connection has taken yet go on waiting.
func (w *Worker) detach(c *connection, err error) {
	defer w.notify()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closing && !errors.Is(err, ErrRejected) {
		w.change(Reconnecting, err) // before any caller hears of it
	}
	c.dead = true
	c.control = nil
	if w.conn == c {
		w.conn = nil
		w.dialect = nil
	}
	for _, call := range w.pending {
		if call.conn == c {
			w.settle(call, outcome{err: ErrConnectionLost})
		}
	}
	w.makeRoom()
}

// describe is the worker's entry in the engine's list.
func (w *Worker) describe() frame {
	type telemetry struct {
		ProjectName string `json:"project_name,omitempty"`
		Framework   string `json:"framework"`
	}
	data, err := json.Marshal(struct {
		Runtime     string    `json:"runtime"`
		Version     string    `json:"version,omitempty"`
		Name        string    `json:"name"`
		Description string    `json:"description,omitempty"`
		OS          string    `json:"os"`
		PID         int       `json:"pid"`
		Namespace   string    `json:"namespace,omitempty"`
		Telemetry   telemetry `json:"telemetry"`
	}{
		Runtime: "go", Version: w.opts.Version, Name: w.opts.Name, Description: w.opts.Description,
		OS: runtime.GOOS + " " + runtime.GOARCH, PID: os.Getpid(), Namespace: w.opts.Namespace,
		Telemetry: telemetry{w.opts.Project, "parley-iii"},
	})
	if err != nil {
		panic(err) // strings and a number
	}
	return frame{Type: typeInvoke, FunctionID: "engine::workers::register", Data: data, Action: &action{Type: "void"}}
}

// Describe sends the worker's description once more. An engine tells all workers of it
// that have a trigger of the type "engine::workers-available", as of one that leaves.
func (w *Worker) Describe() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil {
		w.conn.pushLocked(w.describe())
	}
}

// Close drops the connection at once. Handlers' contexts end, calls without an
// answer fail, and Close returns without waiting for the handlers themselves.
func (w *Worker) Close() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.cancel(ErrClosed)
	<-w.done
}

// Shutdown takes leave: it withdraws triggers and functions, so that the engine
// sends no more calls, waits for the handlers that run, sends their answers, and
// closes. Handlers may call other functions meanwhile. If ctx is done before that,
// the rest is cut off as by Close and the error says how many handlers ran still.
func (w *Worker) Shutdown(ctx context.Context) error {
	w.mu.Lock()
	w.closing = true
	c := w.conn
	if c != nil {
		for _, t := range slices.Backward(w.triggers) {
			if t.announced {
				c.pushLocked(t.withdrawal())
			}
		}
		for _, r := range slices.Backward(w.functions) {
			c.pushLocked(frame{Type: typeUnregisterFunction, ID: r.function.ID})
		}
		for _, t := range slices.Backward(w.triggerTypes) {
			c.pushLocked(frame{Type: typeUnregisterTriggerType, ID: t.triggerType.ID})
		}
	}
	w.mu.Unlock()
	var cut error
	if c != nil {
		// The engine takes messages in order: what answers this ping was sent after the
		// last call.
		cut = c.roundTrip(ctx)
	}
	if cut == nil {
		cut = w.waitQuiet(ctx)
	}
	if cut == nil && c != nil {
		cut = c.flush(ctx)
	}
	w.mu.Lock()
	running := w.running
	w.mu.Unlock()
	if cut == nil && c != nil {
		c.closeNormally()
	}
	w.Close()
	if cut != nil {
		return fmt.Errorf("iii: shut down before all was done, %d handlers still ran: %w", running, cut)
	}
	return nil
}

// waitQuiet returns once no handler runs.
func (w *Worker) waitQuiet(ctx context.Context) error {
	w.mu.Lock()
	if w.running == 0 {
		w.mu.Unlock()
		return nil
	}
	if w.quiet == nil {
		w.quiet = make(chan struct{})
	}
	quiet := w.quiet
	w.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
