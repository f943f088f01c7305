package iii

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// TypeQueue means the type of triggers that fire for each message of a durable
// topic: "queue" before 0.11, "durable:subscriber" since. The worker sends the engine's
// own, see [Worker.Dialect].
const TypeQueue = "queue:by-era"

// A Trigger has the engine call a function for each event of a type.
type Trigger struct {
	// ID is the same on every connection. Default: derived from the type, the function
	// and the configuration, so that it survives restarts of the program too.
	ID string
	// Type of the events: one of the engine's ("http", "cron", "subscribe", "state" …),
	// of a worker (see [TriggerType]) or [TypeQueue]. Required.
	Type string
	// FunctionID of the function to call. Required.
	FunctionID string
	// Config of the trigger, as its type defines it; encoded as JSON. Default: the empty
	// object.
	Config any
	// Metadata is sent with every call, see [Invocation.Metadata]; encoded as JSON.
	// Default: none.
	Metadata any
	// Namespace of the function and TriggerNamespace of the type's provider, on
	// engines from 0.23. Empty: "default", whatever the worker's own namespace.
	Namespace        string
	TriggerNamespace string
	// OnRefused is called if the engine reports that it could not bind the trigger.
	// Most versions do not report it. It must not block. Default: none.
	OnRefused func(error)
}

// QueueTrigger returns a trigger that calls functionID with each message of a durable
// topic. The handler's success acknowledges the message; after an error the engine
// delivers it again.
func QueueTrigger(topic, functionID string) Trigger {
	return Trigger{Type: TypeQueue, FunctionID: functionID, Config: map[string]string{"topic": topic}}
}

// SubscribeTrigger returns a trigger that calls functionID with each message that is
// published to a topic while the worker is connected; see [Worker.Publish].
func SubscribeTrigger(topic, functionID string) Trigger {
	return Trigger{Type: "subscribe", FunctionID: functionID, Config: map[string]string{"topic": topic}}
}

// A TriggerRegistration is a trigger that is announced on every connection, until it is
// unregistered.
type TriggerRegistration struct {
	w       *Worker
	trigger Trigger
	frame   frame
	// Both guarded by Worker.mu: whether it is announced on this connection, and by
	// which type.
	announced   bool
	announcedAs string
}

// RegisterTrigger binds a trigger from now on. Its error is about t, an ID that this
// worker has bound already, or [ErrClosed]. Engines do not confirm that they have bound
// a trigger.
func (w *Worker) RegisterTrigger(t Trigger) (*TriggerRegistration, error) {
	var faults []error
	if t.Type == "" || t.FunctionID == "" {
		faults = append(faults, errors.New("the Type or the FunctionID is empty"))
	}
	config, err := raw(t.Config, "{}")
	if err != nil {
		faults = append(faults, fmt.Errorf("the Config: %w", err))
	}
	metadata, err := raw(t.Metadata, "")
	if err != nil {
		faults = append(faults, fmt.Errorf("the Metadata: %w", err))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("iii: register trigger of %q: %w", t.FunctionID, err)
	}
	if t.ID == "" {
		t.ID = triggerID(t, config)
	}
	r := &TriggerRegistration{w: w, trigger: t, frame: frame{
		Type: typeRegisterTrigger, ID: t.ID, TriggerType: t.Type, FunctionID: t.FunctionID, Config: config,
		Metadata: metadata, Namespace: t.Namespace, TriggerNamespace: t.TriggerNamespace,
	}}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return nil, fmt.Errorf("iii: register trigger %s: %w", t.ID, ErrClosed)
	}
	if slices.ContainsFunc(w.triggers, func(other *TriggerRegistration) bool { return other.trigger.ID == t.ID }) {
		return nil, fmt.Errorf("iii: register trigger %s (%s of %s): this worker has bound it already", t.ID, t.Type, t.FunctionID)
	}
	w.triggers = append(w.triggers, r)
	if w.conn != nil {
		w.announceTrigger(w.conn, r)
	}
	return r, nil
}

// triggerNamespace is the namespace of derived ids. It must never change: an engine that
// keeps triggers would keep both.
var triggerNamespace = uuid.MustParse("3d3c7f7a-5a0e-4c0f-8a8e-2b9a0f7e6c11")

// triggerID is the same for equal triggers, whatever the order of keys.
func triggerID(t Trigger, config json.RawMessage) string {
	var value any
	if err := json.Unmarshal(config, &value); err == nil {
		if sorted, err := json.Marshal(value); err == nil {
			config = sorted
		}
	}
	name, err := json.Marshal([]string{t.Type, t.FunctionID, string(config), t.Namespace, t.TriggerNamespace})
	if err != nil {
		panic(err) // strings
	}
	return uuid.NewSHA1(triggerNamespace, name).String()
}

// ID is the trigger's id, given or derived.
func (r *TriggerRegistration) ID() string { return r.trigger.ID }

// Unregister removes the trigger from the engine. Unregistering twice is safe.
func (r *TriggerRegistration) Unregister() {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.triggers, r)
	if i < 0 {
		return
	}
	w.triggers = slices.Delete(w.triggers, i, i+1)
	if w.conn != nil && r.announced {
		w.conn.pushLocked(r.withdrawal())
	}
}

func (r *TriggerRegistration) withdrawal() frame {
	return frame{Type: typeUnregisterTrigger, ID: r.trigger.ID, TriggerType: r.announcedAs}
}

// announceTrigger needs Worker.mu. A queue trigger waits until the engine's dialect is
// known.
func (w *Worker) announceTrigger(c *connection, r *TriggerRegistration) {
	f := r.frame
	if f.TriggerType == TypeQueue {
		if c.queueType == "" && w.opts.Era != 0 {
			c.queueType = dialectOf(w.opts.Era).QueueTrigger
		}
		if c.queueType == "" {
			c.requestDialect()
			return
		}
		f.TriggerType = c.queueType
	}
	r.announced, r.announcedAs = true, f.TriggerType
	c.pushLocked(f)
}

// triggerResult handles a triggerregistrationresult for a trigger of this worker.
func (w *Worker) triggerResult(f frame) {
	if f.Error == nil {
		return
	}
	w.mu.Lock()
	var refused *TriggerRegistration
	for _, r := range w.triggers {
		if r.trigger.ID == f.ID {
			refused = r
		}
	}
	w.mu.Unlock()
	w.log.Warn("the iii engine could not bind a trigger",
		"trigger_id", printable(f.ID), "trigger_type", printable(f.TriggerType), "function_id", printable(f.FunctionID), "error", f.Error)
	if refused != nil && refused.trigger.OnRefused != nil {
		refused.trigger.OnRefused(f.Error)
	}
}
