package iii

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// logLimit is how many records wait for a connection. Beyond it the oldest are dropped.
const logLimit = 1000

// LogOptions are the settings of [NewLogHandler]. The zero value has the defaults below.
type LogOptions struct {
	// Level is the lowest level that is logged. Default [slog.LevelInfo].
	Level slog.Leveler
	// ServiceName of the records in the engine's log. Default [Options.Name].
	ServiceName string
	// AddSource adds file and line, as the attribute "source". Default: no.
	AddSource bool
}

// NewLogHandler returns a handler that writes records to the log of w's engine, with the
// trace and span of their context. It never blocks: up to 1000 records wait for a
// connection; beyond, the oldest are dropped, and a record reports their number. The
// engine's own time of a record is that of its arrival; the attribute "time" is that of
// its creation.
//
// It is for the logger of a program, and for [Options.Logger] of another worker, not of w
// itself; [slog.NewMultiHandler] adds other destinations. An engine without its
// observability module drops the records without a report.
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
	with     []func(slog.Handler) slog.Handler // attributes and groups, in order
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

// attributes of the record, encoded as slog does. Each record has its own encoder,
// because a shared one needs a lock, and a value may log while it is encoded.
func (h *logHandler) attributes(ctx context.Context, r slog.Record) (map[string]json.RawMessage, error) {
	var buffer bytes.Buffer
	// The group separates the attributes from the encoder's own fields.
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
		return nil, fmt.Errorf("the record has %d bytes, an engine accepts %d", len(message), messageLimit)
	}
	return message, nil
}
