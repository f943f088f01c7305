package iiitest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/parley-run/parley/iii"
)

// Options of an [Engine]. The zero value is an engine of era C on a free port.
type Options struct {
	// Era whose behaviour it has. Default [iii.EraC].
	Era iii.Era
	// Addr to listen on. Default a free port of 127.0.0.1; it stays the same when the
	// engine is started again.
	Addr string
	// InMemory: no socket, for tests in a synctest bubble. Workers connect with
	// [Engine.HTTPClient].
	InMemory bool
	// Authorize refuses a worker by its handshake, if not nil.
	Authorize func(*http.Request) error
	// Queues that a call can be enqueued into, from era B. Default: one, "default".
	Queues []string
	// MaxAttempts to deliver a queue's message before it is a dead letter, default 3.
	// RetryDelay before the second of them, doubling, default 1 s. Both are an engine's
	// defaults; from era D on a trigger's queue_config takes their place.
	MaxAttempts int
	RetryDelay  time.Duration
	// Kind makes the engine kinder than a real one. Default: it is not.
	Kind Kindness
	// Access is asked at each handshake for the rules the worker is subject to, as an
	// engine's listener with access rules has them. Nil, or a nil answer: none.
	Access func(*http.Request) *Access
	// Getenv is the environment from which HTTP functions take their secrets.
	// Default: an empty one.
	Getenv func(string) string
	// Greet can hold the greeting back, if not nil: it is sent once Greet returns.
	Greet func(context.Context)
}

// An Engine is a practice iii engine. State, durable topics and dead letters
// outlive Stop; all that workers have registered does not.
type Engine struct {
	opts Options

	mu       sync.Mutex
	run      *run // nil while stopped
	addr     string
	pipe     *pipeListener
	changed  chan struct{} // closed and replaced with each change
	sessions map[string]*session
	// functions by namespace and id
	functions map[functionKey]*function
	triggers  []*trigger
	types     map[string]*session
	calls     map[string]*call
	tokens    map[string]string // worker id to reattach token
	state     map[string]map[string]json.RawMessage
	backlog   []*queued
	dead      []DeadLetter
	unread    []DeadLetter
	failed    map[string]int // attempts to deliver, by topic
	channels  map[string]*channel
	telemetry []Telemetry
	logs      []LogRecord
	frames    []Frame
	faults    []string
}

// run is the time between Start and Stop.
type run struct {
	ctx    context.Context
	cancel context.CancelFunc
	server *http.Server
	parts  sync.WaitGroup
}

type functionKey struct{ namespace, id string }

type function struct {
	functionKey
	owner *session
	frame message
}

type trigger struct {
	id, kind, function, namespace string
	config                        json.RawMessage
	metadata                      json.RawMessage
	owner                         *session // nil: by engine::register_trigger, which outlives its caller
	bound                         bool     // its provider has been told, or it is the engine's own
}

// call is an invocation that a worker is running.
type call struct {
	callee *session
	caller *session // nil: the engine itself, which waits on answer
	id     string   // the caller's
	answer chan message
	sent   time.Time
}

// New returns an engine that is not started yet.
func New(opts Options) *Engine {
	opts.Era = cmp.Or(opts.Era, iii.EraC)
	opts.Addr = cmp.Or(opts.Addr, "127.0.0.1:0")
	opts.MaxAttempts = cmp.Or(opts.MaxAttempts, 3)
	opts.RetryDelay = cmp.Or(opts.RetryDelay, time.Second)
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	if opts.Queues == nil {
		opts.Queues = []string{"default"}
	}
	return &Engine{
		opts: opts, addr: opts.Addr, changed: make(chan struct{}),
		tokens: map[string]string{}, state: map[string]map[string]json.RawMessage{}, failed: map[string]int{},
	}
}

