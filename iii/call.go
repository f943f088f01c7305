package iii

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/propagation"
)

// A CallOption changes one call.
type CallOption func(*callOptions)

type callOptions struct {
	timeout   time.Duration
	metadata  any
	namespace string
	permit    func(context.Context) error
}

// Timeout bounds the call in place of [Options.CallTimeout], the time it waits
// for a connection included. An agent's answer takes longer than the default. Zero
// or less: only the context bounds it.
func Timeout(d time.Duration) CallOption { return func(o *callOptions) { o.timeout = d } }

// Metadata goes beside the data; engines from 0.21.3 hand it to the handler.
func Metadata(v any) CallOption { return func(o *callOptions) { o.metadata = v } }

// InNamespace calls the function of this namespace, on engines from 0.23. Without
// it, it is that of the namespace "default", whatever the worker's own.
func InNamespace(namespace string) CallOption {
	return func(o *callOptions) { o.namespace = namespace }
}

// Permit asks for leave as late as possible: right before the call is written to the
// connection, and again if more than 50 ms have passed since it was asked. If it
// fails, nothing is written, and the call fails with its error and [ErrNotSent].
// Other calls go on meanwhile. It gets the call's context.
func Permit(permit func(context.Context) error) CallOption {
	return func(o *callOptions) { o.permit = permit }
}

// permitAge is how long the answer of a permit is good for.
const permitAge = 50 * time.Millisecond

// A call is one invokefunction of ours. The fields from permitted on are
// guarded by Worker.mu.
type call struct {
	id      string // empty: void
	message []byte
	answer  chan outcome // holds one
	ctx     context.Context
	permit  func(context.Context) error // nil: none is needed

	permitted time.Time   // when permit last agreed
	conn      *connection // that has taken it; nil while it waits
	settled   bool
}

type outcome struct {
	result json.RawMessage
	err    error
}

// Invoke calls a function and waits for its answer. data is anything that encodes
// as JSON, a [json.RawMessage] as it is; nil is the empty object.
//
// The result is nil if the function returned none, which is another thing than the
// JSON null. A function's failure, or the engine's, is an [*Error]. Others are
// [ErrTimeout], the end of ctx, [ErrConnectionLost], [ErrClosed] and [ErrQueueFull].
// If errors.Is(err, [ErrNotSent]), the function has certainly not run.
func (w *Worker) Invoke(ctx context.Context, functionID string, data any, opts ...CallOption) (json.RawMessage, error) {
	result, err := w.call(ctx, frame{InvocationID: uuid.NewString(), FunctionID: functionID}, data, opts)
	if err != nil {
		return nil, fmt.Errorf("iii: invoke %s: %w", functionID, err)
	}
	return result, nil
}

// Send calls a function and does not wait for it: whether it exists, ran or failed
// is not reported. Send returns once the call is written to the connection, so
// that without one it waits, as Invoke does.
func (w *Worker) Send(ctx context.Context, functionID string, data any, opts ...CallOption) error {
	_, err := w.call(ctx, frame{FunctionID: functionID, Action: &action{Type: "void"}}, data, opts)
	if err != nil {
		return fmt.Errorf("iii: send to %s: %w", functionID, err)
	}
	return nil
}

func (w *Worker) call(ctx context.Context, f frame, data any, opts []CallOption) (json.RawMessage, error) {
	o := callOptions{timeout: w.opts.CallTimeout}
	for _, option := range opts {
		option(&o)
	}
	var err error
	f.Type, f.Namespace = typeInvoke, o.namespace
	if f.FunctionID == "" {
		return nil, fmt.Errorf("%w: the function id is empty", ErrNotSent)
	}
	if f.Data, err = raw(data, "{}"); err != nil {
		return nil, fmt.Errorf("%w: data: %w", ErrNotSent, err)
	}
	if f.Metadata, err = raw(o.metadata, ""); err != nil {
		return nil, fmt.Errorf("%w: metadata: %w", ErrNotSent, err)
	}
	carrier := propagation.MapCarrier{}
	w.opts.Propagator.Inject(ctx, carrier)
	f.Traceparent, f.Baggage = carrier["traceparent"], carrier["baggage"]
	c := &call{id: f.InvocationID, message: f.encode(), answer: make(chan outcome, 1), ctx: ctx, permit: o.permit}
	if len(c.message) > messageLimit {
		return nil, fmt.Errorf("%w: the call has %d bytes, an engine takes %d", ErrNotSent, len(c.message), messageLimit)
	}

	limit := make(<-chan time.Time)
	if o.timeout > 0 {
		timer := time.NewTimer(o.timeout)
		defer timer.Stop()
		limit = timer.C
	}
	if err := w.enqueue(ctx, limit, c); err != nil {
		return nil, w.late(err, false, o.timeout)
	}
	select {
	case out := <-c.answer:
		return out.result, out.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit:
		err = ErrTimeout
	}
	out, sent := w.forget(c)
	if out != nil {
		return out.result, out.err // it came just now
	}
	return nil, w.late(err, sent, o.timeout)
}

