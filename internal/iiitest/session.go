package iiitest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/parley-run/parley/iii"
)

// registrationGrace is how long an engine from 0.23 holds registrations back until it
// has the worker's description.
const registrationGrace = 5 * time.Second

// session is one connected worker. Its fields are guarded by Engine.mu.
type session struct {
	e      *Engine
	ctx    context.Context
	cancel context.CancelFunc
	ws     *websocket.Conn
	id     string

	name, namespace string
	described       bool // by engine::workers::register, or the grace is over
	held            []message
	out             []json.RawMessage
	wake            chan struct{}
	last            bool // nothing goes out after what is queued: then the connection ends
	frozen          bool
	pings           int
	access          *Access // nil: no rules
	announced       map[functionKey]bool
}

func (e *Engine) session(r *run, s *session) {
	s.ctx, s.cancel = context.WithCancel(r.ctx)
	defer s.cancel()
	s.described = e.opts.Era < iii.EraE

	hello := message{Type: "workerregistered", WorkerID: s.id}
	e.mu.Lock()
	if e.opts.Era >= iii.EraF {
		hello.Features = json.RawMessage(`["observe"]`) // the shape is not known; a client that names none is to ignore it
	}
	if e.opts.Era >= iii.EraD {
		hello.ReattachToken = uuid.NewString()
		e.tokens[s.id] = hello.ReattachToken
	}
	e.sessions[s.id] = s
	s.push(hello.encode())
	e.mu.Unlock()
	if !s.described {
		grace := time.AfterFunc(registrationGrace, s.release)
		defer grace.Stop()
	}
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.read()
	e.drop(s)
	s.cancel()
	_ = s.ws.CloseNow()
	writer.Wait()
}

// pinged reports whether a WebSocket ping is answered.
func (s *session) pinged() bool {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.pings++
	s.e.notify()
	return !s.frozen
}

// push needs Engine.mu.
func (s *session) push(raw json.RawMessage) {
	s.out = append(s.out, raw)
	s.e.record(s, false, raw)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *session) write() {
	for {
		s.e.mu.Lock()
		var next json.RawMessage
		frozen := s.frozen
		if len(s.out) > 0 && !frozen {
			next, s.out = s.out[0], s.out[1:]
		}
		over := s.last && next == nil
		s.e.mu.Unlock()
		if over {
			_ = s.ws.Close(websocket.StatusNormalClosure, "")
			s.cancel()
			return
		}
		if next == nil {
			select {
			case <-s.wake:
			case <-s.ctx.Done():
				return
			}
			continue
		}
		if err := s.ws.Write(s.ctx, websocket.MessageText, next); err != nil {
			s.cancel()
			return
		}
	}
}

func (s *session) read() {
	for {
		kind, raw, err := s.ws.Read(s.ctx)
		if err != nil {
			return
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		s.e.mu.Lock()
		if kind == websocket.MessageBinary && s.e.ingest("/", raw) {
			s.e.mu.Unlock()
			continue
		}
		if s.frozen {
			s.e.mu.Unlock()
			continue
		}
		s.e.record(s, true, raw)
		m, err := decode(raw)
		if err != nil {
			s.e.fault("dropped %s: %v", raw, err)
		} else {
			s.e.handle(s, m)
		}
		s.e.notify()
		s.e.mu.Unlock()
	}
}

// drop removes everything that the worker registered and fails the calls it runs.
func (e *Engine) drop(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget(s)
	e.notify()
}

// forget needs mu.
func (e *Engine) forget(s *session) {
	if e.sessions[s.id] != s {
		return
	}
	delete(e.sessions, s.id)
	for key, f := range e.functions {
		if f.owner == s || e.takesAll(s, key) {
			delete(e.functions, key)
		}
	}
	e.triggers = slices.DeleteFunc(e.triggers, func(t *trigger) bool { return t.owner == s })
	for kind, provider := range e.types {
		if provider == s {
			delete(e.types, kind)
			for _, t := range e.triggers {
				if t.kind == kind {
					t.bound = false
				}
			}
		}
	}
	for _, c := range e.channels {
		if c.owner == s {
			e.removeChannel(c)
		}
	}
	for id, c := range e.calls {
		switch {
		case c.callee == s:
			delete(e.calls, id)
			e.answer(c, message{Error: &body{Code: "invocation_stopped", Message: "the worker disconnected"}})
		case c.caller == s:
			delete(e.calls, id)
		}
	}
	e.workersChanged("worker_disconnected", s.id)
}

// takesAll reports whether a function goes with a worker that has announced it, no
// matter whose it is by now.
func (e *Engine) takesAll(s *session, key functionKey) bool {
	return e.opts.Era < iii.EraC && !e.opts.Kind.OwnFunctionsOnly && s.announced[key]
}

// workersChanged fires the triggers on workers. It needs mu.
func (e *Engine) workersChanged(event, workerID string) {
	data, _ := json.Marshal(map[string]string{"event": event, "worker_id": workerID}) // strings
	e.fire("engine::workers-available", data, nil)
}

// release lets the registrations through that were held back.
func (s *session) release() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if s.described || s.e.sessions[s.id] != s {
		return
	}
	s.described = true
	held := s.held
	s.held = nil
	for _, m := range held {
		s.e.handle(s, m)
	}
	s.e.notify()
}