// Start starts an engine for a test and stops it with the test.
func Start(t testing.TB, opts Options) *Engine {
	t.Helper()
	e := New(opts)
	if err := e.Start(); err != nil {
		t.Fatalf("iiitest: %v", err)
	}
	t.Cleanup(e.Stop)
	return e
}

// Start listens. After Stop it does so at the same address.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.run != nil {
		return errors.New("the engine is running already")
	}
	var listener net.Listener
	if e.opts.InMemory {
		e.pipe = newPipeListener()
		listener = e.pipe
	} else {
		var err error
		if listener, err = net.Listen("tcp", e.addr); err != nil {
			return err
		}
		e.addr = listener.Addr().String()
	}
	r := &run{}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.server = &http.Server{Handler: http.HandlerFunc(e.serve), ReadHeaderTimeout: 10 * time.Second}
	e.run = r
	e.sessions = map[string]*session{}
	e.functions = map[functionKey]*function{}
	e.types = map[string]*session{}
	e.calls = map[string]*call{}
	e.channels = map[string]*channel{}
	e.triggers = nil
	r.parts.Go(func() { _ = r.server.Serve(listener) })
	return nil
}

// Stop drops every connection without a goodbye, as an engine does.
func (e *Engine) Stop() {
	e.mu.Lock()
	r := e.run
	e.run = nil
	for _, c := range e.channels {
		e.removeChannel(c)
	}
	e.notify()
	e.mu.Unlock()
	if r == nil {
		return
	}
	r.cancel()
	_ = r.server.Close()
	r.parts.Wait()
}

// URL for a worker's options.
func (e *Engine) URL() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opts.InMemory {
		return "ws://engine.test/"
	}
	return "ws://" + e.addr + "/"
}

// HTTPClient connects to an engine that is in memory, over whatever Start made last.
func (e *Engine) HTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			e.mu.Lock()
			pipe, running := e.pipe, e.run != nil
			e.mu.Unlock()
			if pipe == nil || !running {
				return nil, errors.New("connection refused: the engine is stopped")
			}
			return pipe.dial(ctx)
		},
	}}
}

// KillConnections breaks the connections of all workers; the engine goes on.
func (e *Engine) KillConnections() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sessions {
		s.cancel()
	}
}

// KillCallers breaks the connections of the workers that wait for the answer of a call:
// it goes on, and its answer reaches no one.
func (e *Engine) KillCallers() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		if c.caller != nil {
			c.caller.cancel()
		}
	}
}

// Freeze stops all traffic on the present connections, pings included, without closing
// them, as a peer does that has lost its power.
func (e *Engine) Freeze() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sessions {
		s.frozen = true
	}
}

// notify wakes every Wait. It needs mu.
func (e *Engine) notify() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// Wait returns once done returns true; it is asked again after each frame and
// change. done may call the engine's methods.
func (e *Engine) Wait(ctx context.Context, done func() bool) error {
	for {
		e.mu.Lock()
		changed := e.changed
		e.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fault needs mu.
func (e *Engine) fault(format string, args ...any) {
	e.faults = append(e.faults, fmt.Sprintf(format, args...))
}

// Faults are the messages so far that an engine would have dropped.
func (e *Engine) Faults() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.faults)
}

// Serves reports whether a worker has announced the function in this namespace;
// empty means "default".
func (e *Engine) Serves(namespace, id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.functions[functionKey{cmp.Or(namespace, "default"), id}] != nil
}

// Owner is the worker that serves the function in the namespace "default"; empty
// if none does.
func (e *Engine) Owner(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.functions[functionKey{"default", id}]; f != nil {
		return f.owner.id
	}
	return ""
}

// Workers are the connected workers' names, those without one by their id.
func (e *Engine) Workers() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, s := range e.sessions {
		names = append(names, cmp.Or(s.name, s.id))
	}
	slices.Sort(names)
	return names
}

