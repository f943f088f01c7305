package iii

import (
	"context"
	"fmt"
	"slices"
)

// Close closes the connection at once: the contexts of handlers end, and calls without
// an answer fail. It does not wait for handlers. Closing twice is safe.
func (w *Worker) Close() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.cancel(ErrClosed)
	<-w.done
}

// Shutdown drains the worker: it withdraws triggers and functions, so that the engine
// sends no more calls, waits for the handlers that run, sends their answers, and closes.
// Handlers may call other functions meanwhile. If ctx is done first, Shutdown closes as
// Close does, and its error has the number of handlers that still ran.
func (w *Worker) Shutdown(ctx context.Context) error {
	c := w.withdrawAll()
	cut := w.drain(ctx, c)
	w.mu.Lock()
	running := w.running
	w.mu.Unlock()
	if cut == nil && c != nil {
		c.closeNormally()
	}
	w.Close()
	if cut != nil {
		return fmt.Errorf("iii: shut down: %d handlers still ran: %w", running, cut)
	}
	return nil
}

// withdrawAll withdraws every registration, the latest first, and permits no more. It
// returns the connection, nil if there is none.
func (w *Worker) withdrawAll() *connection {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = true
	c := w.conn
	if c == nil {
		return nil
	}
	for _, t := range slices.Backward(w.triggers) {
		if t.announced {
			c.pushLocked(t.withdrawal())
		}
	}
	for _, r := range slices.Backward(w.functions) {
		c.pushLocked(frame{Type: typeUnregisterFunction, ID: r.function.ID})
	}
	for _, t := range slices.Backward(w.triggerTypes) {
		c.pushLocked(frame{Type: typeUnregisterTriggerType, ID: t.triggerType.ID})
	}
	return c
}

// drain returns once every call that the engine has sent is answered. c may be nil.
func (w *Worker) drain(ctx context.Context, c *connection) error {
	if c != nil {
		// The engine handles messages in order: its pong comes after the last call.
		if err := c.roundTrip(ctx); err != nil {
			return err
		}
	}
	if err := w.waitIdle(ctx); err != nil {
		return err
	}
	if c != nil {
		return c.flush(ctx)
	}
	return nil
}

// waitIdle returns once no handler runs.
func (w *Worker) waitIdle(ctx context.Context) error {
	w.mu.Lock()
	if w.running == 0 {
		w.mu.Unlock()
		return nil
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
