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

// permitAge is how long the answer of a permit is valid.
const permitAge = 50 * time.Millisecond

// A call is one invokefunction of this worker. Worker.mu guards the fields from
// permitted on.
type call struct {
	id      string // empty: void
	message []byte
	answer  chan outcome // holds one
	ctx     context.Context
	permit  func(context.Context) error // nil: no check

	permitted time.Time   // when permit last succeeded
	conn      *connection // the connection it was handed to; nil while it waits
	completed bool
}

type outcome struct {
	result json.RawMessage
	err    error
}

// Invoke calls a function and waits for its answer. data is any value that encodes as
// JSON; a [json.RawMessage] is sent as it is, nil is the empty object.
//
// The result is nil if the function returned none, which differs from the JSON null. An
// error that the function or the engine answered with is an [*Error]. Others are
// [ErrTimeout], the error of ctx, [ErrConnectionLost], [ErrClosed] and [ErrQueueFull].
// If errors.Is(err, [ErrNotSent]), the function has not run.
func (w *Worker) Invoke(ctx context.Context, functionID string, data any, opts ...CallOption) (json.RawMessage, error) {
	result, err := w.call(ctx, frame{InvocationID: uuid.NewString(), FunctionID: functionID}, data, opts)
	if err != nil {
		return nil, fmt.Errorf("iii: invoke %s: %w", functionID, err)
	}
	return result, nil
}

// Send calls a function without waiting for it: whether the function exists, ran or
// failed is not reported. Send returns once the call is written to the connection;
// without a connection it waits for one, as Invoke does.
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
		return nil, fmt.Errorf("%w: the call has %d bytes, an engine accepts %d", ErrNotSent, len(c.message), messageLimit)
	}

	limit := make(<-chan time.Time)
	if o.timeout > 0 {
		timer := time.NewTimer(o.timeout)
		defer timer.Stop()
		limit = timer.C
	}
	if err := w.enqueue(ctx, limit, c); err != nil {
		return nil, w.abandoned(err, false, o.timeout)
	}
	select {
	case out := <-c.answer:
		return out.result, out.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit:
		err = ErrTimeout
	}
	out, sent := w.abandon(c)
	if out != nil {
		return out.result, out.err // it arrived just now
	}
	return nil, w.abandoned(err, sent, o.timeout)
}

// enqueue hands c to the writer. While there is a connection, it waits until the queue
// is below its limit.
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
		if w.dequeued == nil {
			w.dequeued = make(chan struct{})
		}
		dequeued := w.dequeued
		w.mu.Unlock()
		var err error
		select {
		case <-dequeued:
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

// requestPermit calls the permit of c. It puts c back before all other calls, or
// completes it with the permit's error.
func (w *Worker) requestPermit(c *call) {
	err := c.permit(c.ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case c.completed:
	case err != nil:
		w.complete(c, outcome{err: fmt.Errorf("%w: %w", ErrNotSent, err)})
	case w.ended != nil:
		w.complete(c, outcome{err: fmt.Errorf("%w: %w", ErrNotSent, w.ended)})
	default:
		c.permitted = time.Now()
		w.waiting = slices.Insert(w.waiting, 0, c)
		if w.conn != nil {
			w.conn.wakeWriter()
		}
	}
}

// signalDequeued wakes the calls that wait for the queue to shrink. It needs Worker.mu.
func (w *Worker) signalDequeued() {
	if w.dequeued != nil {
		close(w.dequeued)
		w.dequeued = nil
	}
}

// abandon withdraws a call whose caller no longer waits. It returns whether the call was
// handed to a connection, or the outcome if that has just arrived.
func (w *Worker) abandon(c *call) (out *outcome, sent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.completed {
		o := <-c.answer
		return &o, true
	}
	c.completed = true
	delete(w.pending, c.id)
	if c.conn == nil {
		w.waiting = slices.DeleteFunc(w.waiting, func(other *call) bool { return other == c })
		w.signalDequeued()
	}
	return nil, c.conn != nil
}

// abandoned is the error of an abandoned call.
func (w *Worker) abandoned(err error, sent bool, timeout time.Duration) error {
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

// lost is the error of a call that is open when the worker ends.
func (*Worker) lost(c *call, err error) error {
	if c.conn == nil {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return fmt.Errorf("%w: %w", ErrConnectionLost, err)
}

// complete gives a call its outcome, once. It needs Worker.mu.
func (w *Worker) complete(c *call, out outcome) {
	if c.completed {
		return
	}
	c.completed = true
	delete(w.pending, c.id)
	c.answer <- out
}

// written completes a void call.
func (w *Worker) written(c *call, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		err = ErrConnectionLost
	}
	w.complete(c, outcome{err: err})
}

// answered handles an invocationresult. Results without a pending call are normal: those
// of abandoned calls, and an engine's refusal of a call that has no id.
func (w *Worker) answered(f frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.pending[f.InvocationID]
	if !ok || c.conn == nil {
		return
	}
	if f.Error != nil {
		w.complete(c, outcome{err: f.Error})
		return
	}
	w.complete(c, outcome{result: f.Result})
}