// Bound is how many triggers of a type are bound to a function; those of an
// unknown type are not.
func (e *Engine) Bound(kind, functionID string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, t := range e.triggers {
		if t.bound && t.kind == kind && t.function == functionID {
			n++
		}
	}
	return n
}

// Invoke calls a worker's function as the engine itself does, for example for an HTTP
// request: without _caller_worker_id.
func (e *Engine) Invoke(ctx context.Context, functionID string, data any) (json.RawMessage, error) {
	encoded, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	return e.invoke(ctx, message{FunctionID: functionID, Data: encoded})
}

func (e *Engine) invoke(ctx context.Context, m message) (json.RawMessage, error) {
	answer := make(chan message, 1)
	e.mu.Lock()
	running := e.run
	id := uuid.NewString()
	if running != nil {
		e.route(m, &call{id: id, answer: answer})
	}
	e.mu.Unlock()
	if running == nil {
		return nil, errors.New("the engine is stopped")
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return nil, m.Error.asError()
		}
		return m.Result, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-running.ctx.Done():
		return nil, errors.New("the engine is stopped")
	}
}

// Fire calls every function that has a trigger of this type bound whose
// configuration satisfies match (nil: all), and waits for none.
func (e *Engine) Fire(kind string, data any, match func(config json.RawMessage) bool) error {
	encoded, err := json.Marshal(data)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fire(kind, encoded, match)
	return nil
}

// fire needs mu.
func (e *Engine) fire(kind string, data json.RawMessage, match func(json.RawMessage) bool) {
	for _, t := range e.triggers {
		if t.kind == kind && t.bound && (match == nil || match(t.config)) {
			e.route(e.event(t, data), nil)
		}
	}
}

// event is the call a trigger makes.
func (e *Engine) event(t *trigger, data json.RawMessage) message {
	m := message{FunctionID: t.function, Namespace: t.namespace, Data: data}
	if e.opts.Era >= iii.EraD {
		m.Metadata = t.metadata
	}
	return m
}

// Send sends a frame, as it is, to every connected worker.
func (e *Engine) Send(frame string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sessions {
		s.push(json.RawMessage(frame))
	}
}

func (e *Engine) serve(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	running := e.run
	if running != nil {
		running.parts.Add(1)
	}
	e.mu.Unlock()
	if running == nil {
		return
	}
	defer running.parts.Done()
	switch {
	case r.URL.Path == "/":
	case strings.HasPrefix(r.URL.Path, channelPath):
		e.serveChannel(running.ctx, w, r)
		return
	case r.URL.Path == otelPath && e.opts.Era >= iii.EraC:
		e.serveTelemetry(running.ctx, w, r)
		return
	default:
		http.NotFound(w, r)
		return
	}
	s := &session{e: e, id: uuid.NewString(), namespace: "default", wake: make(chan struct{}, 1)}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true,
		OnPingReceived:     func(context.Context, []byte) bool { return s.pinged() },
	})
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(64 << 20)
	if !e.authorized(running.ctx, ws, r) {
		return
	}
	if e.opts.Access != nil {
		s.access = e.opts.Access(r)
	}
	if e.opts.Greet != nil {
		e.opts.Greet(running.ctx)
	}
	s.ws = ws
	e.session(running, s)
}

// authorized sends the error to a refused worker, and closes its connection.
func (e *Engine) authorized(ctx context.Context, ws *websocket.Conn, r *http.Request) bool {
	if e.opts.Authorize == nil {
		return true
	}
	err := e.opts.Authorize(r)
	if err == nil {
		return true
	}
	m := message{Type: "error", Error: &body{Code: "AUTH_ERROR", Message: err.Error()}}
	_ = ws.Write(ctx, websocket.MessageText, m.encode())
	_ = ws.Close(websocket.StatusNormalClosure, "")
	return false
}

// Pings is how many WebSocket pings the workers have sent that are connected now.
func (e *Engine) Pings() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, s := range e.sessions {
		n += s.pings
	}
	return n
}