// enqueue hands c to the writer. It waits only for room while there is a
// connection that makes room.
func (w *Worker) enqueue(ctx context.Context, limit <-chan time.Time, c *call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case w.ended != nil:
			return fmt.Errorf("%w: %w", ErrNotSent, w.ended)
		case w.conn == nil && w.closing:
			return fmt.Errorf("%w: %w", ErrNotSent, ErrClosed)
		case len(w.waiting) < w.opts.QueueLimit:
			w.waiting = append(w.waiting, c)
			if c.id != "" {
				w.pending[c.id] = c
			}
			if w.conn != nil {
				w.conn.wakeWriter()
			}
			return nil
		case w.conn == nil:
			return ErrQueueFull
		}
		if w.room == nil {
			w.room = make(chan struct{})
		}
		room := w.room
		w.mu.Unlock()
		var err error
		select {
		case <-room:
		case <-ctx.Done():
			err = ctx.Err()
		case <-limit:
			err = ErrTimeout
		}
		w.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// ask asks for a call's permit and puts the call back before all others, or ends it.
func (w *Worker) ask(c *call) {
	err := c.permit(c.ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case c.settled:
	case err != nil:
		w.settle(c, outcome{err: fmt.Errorf("%w: %w", ErrNotSent, err)})
	case w.ended != nil:
		w.settle(c, outcome{err: fmt.Errorf("%w: %w", ErrNotSent, w.ended)})
	default:
		c.permitted = time.Now()
		w.waiting = slices.Insert(w.waiting, 0, c)
		if w.conn != nil {
			w.conn.wakeWriter()
		}
	}
}

// makeRoom lets those look again who wait for room.
func (w *Worker) makeRoom() {
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
}

// forget withdraws a call nobody waits for any more. It says whether the call was
// handed to a connection, or what came of it in this moment.
func (w *Worker) forget(c *call) (out *outcome, sent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.settled {
		o := <-c.answer
		return &o, true
	}
	c.settled = true
	delete(w.pending, c.id)
	if c.conn == nil {
		w.waiting = slices.DeleteFunc(w.waiting, func(other *call) bool { return other == c })
		w.makeRoom()
	}
	return nil, c.conn != nil
}

// late is the error of a call that was given up.
func (w *Worker) late(err error, sent bool, timeout time.Duration) error {
	if errors.Is(err, ErrTimeout) {
		if sent {
			return fmt.Errorf("no answer within %s: %w", timeout, err)
		}
		err = fmt.Errorf("%w after %s", err, timeout)
	}
	if sent || errors.Is(err, ErrNotSent) {
		return err
	}
	if cause := w.Err(); cause != nil {
		return fmt.Errorf("%w: %w; %w", ErrNotSent, err, cause)
	}
	return fmt.Errorf("%w: %w", ErrNotSent, err)
}

// lost is what a call fails with when the worker ends.
func (*Worker) lost(c *call, err error) error {
	if c.conn == nil {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return fmt.Errorf("%w: %w", ErrConnectionLost, err)
}

// settle gives a call its end, once.
func (w *Worker) settle(c *call, out outcome) {
	if c.settled {
		return
	}
	c.settled = true
	delete(w.pending, c.id)
	c.answer <- out
}

// written ends a void call.
func (w *Worker) written(c *call, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		err = ErrConnectionLost
	}
	w.settle(c, outcome{err: err})
}

// answered takes an invocationresult. Results nobody waits for are normal: those
// given up, and an engine's refusal of a call that has no id.
func (w *Worker) answered(f frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.pending[f.InvocationID]
	if !ok || c.conn == nil {
		return
	}
	if f.Error != nil {
		w.settle(c, outcome{err: f.Error})
		return
	}
	w.settle(c, outcome{result: f.Result})
}
