package iiifunction

import (
	"context"
	"log/slog"
)

// A cleanHandler redacts secrets in the log of the engine's client: an engine that
// refuses credentials may repeat them.
type cleanHandler struct {
	slog.Handler
	clean func(string) string
}

// Handle redacts the values of the record.
func (h cleanHandler) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, out)
}

func (h cleanHandler) attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case error:
		a.Value = slog.StringValue(h.clean(v.Error()))
	case string:
		a.Value = slog.StringValue(h.clean(v))
	}
	return a
}

// WithAttrs redacts the attributes.
func (h cleanHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return cleanHandler{h.Handler.WithAttrs(clean), h.clean}
}

// WithGroup keeps the redaction.
func (h cleanHandler) WithGroup(name string) slog.Handler {
	return cleanHandler{h.Handler.WithGroup(name), h.clean}
}
