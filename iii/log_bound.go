package iii

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Bounds of the worker's own log: an engine that sends what is no message, again and
// again, must not fill a disk.
const (
	logsPerMinute = 300
	maxLogText    = 4 << 10
)

// boundLog returns a logger that writes at most logsPerMinute records within a minute to
// logger, with texts of at most maxLogText bytes. The first record after such a minute
// says how many were left out.
func boundLog(logger *slog.Logger) *slog.Logger {
	return slog.New(boundHandler{logger.Handler(), &logMinute{}})
}

type boundHandler struct {
	slog.Handler
	minute *logMinute
}

type logMinute struct {
	mu          sync.Mutex
	since       time.Time
	lines, left int
}

// take counts a record, and reports how many were left out in an earlier minute, and
// whether this one may be written.
func (m *logMinute) take(now time.Time) (left int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.since) >= time.Minute {
		left = m.left
		m.since, m.lines, m.left = now, 0, 0
	}
	if m.lines++; m.lines > logsPerMinute {
		m.left++
		return left, false
	}
	return left, true
}

func (h boundHandler) Handle(ctx context.Context, r slog.Record) error {
	left, ok := h.minute.take(time.Now())
	if left > 0 {
		lost := slog.NewRecord(r.Time, slog.LevelWarn, "records of the iii worker were left out of the log: there are too many", 0)
		lost.AddAttrs(slog.Int("records", left))
		if err := h.Handler.Handle(ctx, lost); err != nil {
			return err
		}
	}
	if !ok {
		return nil
	}
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if text := textOf(a.Value); len(text) > maxLogText {
			a.Value = slog.StringValue(clip(text, maxLogText))
		}
		out.AddAttrs(a)
		return true
	})
	return h.Handler.Handle(ctx, out)
}

func textOf(v slog.Value) string {
	if err, ok := v.Any().(error); ok {
		return err.Error()
	}
	if v.Kind() == slog.KindString {
		return v.String()
	}
	return ""
}

func (h boundHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return boundHandler{h.Handler.WithAttrs(attrs), h.minute}
}

func (h boundHandler) WithGroup(name string) slog.Handler {
	return boundHandler{h.Handler.WithGroup(name), h.minute}
}
