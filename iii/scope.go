package iii

import (
	"context"
	"encoding/json"
	"fmt"
)

// A Scope is a part of the engine's state: values under keys, shared by all workers. Its
// methods fail as [Worker.Invoke] does.
type Scope struct {
	w    *Worker
	name string
}

// Scope returns the scope of this name. It exists once it has a value.
func (w *Worker) Scope(name string) *Scope { return &Scope{w, name} }

type stateRequest struct {
	Scope string          `json:"scope"`
	Key   string          `json:"key,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	Ops   []Op            `json:"ops,omitempty"`
}

// Get decodes the value under key into v. Without a value it fails with [ErrNotFound]; a
// null counts as no value, because engines do not distinguish them.
func (s *Scope) Get(ctx context.Context, key string, v any) error {
	result, err := s.w.Invoke(ctx, "state::get", stateRequest{Scope: s.name, Key: key})
	if err != nil {
		return err
	}
	if len(result) == 0 || string(result) == "null" {
		return fmt.Errorf("iii: state %s/%s: %w", s.name, key, ErrNotFound)
	}
	if err := json.Unmarshal(result, v); err != nil {
		return fmt.Errorf("iii: state %s/%s: %w", s.name, key, err)
	}
	return nil
}

// Set stores v under key and replaces the present value.
func (s *Scope) Set(ctx context.Context, key string, v any) error {
	value, err := raw(v, "null")
	if err != nil {
		return fmt.Errorf("iii: state %s/%s: %w: %w", s.name, key, ErrNotSent, err)
	}
	_, err = s.w.Invoke(ctx, "state::set", stateRequest{Scope: s.name, Key: key, Value: value})
	return err
}

// Delete removes the value under key; without one it does nothing.
func (s *Scope) Delete(ctx context.Context, key string) error {
	_, err := s.w.Invoke(ctx, "state::delete", stateRequest{Scope: s.name, Key: key})
	return err
}

// Update changes the value under key atomically and returns the new one. If single
// operations failed, which newer engines report, it returns the new value and an error.
func (s *Scope) Update(ctx context.Context, key string, ops ...Op) (json.RawMessage, error) {
	result, err := s.w.Invoke(ctx, "state::update", stateRequest{Scope: s.name, Key: key, Ops: ops})
	if err != nil {
		return nil, err
	}
	var updated struct {
		NewValue json.RawMessage `json:"new_value"`
		Errors   []any           `json:"errors"` // newer engines, for single operations
	}
	if err := json.Unmarshal(result, &updated); err != nil {
		return nil, fmt.Errorf("iii: state %s/%s: %w", s.name, key, err)
	}
	if len(updated.Errors) > 0 {
		return updated.NewValue, fmt.Errorf("iii: state %s/%s: %d of %d operations failed: %v",
			s.name, key, len(updated.Errors), len(ops), updated.Errors)
	}
	return updated.NewValue, nil
}

// List returns the values of the scope. Their keys are missing, because engines do not
// return them.
func (s *Scope) List(ctx context.Context) ([]json.RawMessage, error) {
	result, err := s.w.Invoke(ctx, "state::list", stateRequest{Scope: s.name})
	if err != nil {
		return nil, err
	}
	var values []json.RawMessage
	if len(result) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(result, &values); err != nil {
		return nil, fmt.Errorf("iii: state::list of %s: %w", s.name, err)
	}
	return values, nil
}

// An Op is one change of [Scope.Update], made by [SetOp], [MergeOp], [IncrementOp],
// [RemoveOp] or [AppendOp]. A path is a key of the first level.
type Op struct {
	Type  string          `json:"type"`
	Path  string          `json:"path,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	By    *int64          `json:"by,omitempty"`
}

// SetOp sets the field path to value.
func SetOp(path string, value json.RawMessage) Op { return Op{Type: "set", Path: path, Value: value} }

// MergeOp merges the object value into the field path, or into the whole value if
// path is empty.
func MergeOp(path string, value json.RawMessage) Op {
	return Op{Type: "merge", Path: path, Value: value}
}

// IncrementOp adds by, which may be negative, to the number in the field path.
func IncrementOp(path string, by int64) Op { return Op{Type: "increment", Path: path, By: &by} }

// RemoveOp removes the field path.
func RemoveOp(path string) Op { return Op{Type: "remove", Path: path} }

// AppendOp appends value to the list in the field path; engines from 0.11.
func AppendOp(path string, value json.RawMessage) Op {
	return Op{Type: "append", Path: path, Value: value}
}
