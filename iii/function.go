package iii

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"go.opentelemetry.io/otel/propagation"
)

// A Handler serves a function; calls run concurrently. What it returns is encoded
// as JSON; nil means no result, which is another thing than [json.RawMessage] null.
// An [*Error] in its error chooses the code the caller sees, any other error and a
// panic are [CodeInvocationFailed]. The caller sees the error's text.
//
// ctx carries the caller's trace and baggage. It ends when the connection breaks
// over which the call came (the cause is [ErrConnectionLost]): the engine has
// reported the call as stopped then, and a queue will deliver the message again.
// It does not end when the caller gives up, which the protocol does not tell.
type Handler func(ctx context.Context, call Invocation) (any, error)

// An Invocation is one call of a function.
type Invocation struct {
	// ID is the engine's. A message that a queue delivers again has another.
	ID         string
	FunctionID string
	// Data is what the caller sent, or the event of a trigger. The engine adds the
	// key "_caller_worker_id" to an object that another worker sent, so that a
	// decoder must let unknown keys pass.
	Data json.RawMessage
	// Metadata the caller put beside the data, or that of the trigger that fired;
	// engines from 0.21.3. Nil if there is none.
	Metadata json.RawMessage
	// Namespace the call was addressed to, if the engine says so.
	Namespace string
}

// Decode reads the data into v. Its error is an [*Error] with [CodeInvalidRequest],
// fit to be returned by the handler.
func (i Invocation) Decode(v any) error {
	if err := json.Unmarshal(i.Data, v); err != nil {
		return Errorf(CodeInvalidRequest, "the data of %s: %v", i.FunctionID, err)
	}
	return nil
}

// CallerWorkerID is the engine's id of the worker that called; empty for triggers
// and for data that is no object.
func (i Invocation) CallerWorkerID() string {
	var caller struct {
		ID string `json:"_caller_worker_id"`
	}
	_ = json.Unmarshal(i.Data, &caller) // data that is no object has no caller
	return caller.ID
}

// Typed makes a Handler of a function over Go types. Data that does not decode is
// answered with [CodeInvalidRequest].
func Typed[Request, Response any](serve func(context.Context, Request) (Response, error)) Handler {
	return func(ctx context.Context, call Invocation) (any, error) {
		var request Request
		if err := call.Decode(&request); err != nil {
			return nil, err
		}
		return serve(ctx, request)
	}
}

// A Function is what a worker serves.
type Function struct {
	// ID, by convention "service::name". Required.
	ID string
	// Description, RequestFormat and ResponseFormat (JSON Schemas by convention) and
	// Metadata are shown by the engine, which enforces nothing. All may be empty.
	Description    string
	RequestFormat  json.RawMessage
	ResponseFormat json.RawMessage
	Metadata       json.RawMessage
	// Handler serves it. Required, unless HTTP takes its place: then the engine runs
	// the function itself, by a request.
	Handler Handler
	HTTP    *HTTPInvocation
	// OnRefused is called each time an engine from 0.23 refuses the function because
	// another worker has it. It must not block. See [Worker.RegisterReplica].
	OnRefused func(Refusal)
}

// A Refusal says who serves a function in our place.
type Refusal struct {
	FunctionID    string
	Namespace     string
	OwnerWorkerID string // empty if the id is reserved
}

// A Registration is a function that is announced on every connect, until it is
// unregistered.
//
// Only one worker serves a function at a time; the engine balances nothing.
// Engines before 0.23 give it to whoever announced it last, and drop it altogether
// when that one leaves. Later ones refuse all but the first. Both leave replicas
// standing by that are to announce again: by themselves with [Options.TakeOver], or
// by [Registration.Announce].
type Registration struct {
	w        *Worker
	function Function
	frame    frame
	refusal  *Refusal // guarded by Worker.mu
}

// RegisterFunction serves a function from now on. Its error is about f: nothing is
// confirmed by engines, and a refusal comes later, see [Function.OnRefused].
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
		return nil, fmt.Errorf("iii: register function %s: this worker has it already", f.ID)
	}
	w.functions = append(w.functions, r)
	if w.conn != nil {
		w.conn.pushLocked(r.frame)
	}
	return r, nil
}

