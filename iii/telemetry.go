package iii

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// A Signal is a kind of telemetry. Its value is the prefix of its frames.
type Signal string

// The signals of OpenTelemetry.
const (
	Traces  Signal = "OTLP"
	Metrics Signal = "MTRC"
	Logs    Signal = "LOGS"
)

// Telemetry sends OpenTelemetry data to the engine of a worker, with the worker's
// credentials, over its own connection. It may outlive the worker, so that the spans of
// the last handlers can be sent. Package iiiotlp builds an exporter on it. Its methods are
// safe for concurrent use.
type Telemetry struct {
	w     *Worker
	paths []string      // paths to dial, in order; an engine that lacks the first has the second
	sem   chan struct{} // holds one: guards the fields below, and all writes

	ws     *websocket.Conn
	gone   chan struct{} // closed once ws is
	closed bool
}

// Telemetry returns a sender of telemetry, which connects at the first export. Engines
// from 0.11.2 have an endpoint for it; older ones list it as a worker without a name.
func (w *Worker) Telemetry() *Telemetry {
	t := &Telemetry{w: w, paths: []string{"otel", ""}, sem: make(chan struct{}, 1)}
	if w.opts.Era != 0 && w.opts.Era < EraC {
		t.paths = t.paths[1:]
	}
	return t
}

// Export sends an OTLP export request in its JSON encoding, in which the ids of traces
// and spans are hexadecimal. It returns once the engine has read the request; whether the
// engine accepts it is not reported. Without a connection it waits for one until ctx is
// done, at most [Options.CallTimeout], and then fails with [ErrNotSent];
// [ErrConnectionLost] is ambiguous, and [ErrClosed] follows [Telemetry.Close].
func (t *Telemetry) Export(ctx context.Context, signal Signal, request json.RawMessage) error {
	if !json.Valid(request) {
		return fmt.Errorf("iii: export %s: not valid JSON", signal)
	}
	if len(request) > messageLimit-len(signal) {
		return fmt.Errorf("iii: export %s: the request has %d bytes, an engine accepts %d", signal, len(request), messageLimit)
	}
	if limit := t.w.opts.CallTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, ErrTimeout)
		defer cancel()
	}
	select {
	case t.sem <- struct{}{}:
		defer func() { <-t.sem }()
	case <-ctx.Done():
		return fmt.Errorf("iii: export %s: %w", signal, context.Cause(ctx))
	}
	if err := t.connect(ctx); err != nil {
		return fmt.Errorf("iii: export %s: %w", signal, err)
	}
	err := writeMessage(ctx, t.ws, websocket.MessageBinary, append([]byte(signal), request...))
	if err == nil {
		err = t.ws.Ping(ctx)
	}
	if err != nil {
		t.disconnect()
		return fmt.Errorf("iii: export %s: %w: %w", signal, ErrConnectionLost, err)
	}
	return nil
}

// connect dials until there is a connection.
func (t *Telemetry) connect(ctx context.Context) error {
	if t.closed {
		return ErrClosed
	}
	if t.ws != nil {
		select {
		case <-t.gone:
			t.disconnect()
		default:
			return nil
		}
	}
	for failed := 0; ; failed++ {
		err := t.dial(ctx)
		if err == nil {
			return nil
		}
		timer := time.NewTimer(backoff(failed))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w; %w", ErrNotSent, context.Cause(ctx), err)
		}
	}
}

func (t *Telemetry) dial(ctx context.Context) error {
	ws, status, err := t.w.open(ctx, t.paths[0], nil)
	if status == http.StatusNotFound && len(t.paths) > 1 {
		t.paths = t.paths[1:]
		ws, _, err = t.w.open(ctx, t.paths[0], nil)
	}
	if err != nil {
		return err
	}
	if t.paths[0] == "" {
		if err := greeted(ctx, ws); err != nil {
			_ = ws.CloseNow()
			return err
		}
	}
	t.ws, t.gone = ws, make(chan struct{})
	go func(gone chan struct{}) {
		defer close(gone)
		for { // messages of the engine are for workers: they are dropped
			if _, _, err := ws.Read(context.Background()); err != nil {
				return
			}
		}
	}(t.gone)
	return nil
}

// greeted waits for the engine's first frame, which reports refused credentials.
func greeted(ctx context.Context, ws *websocket.Conn) error {
	_, message, err := ws.Read(ctx)
	if err != nil {
		return err
	}
	if f, err := decodeFrame(message); err == nil && f.Type == typeError && f.Error != nil {
		return fmt.Errorf("the engine refuses this worker's credentials: %w", f.Error)
	}
	return nil
}

func (t *Telemetry) disconnect() {
	if t.ws != nil {
		_ = t.ws.CloseNow()
		<-t.gone
		t.ws = nil
	}
}

// Close closes the connection once no export runs; its error is that of ctx. Later
// exports fail with [ErrClosed].
func (t *Telemetry) Close(ctx context.Context) error {
	select {
	case t.sem <- struct{}{}:
		defer func() { <-t.sem }()
	case <-ctx.Done():
		return fmt.Errorf("iii: close telemetry: %w", context.Cause(ctx))
	}
	if t.closed {
		return nil
	}
	t.closed = true
	if t.ws == nil {
		return nil
	}
	_ = t.ws.Close(websocket.StatusNormalClosure, "") // the engine has read everything
	t.disconnect()
	return nil
}
