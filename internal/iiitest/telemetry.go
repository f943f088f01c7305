package iiitest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/coder/websocket"
)

const otelPath = "/otel"

// Telemetry is a frame of OpenTelemetry's data.
type Telemetry struct {
	// Path it came by: "/otel", or "/" on a connection such as workers have.
	Path string
	// Signal is what it began with: OTLP for traces, MTRC for metrics, LOGS.
	Signal string
	// Request is the rest, an OTLP export request in JSON.
	Request json.RawMessage
}

// Telemetry received so far.
func (e *Engine) Telemetry() []Telemetry {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.telemetry)
}

// Spans are the names of the spans received so far.
func (e *Engine) Spans() []string {
	var names []string
	for _, t := range e.Telemetry() {
		var request traces
		if t.Signal == "OTLP" && json.Unmarshal(t.Request, &request) == nil {
			for _, s := range request.spans() {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

// serveTelemetry is a connection for telemetry alone.
func (e *Engine) serveTelemetry(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(64 << 20)
	if !e.authorized(ctx, ws, r) {
		return
	}
	for {
		kind, raw, err := ws.Read(ctx)
		if err != nil {
			return
		}
		if kind != websocket.MessageBinary {
			continue
		}
		e.mu.Lock()
		if !e.ingest(otelPath, raw) {
			e.fault("dropped %q on %s: no known prefix", raw[:min(len(raw), 20)], otelPath)
		}
		e.notify()
		e.mu.Unlock()
	}
}

// ingest needs mu. It returns false for what is no telemetry.
func (e *Engine) ingest(path string, raw []byte) bool {
	if len(raw) < 4 || !slices.Contains([]string{"OTLP", "MTRC", "LOGS"}, string(raw[:4])) {
		return false
	}
	t := Telemetry{Path: path, Signal: string(raw[:4]), Request: slices.Clone(raw[4:])}
	if err := t.check(); err != nil {
		e.fault("%s on %s: %v", t.Signal, path, err)
		e.notify()
		return true
	}
	e.telemetry = append(e.telemetry, t)
	e.notify()
	return true
}

// check decodes as strictly as an engine; of traces also what collectors behind it
// would drop.
func (t Telemetry) check() error {
	if t.Signal != "OTLP" {
		var request map[string]json.RawMessage
		return json.Unmarshal(t.Request, &request)
	}
	var request traces
	if err := json.Unmarshal(t.Request, &request); err != nil {
		return err
	}
	for _, s := range request.spans() {
		if err := s.check(); err != nil {
			return fmt.Errorf("span %q: %w", s.Name, err)
		}
	}
	return nil
}

type traces struct {
	ResourceSpans []struct {
		ScopeSpans []struct {
			Spans []span `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

func (t traces) spans() []span {
	var all []span
	for _, resource := range t.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			all = append(all, scope.Spans...)
		}
	}
	return all
}

type span struct {
	TraceID      string          `json:"traceId"`
	SpanID       string          `json:"spanId"`
	ParentSpanID string          `json:"parentSpanId"`
	Name         string          `json:"name"`
	Kind         int             `json:"kind"`
	Start        json.RawMessage `json:"startTimeUnixNano"`
	End          json.RawMessage `json:"endTimeUnixNano"`
	Status       struct {
		Code int `json:"code"`
	} `json:"status"`
	Links []struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
	} `json:"links"`
}

func (s span) check() error {
	if s.Name == "" {
		return errors.New("no name")
	}
	for _, l := range s.Links {
		if err := errors.Join(hexID(l.TraceID, 16), hexID(l.SpanID, 8)); err != nil {
			return fmt.Errorf("link: %w", err)
		}
	}
	if s.ParentSpanID != "" {
		if err := hexID(s.ParentSpanID, 8); err != nil {
			return err
		}
	}
	return errors.Join(hexID(s.TraceID, 16), hexID(s.SpanID, 8), nanoseconds(s.Start), nanoseconds(s.End))
}

func hexID(id string, bytes int) error {
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != bytes {
		return fmt.Errorf("%q is not the hexadecimal id of %d bytes", id, bytes)
	}
	return nil
}

// nanoseconds come as a number or, as it should be, as a string of one.
func nanoseconds(raw json.RawMessage) error {
	text := string(raw)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	if n, err := strconv.ParseUint(text, 10, 64); err != nil || n == 0 {
		return fmt.Errorf("%s is no time", raw)
	}
	return nil
}
