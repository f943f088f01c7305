package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// temporalLogger is a slog.Logger for the Temporal server. Tags are converted only when
// a record is written: the server makes a logger for every task, and hardly ever uses
// it.
type temporalLogger struct {
	out  *slog.Logger
	tags []tag.Tag
}

var (
	_ log.Logger      = temporalLogger{}
	_ log.WithLogger  = temporalLogger{}
	_ log.SLogWrapper = temporalLogger{}
)

func (l temporalLogger) Debug(msg string, tags ...tag.Tag) { l.log(slog.LevelDebug, msg, tags) }
func (l temporalLogger) Info(msg string, tags ...tag.Tag)  { l.log(slog.LevelInfo, msg, tags) }
func (l temporalLogger) Warn(msg string, tags ...tag.Tag)  { l.log(slog.LevelWarn, msg, tags) }
func (l temporalLogger) Error(msg string, tags ...tag.Tag) { l.log(slog.LevelError, msg, tags) }

// DPanic panics in development builds only, which this is not.
func (l temporalLogger) DPanic(msg string, tags ...tag.Tag) { l.log(slog.LevelError, msg, tags) }

func (l temporalLogger) Panic(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, msg, tags)
	panic(fmt.Sprintf("temporal server: %s %v", msg, l.attrs(tags)))
}

// Fatal must not return: Temporal would continue without the part that failed.
func (l temporalLogger) Fatal(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, msg, tags)
	os.Exit(1)
}

func (l temporalLogger) With(tags ...tag.Tag) log.Logger {
	return temporalLogger{l.out, slices.Concat(l.tags, tags)}
}

func (l temporalLogger) SLog() *slog.Logger { return l.out.With(l.attrs(nil)...) }

func (l temporalLogger) log(level slog.Level, msg string, tags []tag.Tag) {
	if l.out.Enabled(context.Background(), level) {
		l.out.Log(context.Background(), level, msg, l.attrs(tags)...)
	}
}

func (l temporalLogger) attrs(tags []tag.Tag) []any {
	attrs := make([]any, 0, len(l.tags)+len(tags))
	for _, t := range slices.Concat(l.tags, tags) {
		attrs = append(attrs, slog.Any(t.Key(), t.Value()))
	}
	return attrs
}