// check reports every fault of the function, and how the engine runs it by HTTP, if it
// does.
func (f Function) check() (invocation *httpInvocation, err error) {
	var faults []error
	if f.ID == "" {
		faults = append(faults, errors.New("the ID is empty"))
	}
	if (f.Handler == nil) == (f.HTTP == nil) {
		faults = append(faults, errors.New("there must be a Handler, or HTTP in its place"))
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

// Unregister withdraws the function. Calls that run go on and are answered.
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

// Announce tells the engine of the function again. On engines before 0.23 this
// takes it over from whoever has it.
func (r *Registration) Announce() {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	r.refusal = nil
	if w.conn != nil && !w.closing && slices.Contains(w.functions, r) {
		w.conn.pushLocked(r.frame)
	}
}

// Refused says whether the engine has refused the function since it was last
// announced, and to whose benefit. That is the case for a replica that stands by.
func (r *Registration) Refused() (Refusal, bool) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if r.refusal == nil {
		return Refusal{}, false
	}
	return *r.refusal, true
}

// rejected takes a registrationrejected. Only a function's conflict lets the
// worker live.
func (w *Worker) rejected(f frame) error {
	if f.Code != CodeFunctionConflict {
		return fmt.Errorf("%w: %s: worker %q in namespace %q, held by worker %s",
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

// begin runs a handler, in a goroutine of its own: reading goes on, because the
// handler may wait for a call of its own.
func (w *Worker) begin(c *connection, f frame) {
	w.mu.Lock()
	w.running++
	r := w.function(f.FunctionID)
	w.mu.Unlock()
	go func() {
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.stopped()
		}()
		w.serve(c, r, f)
	}()
}

// stopped needs Worker.mu: a handler has ended.
func (w *Worker) stopped() {
	if w.running--; w.running == 0 && w.quiet != nil {
		close(w.quiet)
		w.quiet = nil
	}
}

func (w *Worker) serve(c *connection, r *Registration, f frame) {
	if w.slots != nil {
		select {
		case w.slots <- struct{}{}:
			defer func() { <-w.slots }()
		case <-c.ctx.Done():
			return // the engine has reported it as stopped
		}
	}
	answer := frame{
		Type: typeResult, InvocationID: f.InvocationID, FunctionID: f.FunctionID,
		Traceparent: f.Traceparent, Baggage: f.Baggage,
	}
	var result any
	err := error(Errorf(CodeFunctionNotFound, "this worker does not serve %s", f.FunctionID))
	switch {
	case r == nil:
	case r.function.Handler == nil:
		err = Errorf(CodeNotInvokable, "%s is run by the engine, by HTTP", f.FunctionID)
	default:
		result, err = w.handle(c.ctx, r, f)
	}
	if err == nil {
		if answer.Result, err = raw(result, ""); err != nil {
			err = fmt.Errorf("the result of %s does not encode: %w", f.FunctionID, err)
		} else if len(answer.Result) > messageLimit-(64<<10) {
			answer.Result = nil
			err = fmt.Errorf("the result of %s has more bytes than an engine takes, %d", f.FunctionID, messageLimit)
		}
	}
	if err != nil {
		answer.Error = reported(err)
	}
	if f.InvocationID != "" {
		c.answer(answer, f.arrived)
	}
}

func (w *Worker) handle(ctx context.Context, r *Registration, f frame) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("a handler panicked", "function_id", f.FunctionID, "panic", p, "stack", string(debug.Stack()))
			result, err = nil, Errorf(CodeInvocationFailed, "the handler of %s panicked: %v", f.FunctionID, p)
		}
	}()
	ctx = w.opts.Propagator.Extract(ctx, propagation.MapCarrier{"traceparent": f.Traceparent, "baggage": f.Baggage})
	return r.function.Handler(ctx, Invocation{
		ID: f.InvocationID, FunctionID: f.FunctionID, Data: f.Data, Metadata: f.Metadata, Namespace: f.Namespace,
	})
}

// reported is what the caller is told. Engines drop an error without a code or a
// message, and with it the whole answer.
func reported(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code != "" {
		return &Error{Code: e.Code, Message: e.Message, Stacktrace: e.Stacktrace}
	}
	return &Error{Code: CodeInvocationFailed, Message: err.Error()}
}