// handle needs mu.
func (e *Engine) handle(s *session, m message) {
	if !s.described {
		switch m.Type {
		case "registerfunction", "unregisterfunction", "registertriggertype", "registertrigger", "unregistertrigger":
			s.held = append(s.held, m)
			return
		}
	}
	switch m.Type {
	case "ping":
		s.push(message{Type: "pong"}.encode())
	case "reattach":
		old := e.sessions[m.PreviousWorkerID]
		if e.opts.Era >= iii.EraD && m.ReattachToken != "" && m.ReattachToken == e.tokens[m.PreviousWorkerID] && old != nil && old != s {
			e.forget(old)
			old.cancel()
		}
	case "registerfunction":
		e.registerFunction(s, m)
	case "unregisterfunction":
		key := functionKey{s.namespace, s.access.prefixed(m.ID)}
		if f := e.functions[key]; f != nil && (f.owner == s || e.takesAll(s, key)) {
			delete(e.functions, key)
		}
		delete(s.announced, key)
	case "registertriggertype":
		e.types[m.ID] = s
		for _, t := range e.triggers {
			if t.kind == m.ID {
				e.bind(t)
			}
		}
	case "unregistertriggertype":
		if e.opts.Era >= iii.EraF && e.types[m.ID] == s {
			delete(e.types, m.ID)
		}
	case "registertrigger":
		e.registerTrigger(s, m)
	case "unregistertrigger":
		e.unregisterTrigger(m.ID)
	case "triggerregistrationresult":
		e.triggerResult(m)
	case "invokefunction":
		e.invoked(s, m)
	case "invocationresult":
		c := e.calls[m.InvocationID]
		if c != nil && c.callee == s && !e.opts.Kind.EarlyAnswers && time.Since(c.sent) < earlyAnswer {
			e.fault("dropped the answer of %s: it came less than %s after the call", m.FunctionID, earlyAnswer)
			return
		}
		if c != nil && c.callee == s {
			delete(e.calls, m.InvocationID)
			if string(m.Result) == "null" {
				m.Result = nil // an engine leaves out what is empty
			}
			if m.Error != nil && e.opts.Era < iii.EraB {
				m.Error.Stacktrace = ""
			}
			e.answer(c, m)
		}
	}
}

func (e *Engine) registerFunction(s *session, m message) {
	if s.access != nil && s.access.NoFunctions {
		return
	}
	key := functionKey{s.namespace, s.access.prefixed(m.ID)}
	if f := e.functions[key]; f != nil && f.owner != s && e.opts.Era >= iii.EraE {
		s.push(message{
			Type: "registrationrejected", Code: "FUNCTION_NAMESPACE_CONFLICT", Namespace: s.namespace,
			FunctionID: m.ID, OwnerWorkerID: &f.owner.id,
		}.encode())
		return
	}
	if s.announced == nil {
		s.announced = map[functionKey]bool{}
	}
	s.announced[key] = true
	e.functions[key] = &function{key, s, m}
	e.flush()
}

// builtinTypes are the trigger types an engine fires by itself.
func (e *Engine) builtinType(kind string) bool {
	return kind == e.queueType() || slices.Contains([]string{
		"http", "cron", "subscribe", "state", "stream", "stream:join", "stream:leave", "log",
		"engine::functions-available", "engine::workers-available",
	}, kind)
}

func (e *Engine) queueType() string {
	if e.opts.Era < iii.EraC {
		return "queue"
	}
	return "durable:subscriber"
}

func (e *Engine) registerTrigger(s *session, m message) {
	if !s.access.permitsTrigger(m.TriggerType) {
		return
	}
	t := &trigger{
		id: m.ID, kind: m.TriggerType, function: s.access.prefixed(m.FunctionID), namespace: cmp.Or(m.Namespace, "default"),
		config: m.Config, owner: s,
	}
	if e.opts.Era >= iii.EraC {
		t.metadata = m.Metadata
	}
	if !e.builtinType(t.kind) && e.types[t.kind] == nil {
		switch {
		case e.opts.Era == iii.EraC: // as 0.16 to 0.20; before, the log alone tells
			s.push(message{
				Type: "triggerregistrationresult", ID: t.id, TriggerType: t.kind, FunctionID: t.function,
				Error: &body{Code: "trigger_registration_failed", Message: "trigger type " + t.kind + " not found"},
			}.encode())
			return
		case e.opts.Era < iii.EraC:
			return
		}
	}
	e.addTrigger(t)
}

