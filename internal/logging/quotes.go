// Package logging keeps texts of other parties out of the log.
package logging

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/parley-run/parley/conversation"
)

// WithoutQuotes returns a handler that removes quoted texts of other parties, which may
// repeat a conversation, from records above debug level: see [conversation.Quote]. With
// debug level enabled, the complete record follows at that level.
func WithoutQuotes(h slog.Handler) slog.Handler {
	if _, done := h.(quotes); done {
		return h
	}
	return quotes{h, new(atomic.Bool)}
}

// LeaveOut makes the handler of [WithoutQuotes], and those made of it, remove quoted texts
// at every level: where conversations are encrypted, the log must not have them.
func LeaveOut(h slog.Handler) {
	if q, ok := h.(quotes); ok {
		q.always.Store(true)
	}
}

type quotes struct {
	slog.Handler
	always *atomic.Bool
}

// Handle writes the record, without quotations.
func (h quotes) Handle(ctx context.Context, r slog.Record) error {
	always := h.always.Load()
	if r.Level <= slog.LevelDebug && !always {
		return h.Handler.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, conversation.WithoutQuotes(r.Message), r.PC)
	changed := out.Message != r.Message
	r.Attrs(func(a slog.Attr) bool {
		plain, c := without(a)
		changed = changed || c
		out.AddAttrs(plain)
		return true
	})
	if err := h.Handler.Handle(ctx, out); err != nil || !changed || always || !h.Enabled(ctx, slog.LevelDebug) {
		return err
	}
	whole := r.Clone()
	whole.Level = slog.LevelDebug
	return h.Handler.Handle(ctx, whole)
}

// WithAttrs removes quotations from the attributes, at every level.
func (h quotes) WithAttrs(attrs []slog.Attr) slog.Handler {
	plain := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		plain[i], _ = without(a)
	}
	return quotes{h.Handler.WithAttrs(plain), h.always}
}

// WithGroup keeps removing them.
func (h quotes) WithGroup(name string) slog.Handler {
	return quotes{h.Handler.WithGroup(name), h.always}
}

// without is an attribute without quotations, and whether it had any.
func without(a slog.Attr) (slog.Attr, bool) {
	value := a.Value.Resolve()
	text := ""
	switch value.Kind() {
	case slog.KindString:
		text = value.String()
	case slog.KindAny:
		text = fmt.Sprint(value.Any()) // usually an error
	case slog.KindGroup:
		var group []slog.Attr
		changed := false
		for _, member := range value.Group() {
			plain, c := without(member)
			group, changed = append(group, plain), changed || c
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(group...)}, changed
	default:
		return a, false
	}
	if plain := conversation.WithoutQuotes(text); plain != text {
		return slog.String(a.Key, plain), true
	}
	return a, false
}
