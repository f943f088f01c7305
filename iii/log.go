package iii

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// logLimit is how many records wait for a connection. The oldest give way.
const logLimit = 1000

// LogOptions change a handler of [NewLogHandler]. The zero value will do.
type LogOptions struct {
	// Level below which records are dropped. Default [slog.LevelInfo].
	Level slog.Leveler
	// ServiceName the engine files the records under. Default [Options.Name].
	ServiceName string
	// AddSource adds file and line, as "source".
	AddSource bool
}

// NewLogHandler returns a handler that hands records to the log of the engine w
// belongs to, with the trace and the span of their context. It never blocks: what
// is logged without a connection waits for one, up to 1000 records; beyond, the
// oldest are dropped, and the log says how many. The engine stamps a record when it
// comes; the attribute "time" says when it was made.
//
// It is for the logger of a program, also for [Options.Logger] of another worker:
// [slog.NewMultiHandler] writes elsewhere as well. An engine without its
// observability module drops the records and tells nobody.
func NewLogHandler(w *Worker, opts LogOptions) slog.Handler {
	return &logHandler{
		w: w, service: cmp.Or(opts.ServiceName, w.opts.Name),
		encoding: slog.HandlerOptions{Level: opts.Level, AddSource: opts.AddSource},
	}
}

type logHandler struct {
	w        *Worker
	service  string
	encoding slog.HandlerOptions
	with     []func(slog.Handler) slog.Handler // the attributes and groups so far
}

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	if h.encoding.Level == nil {
		return level >= slog.LevelInfo
	}
	return level >= h.encoding.Level.Level()
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.derive(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) })
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return h.derive(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) })
}

func (h *logHandler) derive(with func(slog.Handler) slog.Handler) slog.Handler {
	derived := *h
	derived.with = append(slices.Clip(h.with), with)
	return &derived
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	attributes, err := h.attributes(ctx, r)
	if err != nil {
		return fmt.Errorf("iii: log: %w", err)
	}
	record := logRecord{Message: r.Message, Data: attributes, ServiceName: h.service}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.TraceID, record.SpanID = span.TraceID().String(), span.SpanID().String()
	}
	f, err := record.frame(r.Level)
	if err != nil {
		return fmt.Errorf("iii: log: %w", err)
	}
	h.w.logs.add(f)
	return nil
}

// attributes of the record, encoded as slog does it. There is an encoder for each
// record, because to share one takes a lock, and a value may log while it is
// encoded.
func (h *logHandler) attributes(ctx context.Context, r slog.Record) (map[string]json.RawMessage, error) {
	var buffer bytes.Buffer
	// The group keeps attributes apart from what the encoder writes by itself.
	inner := slog.NewJSONHandler(&buffer, &h.encoding).WithGroup("data")
	for _, with := range h.with {
		inner = with(inner)
	}
	if err := inner.Handle(ctx, r); err != nil {
		return nil, err
	}
	var line struct {
		Source json.RawMessage            `json:"source"`
		Time   json.RawMessage            `json:"time"`
		Data   map[string]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(buffer.Bytes(), &line); err != nil {
		return nil, err
	}
	if line.Data == nil {
		line.Data = map[string]json.RawMessage{}
	}
	for key, value := range map[string]json.RawMessage{slog.SourceKey: line.Source, slog.TimeKey: line.Time} {
		if _, given := line.Data[key]; !given && value != nil {
			line.Data[key] = value
		}
	}
	return line.Data, nil
}

type logRecord struct {
	Message     string                     `json:"message"`
	Data        map[string]json.RawMessage `json:"data,omitempty"`
	TraceID     string                     `json:"trace_id,omitempty"`
	SpanID      string                     `json:"span_id,omitempty"`
	ServiceName string                     `json:"service_name,omitempty"`
}

// frame is a void call of the engine's function for the level.
func (r logRecord) frame(level slog.Level) ([]byte, error) {
	name := "error"
	switch {
	case level < slog.LevelDebug:
		name = "trace"
	case level < slog.LevelInfo:
		name = "debug"
	case level < slog.LevelWarn:
		name = "info"
	case level < slog.LevelError:
		name = "warn"
	}
	data, err := raw(r, "")
	if err != nil {
		return nil, err
	}
	message := frame{Type: typeInvoke, FunctionID: "engine::log::" + name, Data: data, Action: &action{Type: "void"}}.encode()
	if len(message) > messageLimit {
		return nil, fmt.Errorf("the record has %d bytes, an engine takes %d", len(message), messageLimit)
	}
	return message, nil
}

// logQueue holds records until a connection takes them. It has a lock of its own:
// whoever logs may hold another.
type logQueue struct {
	service string
	wake    chan struct{} // tells the writer; it holds one

	mu      sync.Mutex
	waiting []outgoing
	records int // of waiting; the rest are marks
	dropped int
}

func (q *logQueue) add(message []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.records == logLimit {
		for i, oldest := range q.waiting {
			if oldest.written == nil {
				q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
				q.records--
				q.dropped++
				break
			}
		}
	}
	q.waiting = append(q.waiting, outgoing{message: message})
	q.records++
	q.rouse()
}

// mark is closed once all that waits now is written.
func (q *logQueue) mark(written chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, outgoing{written: written})
	q.rouse()
}

func (q *logQueue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next is the zero value if nothing waits.
func (q *logQueue) next() outgoing {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dropped > 0 {
		lost := logRecord{
			Message: "log records were dropped while the engine was away", ServiceName: q.service,
			Data: map[string]json.RawMessage{
				"dropped": json.RawMessage(fmt.Sprint(q.dropped)),
				"time":    json.RawMessage(time.Now().Format(`"` + time.RFC3339Nano + `"`)),
			},
		}
		q.dropped = 0
		if message, err := lost.frame(slog.LevelWarn); err == nil {
			return outgoing{message: message}
		}
	}
	if len(q.waiting) == 0 {
		return outgoing{}
	}
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	if next.written == nil {
		q.records--
	}
	return next
}