func (e *Engine) addTrigger(t *trigger) {
	e.triggers = slices.DeleteFunc(e.triggers, func(other *trigger) bool { return other.id == t.id })
	e.triggers = append(e.triggers, t)
	e.bind(t)
	e.flush()
}

// bind needs mu. A trigger whose provider is not there yet stays parked.
func (e *Engine) bind(t *trigger) {
	if e.builtinType(t.kind) {
		t.bound = true
		return
	}
	if provider := e.types[t.kind]; provider != nil {
		provider.push(message{
			Type: "registertrigger", ID: t.id, TriggerType: t.kind, FunctionID: t.function, Config: t.config, Metadata: t.metadata,
		}.encode())
	}
}

func (e *Engine) unregisterTrigger(id string) {
	for i, t := range e.triggers {
		if t.id == id {
			e.triggers = slices.Delete(e.triggers, i, i+1)
			if provider := e.types[t.kind]; provider != nil {
				provider.push(message{Type: "unregistertrigger", ID: t.id, TriggerType: t.kind}.encode())
			}
			return
		}
	}
}

func (e *Engine) triggerResult(m message) {
	for _, t := range e.triggers {
		if t.id != m.ID {
			continue
		}
		t.bound = m.Error == nil
		if m.Error != nil && t.owner != nil {
			t.owner.push(m.encode())
		}
		return
	}
}

// invoked takes a worker's call. Needs mu.
func (e *Engine) invoked(s *session, m message) {
	c := &call{caller: s, id: m.InvocationID}
	if !s.access.permits(m.FunctionID) {
		if c.id == "" {
			c.id = uuid.NewString() // engines answer even those that want no answer
		}
		e.answer(c, message{FunctionID: m.FunctionID, Error: &body{Code: "FORBIDDEN", Message: "function '" + m.FunctionID + "' not allowed (add to rbac.expose_functions)"}})
		return
	}
	if m.InvocationID == "" {
		c = nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(m.Data, &object) == nil && object != nil {
		object["_caller_worker_id"] = json.RawMessage(`"` + s.id + `"`)
		m.Data, _ = json.Marshal(object) // it has just been decoded
	}
	if e.opts.Era < iii.EraD {
		m.Metadata = nil
	}
	if m.Action != nil && m.Action.Type == "enqueue" && e.opts.Era >= iii.EraB {
		if !slices.Contains(e.opts.Queues, m.Action.Queue) {
			e.answer(c, message{FunctionID: m.FunctionID, Error: &body{Code: "enqueue_error", Message: "unknown queue " + m.Action.Queue}})
			return
		}
		receipt := uuid.NewString()
		e.enqueue(&queued{topic: m.Action.Queue, named: true, event: message{
			FunctionID: m.FunctionID, Namespace: m.Namespace, Data: m.Data, Metadata: m.Metadata,
		}})
		result, _ := json.Marshal(map[string]string{"messageReceiptId": receipt})
		e.answer(c, message{FunctionID: m.FunctionID, Result: result})
		return
	}
	if e.builtin(s, m, c) {
		return
	}
	e.route(m, c)
}

// route sends a call to the worker that serves it. c is nil if no caller waits. Needs
// mu.
func (e *Engine) route(m message, c *call) {
	f := e.functions[functionKey{cmp.Or(m.Namespace, "default"), m.FunctionID}]
	if f == nil {
		e.answer(c, message{FunctionID: m.FunctionID, Error: &body{Code: "function_not_found", Message: "function " + m.FunctionID + " not found"}})
		return
	}
	id := uuid.NewString() // always, though the caller may not have given one
	if c == nil {
		c = &call{}
	} else if c.id != "" {
		id = c.id
	}
	if f.frame.Invocation != nil {
		e.callHTTP(f, id, m, c)
		return
	}
	c.callee, c.sent = f.owner, time.Now()
	e.calls[id] = c
	m.FunctionID = f.owner.access.bare(m.FunctionID)
	if e.opts.Era < iii.EraE {
		m.Namespace = ""
	}
	m.Type, m.InvocationID, m.Action = "invokefunction", id, nil
	f.owner.push(m.encode())
}

// answer needs mu.
func (e *Engine) answer(c *call, m message) {
	if c == nil {
		return
	}
	m.Type, m.InvocationID = "invocationresult", c.id
	switch {
	case c.answer != nil:
		c.answer <- m
	case c.caller != nil && c.id != "":
		c.caller.push(m.encode())
	}
}
