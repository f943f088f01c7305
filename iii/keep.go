package iii

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// KeepTrigger binds a trigger that stays bound when workers leave: messages of a durable
// topic then wait for the function's next worker, as long as the engine retries them. A
// trigger that is already bound to the same function with the same configuration is not
// bound twice.
//
// kept is false if the engine has no such triggers (engines from 0.21.3 have) or forbids
// them; use [Worker.RegisterTrigger] there. The trigger stays until
// engine::unregister_trigger or the engine's end, so call KeepTrigger on each connection.
// ID, Namespace and OnRefused of the trigger are not used.
func (w *Worker) KeepTrigger(ctx context.Context, t Trigger) (kept bool, err error) {
	d, err := w.Dialect(ctx)
	if err != nil {
		return false, err
	}
	if d.Era < EraD {
		return false, nil
	}
	if t.Type == TypeQueue {
		t.Type = d.QueueTrigger
	}
	config, err := raw(t.Config, "{}")
	if err != nil {
		return false, fmt.Errorf("iii: keep trigger of %s: %w: the Config: %w", t.FunctionID, ErrNotSent, err)
	}
	metadata, err := raw(t.Metadata, "")
	if err != nil {
		return false, fmt.Errorf("iii: keep trigger of %s: %w: the Metadata: %w", t.FunctionID, ErrNotSent, err)
	}
	// Without the list, each connection would add one more trigger.
	bound, err := w.hasTrigger(ctx, t, config)
	if err != nil || bound {
		return bound, ignoreAbsent(err)
	}
	_, err = w.Invoke(ctx, "engine::register_trigger", struct {
		Type             string          `json:"trigger_type"`
		FunctionID       string          `json:"function_id"`
		Config           json.RawMessage `json:"config"`
		Metadata         json.RawMessage `json:"metadata,omitempty"`
		TriggerNamespace string          `json:"trigger_namespace,omitempty"`
	}{t.Type, t.FunctionID, config, metadata, t.TriggerNamespace})
	return err == nil, ignoreAbsent(err)
}

// ignoreAbsent drops the errors of a function that is missing or forbidden.
func ignoreAbsent(err error) error {
	if HasCode(err, CodeFunctionNotFound) || HasCode(err, CodeForbidden) {
		return nil
	}
	return err
}

// hasTrigger reports whether the trigger is bound, by any worker. Behind access rules
// its function's id may have a prefix.
func (w *Worker) hasTrigger(ctx context.Context, t Trigger, config json.RawMessage) (bool, error) {
	answer, err := w.Invoke(ctx, "engine::registered-triggers::list", map[string]string{"trigger_type": t.Type})
	if err != nil {
		return false, err
	}
	var list struct {
		Triggers []struct {
			FunctionID string          `json:"function_id"`
			Config     json.RawMessage `json:"config"`
		} `json:"registered_triggers"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return false, fmt.Errorf("iii: engine::registered-triggers::list: %w", err)
	}
	for _, other := range list.Triggers {
		if (other.FunctionID == t.FunctionID || strings.HasSuffix(other.FunctionID, "::"+t.FunctionID)) && sameJSON(other.Config, config) {
			return true, nil
		}
	}
	return false, nil
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
