package iiitest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/parley-run/parley/iii"
)

func hasCode(err error, code string) bool {
	e, ok := errors.AsType[*iii.Error](err)
	return ok && e.Code == code
}

type request struct {
	s *session
	m message

	Scope      string          `json:"scope"`
	Key        string          `json:"key"`
	Value      json.RawMessage `json:"value"`
	Data       json.RawMessage `json:"data"`
	Ops        []op            `json:"ops"`
	Topic      string          `json:"topic"`
	Internal   bool            `json:"include_internal"`
	Name       string          `json:"name"`
	Namespace  string          `json:"namespace"`
	Type       string          `json:"trigger_type"`
	FunctionID string          `json:"function_id"`
	Config     json.RawMessage `json:"config"`
	Metadata   json.RawMessage `json:"metadata"`
	ID         string          `json:"id"`
	BufferSize *int            `json:"buffer_size"`
}

type op struct {
	Type  string          `json:"type"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
	By    float64         `json:"by"`
}

// builtins of an era, by name. A result of nil is left out.
func (e *Engine) builtins() map[string]func(request) (any, error) {
	all := map[string]func(request) (any, error){
		"engine::workers::register": e.describe,
		"engine::channels::create":  e.createChannel,
		"engine::functions::list":   e.listFunctions,
		"engine::workers::list":     e.listWorkers,
		"engine::triggers::list":    e.listTriggers,
		"state::get":                func(r request) (any, error) { return nilIfAbsent(e.state[r.Scope][r.Key]), nil },
		"state::set":                e.setState,
		"state::delete":             e.deleteState,
		"state::update":             e.updateState,
		"state::list":               e.listState,
		"state::list_groups": func(request) (any, error) {
			return map[string]any{"groups": slices.Sorted(maps.Keys(e.state))}, nil
		},
		"publish": func(r request) (any, error) {
			if r.Topic == "" {
				return nil, iii.Errorf("topic_not_set", "the topic is empty")
			}
			e.fire("subscribe", r.Data, func(config json.RawMessage) bool { return topicOf(config) == r.Topic })
			return nil, nil
		},
	}
	for _, level := range []string{"trace", "debug", "info", "warn", "error"} {
		all["engine::log::"+level] = func(r request) (any, error) { return nil, e.log(level, r.m.Data) }
	}
	durable := func(r request) (any, error) {
		if r.Topic == "" {
			return nil, iii.Errorf("topic_not_set", "the topic is empty")
		}
		e.publishDurable(r.Topic, r.Data)
		return nil, nil
	}
	if e.opts.Era < iii.EraC {
		all["enqueue"] = durable
	} else {
		all["iii::durable::publish"] = durable
	}
	if e.opts.Era >= iii.EraB {
		all["iii::queue::redrive"] = e.redrive
	}
	if e.opts.Era >= iii.EraD {
		all["engine::register_trigger"] = e.keepTrigger
		all["engine::registered-triggers::list"] = e.listRegisteredTriggers
		all["engine::unregister_trigger"] = func(r request) (any, error) {
			before := len(e.triggers)
			e.unregisterTrigger(r.ID)
			return map[string]bool{"removed": len(e.triggers) < before}, nil
		}
	}
	return all
}

// builtin answers a call of the engine's own functions. Needs mu.
func (e *Engine) builtin(s *session, m message, c *call) bool {
	f, ok := e.builtins()[m.FunctionID]
	if !ok {
		return false
	}
	answer := message{FunctionID: m.FunctionID, Traceparent: m.Traceparent, Baggage: m.Baggage}
	r := request{s: s, m: m}
	if err := json.Unmarshal(m.Data, &r); err != nil {
		answer.Error = &body{Code: "deserialization_error", Message: err.Error()}
		e.answer(c, answer)
		return true
	}
	result, err := f(r)
	if err != nil {
		answer.Error = &body{Code: "invocation_failed", Message: err.Error()}
		if own, ok := errors.AsType[*iii.Error](err); ok {
			answer.Error = &body{Code: own.Code, Message: own.Message}
		}
	} else if result != nil {
		answer.Result, _ = json.Marshal(result) // maps, strings and what was decoded
	}
	e.answer(c, answer)
	return true
}

func nilIfAbsent(value json.RawMessage) any {
	if value == nil {
		return nil
	}
	return value
}

// describe handles a worker's description. From 0.23 a name is taken once in a
// namespace.
func (e *Engine) describe(r request) (any, error) {
	s := r.s
	namespace := cmp.Or(r.Namespace, "default")
	defer e.workersChanged("worker_metadata_updated", s.id)
	if e.opts.Era < iii.EraE {
		s.name = r.Name
		return map[string]bool{"success": true}, nil
	}
	for _, other := range e.sessions {
		if other != s && r.Name != "" && other.name == r.Name && other.namespace == namespace {
			s.push(message{
				Type: "registrationrejected", Code: "WORKER_NAMESPACE_CONFLICT", Namespace: namespace,
				WorkerName: r.Name, OwnerWorkerID: &other.id,
			}.encode())
			s.last = true
			return map[string]bool{"success": false}, nil
		}
	}
	s.name, s.namespace = r.Name, namespace
	held := s.held
	s.held, s.described = nil, true
	for _, m := range held {
		e.handle(s, m)
	}
	return map[string]bool{"success": true}, nil
}

func (e *Engine) listFunctions(r request) (any, error) {
	rows := []map[string]any{}
	add := func(id, namespace, worker string, m message) {
		if !r.s.access.permits(id) {
			return
		}
		row := map[string]any{"function_id": id}
		if m.Description != nil {
			row["description"] = *m.Description
		}
		if m.Metadata != nil {
			row["metadata"] = m.Metadata
		}
		switch {
		case e.opts.Era < iii.EraD: // as up to 0.12
			row["request_format"], row["response_format"] = m.RequestFormat, m.ResponseFormat
		default:
			row["worker_name"] = worker
		}
		if e.opts.Era >= iii.EraE {
			row["namespace"] = namespace
		}
		rows = append(rows, row)
	}
	for key, f := range e.functions {
		add(key.id, key.namespace, f.owner.name, f.frame)
	}
	if r.Internal {
		for id := range e.builtins() {
			add(id, "default", "", message{})
		}
	}
	slices.SortFunc(rows, func(a, b map[string]any) int {
		return cmp.Compare(a["function_id"].(string), b["function_id"].(string))
	})
	return map[string]any{"functions": rows}, nil
}

func (e *Engine) listWorkers(request) (any, error) {
	rows := []map[string]any{}
	for _, s := range e.sessions {
		rows = append(rows, map[string]any{"id": s.id, "name": s.name, "status": "connected"})
	}
	return map[string]any{"workers": rows}, nil
}

func (e *Engine) listTriggers(request) (any, error) {
	rows := []map[string]any{}
	for _, t := range e.triggers {
		rows = append(rows, map[string]any{"id": t.id, "trigger_type": t.kind, "function_id": t.function, "config": t.config})
	}
	return map[string]any{"triggers": rows}, nil
}

// keepTrigger binds a trigger that stays when its caller leaves.
func (e *Engine) keepTrigger(r request) (any, error) {
	if !r.s.access.permitsTrigger(r.Type) {
		return nil, iii.Errorf("FORBIDDEN", "Trigger type '%s' is not allowed for this session.", r.Type)
	}
	t := &trigger{
		id: uuid.NewString(), kind: r.Type, function: r.s.access.prefixed(r.FunctionID), namespace: "default",
		config: r.Config, metadata: r.Metadata,
	}
	e.addTrigger(t)
	return map[string]string{"id": t.id}, nil
}

func (e *Engine) listRegisteredTriggers(r request) (any, error) {
	rows := []map[string]any{}
	for _, t := range e.triggers {
		if (r.Type == "" || r.Type == t.kind) && (r.FunctionID == "" || r.FunctionID == t.function) {
			rows = append(rows, map[string]any{"id": t.id, "trigger_type": t.kind, "function_id": t.function, "config": t.config})
		}
	}
	return map[string]any{"registered_triggers": rows}, nil
}

func (e *Engine) redrive(request) (any, error) {
	dead := e.dead
	e.dead = nil
	for _, d := range dead {
		e.enqueue(&queued{topic: d.Topic, named: slices.Contains(e.opts.Queues, d.Topic), event: message{FunctionID: d.FunctionID, Data: d.Data}})
	}
	return map[string]int{"redriven": len(dead)}, nil
}

// State is the value under a key; nil if there is none.
func (e *Engine) State(scope, key string) json.RawMessage {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.state[scope][key])
}

func (e *Engine) putState(scope, key string, value json.RawMessage) map[string]any {
	old := e.state[scope][key]
	event := "state:updated"
	if old == nil {
		event = "state:created"
	}
	if e.state[scope] == nil {
		e.state[scope] = map[string]json.RawMessage{}
	}
	e.state[scope][key] = value
	e.stateChanged(event, scope, key, old, value)
	return map[string]any{"old_value": nilIfAbsent(old), "new_value": value}
}

func (e *Engine) stateChanged(event, scope, key string, old, value json.RawMessage) {
	data, _ := json.Marshal(map[string]any{ // strings and what was decoded
		"type": "state", "event_type": event, "scope": scope, "key": key,
		"old_value": nilIfAbsent(old), "new_value": nilIfAbsent(value),
	})
	e.fire("state", data, func(config json.RawMessage) bool {
		var c struct{ Scope, Key string }
		_ = json.Unmarshal(config, &c) // a configuration of another shape matches all
		return (c.Scope == "" || c.Scope == scope) && (c.Key == "" || c.Key == key)
	})
}

func (e *Engine) setState(r request) (any, error) {
	value := r.Value
	if value == nil {
		value = r.Data
	}
	if value == nil {
		return nil, iii.Errorf("deserialization_error", "missing field `value`")
	}
	return e.putState(r.Scope, r.Key, value), nil
}

func (e *Engine) deleteState(r request) (any, error) {
	old := e.state[r.Scope][r.Key]
	if old == nil {
		return nil, nil
	}
	delete(e.state[r.Scope], r.Key)
	e.stateChanged("state:deleted", r.Scope, r.Key, old, nil)
	return old, nil
}

func (e *Engine) listState(r request) (any, error) {
	values := []json.RawMessage{}
	for _, key := range slices.Sorted(maps.Keys(e.state[r.Scope])) {
		values = append(values, e.state[r.Scope][key])
	}
	return values, nil
}

func (e *Engine) updateState(r request) (any, error) {
	value := map[string]any{}
	if old := e.state[r.Scope][r.Key]; old != nil {
		_ = json.Unmarshal(old, &value) // what is no object is replaced
	}
	if r.Ops == nil {
		return nil, iii.Errorf("deserialization_error", "missing field `ops`")
	}
	for _, o := range r.Ops {
		var given any
		if o.Value != nil {
			_ = json.Unmarshal(o.Value, &given) // decoded once already
		}
		number, _ := value[o.Path].(float64)
		switch o.Type {
		case "set":
			value[o.Path] = given
		case "increment":
			value[o.Path] = number + o.By
		case "decrement":
			value[o.Path] = number - o.By
		case "remove":
			delete(value, o.Path)
		case "append":
			list, _ := value[o.Path].([]any)
			value[o.Path] = append(list, given)
		case "merge":
			into := value
			if o.Path != "" {
				inner, ok := value[o.Path].(map[string]any)
				if !ok {
					inner = map[string]any{}
					value[o.Path] = inner
				}
				into = inner
			}
			object, _ := given.(map[string]any)
			maps.Copy(into, object)
		default:
			return nil, iii.Errorf("deserialization_error", "unknown variant %s", o.Type)
		}
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("state::update: %w", err)
	}
	return e.putState(r.Scope, r.Key, encoded), nil
}
