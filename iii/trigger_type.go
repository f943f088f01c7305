package iii

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A TriggerType is a type of events that this worker provides. Other workers bind
// triggers of the type, and this worker calls their functions with [Worker.Send] for each
// event.
type TriggerType struct {
	// ID is the type's name. Required.
	ID string
	// Description is shown by the engine. Required.
	Description string
	// TriggerRequestFormat is the JSON Schema of a trigger's configuration, and
	// CallRequestFormat that of an event. Engines from 0.11 show them. Default: empty.
	TriggerRequestFormat json.RawMessage
	CallRequestFormat    json.RawMessage
	// Bind is called for each trigger, one at a time, and again after each reconnect.
	// The worker that binds the trigger receives its error. Required.
	Bind func(context.Context, Binding) error
	// Unbind is called for a trigger that was removed; only ID and Type are set. It is
	// not called for the triggers of a connection that broke. Default: none.
	Unbind func(context.Context, Binding)
}

// A Binding is a trigger of one of this worker's trigger types.
type Binding struct {
	ID         string
	Type       string
	FunctionID string
	Config     json.RawMessage
	Metadata   json.RawMessage // to be sent with each event, see [Metadata]
	Namespace  string          // of the function, see [InNamespace]
}

// A TriggerTypeRegistration is a trigger type that is announced on every connection,
// until it is unregistered.
type TriggerTypeRegistration struct {
	w           *Worker
	triggerType TriggerType
}

// RegisterTriggerType provides a trigger type from now on. Its error is about t, a type
// that this worker provides already, or [ErrClosed].
func (w *Worker) RegisterTriggerType(t TriggerType) (*TriggerTypeRegistration, error) {
	if t.ID == "" || t.Description == "" || t.Bind == nil {
		return nil, fmt.Errorf("iii: register trigger type %q: ID, Description and Bind are required", t.ID)
	}
	for _, format := range []json.RawMessage{t.TriggerRequestFormat, t.CallRequestFormat} {
		if len(format) > 0 && !json.Valid(format) {
			return nil, fmt.Errorf("iii: register trigger type %s: a format is not valid JSON", t.ID)
		}
	}
	r := &TriggerTypeRegistration{w: w, triggerType: t}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return nil, fmt.Errorf("iii: register trigger type %s: %w", t.ID, ErrClosed)
	}
	if w.triggerType(t.ID) != nil {
		return nil, fmt.Errorf("iii: register trigger type %s: this worker provides it already", t.ID)
	}
	w.triggerTypes = append(w.triggerTypes, r)
	if w.conn != nil {
		w.conn.pushLocked(r.frame())
	}
	return r, nil
}

// Unregister withdraws the type. Engines before 0.25 ignore it. Unregistering twice is
// safe.
func (r *TriggerTypeRegistration) Unregister() {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.triggerTypes, r)
	if i < 0 {
		return
	}
	w.triggerTypes = slices.Delete(w.triggerTypes, i, i+1)
	if w.conn != nil {
		w.conn.pushLocked(frame{Type: typeUnregisterTriggerType, ID: r.triggerType.ID})
	}
}

func (r *TriggerTypeRegistration) frame() frame {
	t := r.triggerType
	return frame{
		Type: typeRegisterTriggerType, ID: t.ID, Description: t.Description,
		TriggerRequestFormat: t.TriggerRequestFormat, CallRequestFormat: t.CallRequestFormat,
	}
}

// triggerType needs Worker.mu.
func (w *Worker) triggerType(id string) *TriggerTypeRegistration {
	for _, r := range w.triggerTypes {
		if r.triggerType.ID == id {
			return r
		}
	}
	return nil
}

// bind queues a registertrigger or unregistertrigger that the engine forwards. They are
// handled in order, in their own goroutine, so that reading goes on.
func (c *connection) bind(f frame) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.bindings = append(c.bindings, f)
	if c.binding {
		return
	}
	c.binding = true
	c.w.running++ // Shutdown waits for these too
	go c.handleBindings()
}

func (c *connection) handleBindings() {
	w := c.w
	for {
		w.mu.Lock()
		if len(c.bindings) == 0 {
			c.binding = false
			w.stopped()
			w.mu.Unlock()
			return
		}
		f := c.bindings[0]
		c.bindings = c.bindings[1:]
		r := w.triggerType(f.TriggerType)
		w.mu.Unlock()

		b := Binding{
			ID: f.ID, Type: f.TriggerType, FunctionID: f.FunctionID,
			Config: f.Config, Metadata: f.Metadata, Namespace: f.Namespace,
		}
		if f.Type == typeUnregisterTrigger {
			if r != nil && r.triggerType.Unbind != nil {
				_ = guarded(func() error { r.triggerType.Unbind(c.ctx, b); return nil })
			}
			continue
		}
		result := frame{Type: typeTriggerResult, ID: f.ID, TriggerType: f.TriggerType, FunctionID: f.FunctionID}
		if r == nil {
			result.Error = Errorf("trigger_type_not_found", "this worker does not provide the trigger type %s", f.TriggerType)
		} else if err := guarded(func() error { return r.triggerType.Bind(c.ctx, b) }); err != nil {
			result.Error = Errorf("trigger_registration_failed", "%v", err)
			if e, ok := errors.AsType[*Error](err); ok {
				result.Error = reported(e)
			}
		}
		c.answer(result, f.arrived)
	}
}

// guarded turns a panic into an error.
func guarded(run func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panicked: %v", p)
		}
	}()
	return run()
}
