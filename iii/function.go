package iii

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A Function is what a worker serves.
type Function struct {
	// ID of the function, by convention "service::name". Required.
	ID string
	// Description, RequestFormat and ResponseFormat (JSON Schemas by convention) and
	// Metadata are shown by the engine, which enforces none of them. Default: empty.
	Description    string
	RequestFormat  json.RawMessage
	ResponseFormat json.RawMessage
	Metadata       json.RawMessage
	// Handler serves the function. Required, unless HTTP is set: then the engine runs
	// the function itself, by an HTTP request.
	Handler Handler
	HTTP    *HTTPInvocation
	// OnRefused is called each time an engine from 0.23 refuses the function because
	// another worker has it. It must not block. Default: none. See
	// [Worker.RegisterReplica].
	OnRefused func(Refusal)
}

// A Refusal names the worker that serves a function in place of this one.
type Refusal struct {
	FunctionID    string
	Namespace     string
	OwnerWorkerID string // empty if the id is reserved
}

// A Registration is a function that is announced on every connection, until it is
// unregistered.
//
// Only one worker serves a function at a time; the engine does not balance. Engines
// before 0.23 give it to the worker that announced it last, and drop it when that one
// leaves. Later ones refuse all workers but the first. Either way another worker that
// wants to serve it must announce it again: [Worker.RegisterReplica] does so when the
// function has no worker, [Registration.Announce] at once.
type Registration struct {
	w        *Worker
	function Function
	frame    frame
	refusal  *Refusal // guarded by Worker.mu
}

// RegisterFunction serves a function from now on. Its error is about f, an id that this
// worker serves already, or [ErrClosed]. Engines confirm nothing; a refusal arrives
// later, see [Function.OnRefused].
func (w *Worker) RegisterFunction(f Function) (*Registration, error) {
	invocation, err := f.check()
	if err != nil {
		return nil, fmt.Errorf("iii: register function %q: %w", f.ID, err)
	}
	r := &Registration{w: w, function: f, frame: frame{
		Type: typeRegisterFunction, ID: f.ID, Description: f.Description,
		RequestFormat: f.RequestFormat, ResponseFormat: f.ResponseFormat, Metadata: f.Metadata,
		Invocation: invocation,
	}}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return nil, fmt.Errorf("iii: register function %s: %w", f.ID, ErrClosed)
	}
	if w.function(f.ID) != nil {
		return nil, fmt.Errorf("iii: register function %s: this worker serves it already", f.ID)
	}
	w.functions = append(w.functions, r)
	if w.conn != nil {
		w.conn.pushLocked(r.frame)
	}
	return r, nil
}

// check reports every fault of the function, and returns its HTTP invocation, if any.
func (f Function) check() (invocation *httpInvocation, err error) {
	var faults []error
	if f.ID == "" {
		faults = append(faults, errors.New("the ID is empty"))
	}
	if (f.Handler == nil) == (f.HTTP == nil) {
		faults = append(faults, errors.New("exactly one of Handler and HTTP must be set"))
	}
	if f.HTTP != nil {
		if invocation, err = f.HTTP.wire(); err != nil {
			faults = append(faults, fmt.Errorf("HTTP: %w", err))
		}
	}
	for _, part := range []struct {
		name string
		raw  json.RawMessage
	}{{"RequestFormat", f.RequestFormat}, {"ResponseFormat", f.ResponseFormat}, {"Metadata", f.Metadata}} {
		if len(part.raw) > 0 && !json.Valid(part.raw) {
			faults = append(faults, fmt.Errorf("the %s is not valid JSON", part.name))
		}
	}
	return invocation, errors.Join(faults...)
}

// function needs Worker.mu.
func (w *Worker) function(id string) *Registration {
	for _, r := range w.functions {
		if r.function.ID == id {
			return r
		}
	}
	return nil
}

// Unregister withdraws the function. Invocations that run go on and are answered.
// Unregistering twice is safe.
func (r *Registration) Unregister() {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.functions, r)
	if i < 0 {
		return
	}
	w.functions = slices.Delete(w.functions, i, i+1)
	if w.conn != nil {
		w.conn.pushLocked(frame{Type: typeUnregisterFunction, ID: r.function.ID})
	}
}

// Announce announces the function to the engine again. On engines before 0.23 this takes
// the function from the worker that serves it. Without a connection it does nothing.
func (r *Registration) Announce() {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	r.refusal = nil
	if w.conn != nil && !w.closing && slices.Contains(w.functions, r) {
		w.conn.pushLocked(r.frame)
	}
}

// Refused reports whether the engine has refused the function since it was last
// announced, and which worker has it.
func (r *Registration) Refused() (Refusal, bool) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if r.refusal == nil {
		return Refusal{}, false
	}
	return *r.refusal, true
}

// rejected handles a registrationrejected. It returns an error, which ends the worker,
// unless the conflict is about a function.
func (w *Worker) rejected(f frame) error {
	if f.Code != CodeFunctionConflict {
		return fmt.Errorf("%w: %s: the name %q in namespace %q belongs to worker %s",
			ErrRejected, printable(f.Code), f.WorkerName, f.Namespace, printable(f.OwnerWorkerID))
	}
	refusal := Refusal{FunctionID: f.FunctionID, Namespace: f.Namespace, OwnerWorkerID: f.OwnerWorkerID}
	w.mu.Lock()
	r := w.function(f.FunctionID)
	if r != nil {
		r.refusal = &refusal
	}
	w.mu.Unlock()
	if r == nil {
		return nil
	}
	w.log.Warn("the iii engine refuses a function, another worker has it",
		"function_id", printable(f.FunctionID), "namespace", printable(f.Namespace), "owner_worker_id", printable(f.OwnerWorkerID))
	if r.function.OnRefused != nil {
		r.function.OnRefused(refusal)
	}
	return nil
}
