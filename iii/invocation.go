package iii

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"go.opentelemetry.io/otel/propagation"
)

// A Handler serves a function. Invocations run concurrently. The result is encoded as
// JSON; nil means no result, which differs from the JSON null. If the error wraps an
// [*Error], the caller receives its code; any other error and a panic become
// [CodeInvocationFailed]. The caller receives the error's text.
//
// ctx carries the caller's trace and baggage. It ends when the connection breaks that the
// call arrived on, with the cause [ErrConnectionLost]: the engine has reported the call
// as stopped by then, and a queue delivers the message again. It does not end when the
// caller stops waiting, because the protocol does not report that.
type Handler func(ctx context.Context, call Invocation) (any, error)

// An Invocation is one call of a function.
type Invocation struct {
	// ID is the engine's id of the call. A message that a queue delivers again has a new
	// one.
	ID         string
	FunctionID string
	// Data is what the caller sent, or the event of a trigger. The engine adds the key
	// "_caller_worker_id" to an object from another worker, so a decoder must accept
	// unknown keys.
	Data json.RawMessage
	// Metadata is what the caller sent beside the data, or the metadata of the trigger
	// that fired; engines from 0.21.3. Nil if there is none.
	Metadata json.RawMessage
	// Namespace that the call was addressed to; empty if the engine does not send it.
	Namespace string
}

// Decode decodes the data into v. Its error is an [*Error] with [CodeInvalidRequest],
// which a handler may return as it is.
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

// Typed returns a Handler for a function over Go types. Data that does not decode is
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

// begin runs a handler in its own goroutine: reading must go on, because the handler may
// wait for a call of its own.
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

// stopped counts a handler that has ended. It needs Worker.mu.
func (w *Worker) stopped() {
	if w.running--; w.running == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
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
		err = Errorf(CodeNotInvokable, "the engine runs %s by HTTP", f.FunctionID)
	default:
		result, err = w.handle(c.ctx, r, f)
	}
	if err == nil {
		if answer.Result, err = raw(result, ""); err != nil {
			err = fmt.Errorf("the result of %s does not encode: %w", f.FunctionID, err)
		} else if len(answer.Result) > messageLimit-(64<<10) {
			answer.Result = nil
			err = fmt.Errorf("the result of %s is larger than an engine accepts, %d bytes", f.FunctionID, messageLimit)
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

// reported is the error that the caller receives. Engines drop an error without a code
// or a message, and with it the whole answer.
func reported(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code != "" {
		return &Error{Code: e.Code, Message: e.Message, Stacktrace: e.Stacktrace}
	}
	return &Error{Code: CodeInvocationFailed, Message: err.Error()}
}
