package iii

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// A Signal is a kind of telemetry; its value is what its frames begin with.
type Signal string

const (
	Traces  Signal = "OTLP"
	Metrics Signal = "MTRC"
	Logs    Signal = "LOGS"
)

// Telemetry hands OpenTelemetry's data to the engine that a worker belongs to, with
// the worker's credentials, but over a connection of its own: it outlives the
// worker, so that the spans of the last handlers can be sent. Package iiiotlp makes
// an exporter of it. Its methods are safe for concurrent use.
type Telemetry struct {
	w     *Worker
	paths []string // where to try; the first is right, but for engines that do not know it
	turn  chan struct{}

	// The rest belongs to whoever has the turn.
	ws     *websocket.Conn
	gone   chan struct{} // closed once ws is
	closed bool
}

// Telemetry returns a way to send telemetry, which connects when it is used. Engines
// from 0.11.2 have an endpoint for it; to older ones it is a worker without a name.
func (w *Worker) Telemetry() *Telemetry {
	t := &Telemetry{w: w, paths: []string{"otel", ""}, turn: make(chan struct{}, 1)}
	if w.opts.Era != 0 && w.opts.Era < EraC {
		t.paths = t.paths[1:]
	}
	return t
}

// Export sends an OTLP export request in its JSON encoding, in which the ids of
// traces and spans are hexadecimal. It returns once the engine has read it, and
// waits for the engine as a call does: until ctx is done, or for
// [Options.CallTimeout]. What the engine makes of it is not reported.
func (t *Telemetry) Export(ctx context.Context, signal Signal, request json.RawMessage) error {
	if !json.Valid(request) {
		return fmt.Errorf("iii: export %s: not valid JSON", signal)
	}
	if len(request) > messageLimit-len(signal) {
		return fmt.Errorf("iii: export %s: the request has %d bytes, an engine takes %d", signal, len(request), messageLimit)
	}
	if limit := t.w.opts.CallTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, ErrTimeout)
		defer cancel()
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
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

// connect tries until there is a connection.
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
		for { // what comes is for workers
			if _, _, err := ws.Read(context.Background()); err != nil {
				return
			}
		}
	}(t.gone)
	return nil
}

// greeted waits for the engine's first frame: refused credentials are told by it.
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

// Close closes the connection, once an export that runs is over or ctx is done.
// Later exports fail with [ErrClosed].
func (t *Telemetry) Close(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
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
	_ = t.ws.Close(websocket.StatusNormalClosure, "") // the engine has taken all there is
	t.disconnect()
	return nil
}
