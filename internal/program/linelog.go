package program

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// The bounds of a program's lines in the log within a minute. Further lines are counted:
// a program that writes without end must not fill the disk.
const (
	LogLines = 300
	LogBytes = 64 << 10
	logEvery = time.Minute
)

// A LineLog writes lines of a program to the log, at most [LogLines] of them and
// [LogBytes] bytes within a minute. At the end of a minute in which it dropped lines, it
// logs their number. It is safe for concurrent use.
type LineLog struct {
	logger *slog.Logger

	mu           sync.Mutex
	since        time.Time // when the minute began; zero: never
	lines, bytes int       // in the log since then
	left         int       // lines dropped since then
	end          *time.Timer
	closed       bool
}

// NewLineLog returns one that writes to logger. Close it.
func NewLineLog(logger *slog.Logger) *LineLog { return &LineLog{logger: logger} }

// Line writes a line with a message and attributes, or counts it. Text builds the line
// and is called only if the line will be written; empty: there is nothing to write.
func (l *LineLog) Line(level slog.Level, message string, text func() string, attrs ...any) {
	if !l.mayWrite() {
		return
	}
	line := text()
	if line == "" {
		return
	}
	l.mu.Lock()
	l.lines++
	l.bytes += len(line)
	l.mu.Unlock()
	l.logger.Log(context.Background(), level, message, append(attrs, "line", line)...)
}

func (l *LineLog) mayWrite() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.since.IsZero() || now.Sub(l.since) >= logEvery {
		l.settle()
		l.since, l.lines, l.bytes = now, 0, 0
	}
	if l.lines < LogLines && l.bytes < LogBytes {
		return true
	}
	l.left++
	if l.end == nil && !l.closed {
		l.end = time.AfterFunc(logEvery-time.Since(l.since), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.settle()
		})
	}
	return false
}

// settle logs the number of dropped lines. The mutex is held.
func (l *LineLog) settle() {
	if l.end != nil {
		l.end.Stop()
		l.end = nil
	}
	if l.left > 0 {
		l.logger.Warn("lines were left out of the log: the program writes too many", "lines", l.left)
		l.left = 0
	}
}

// Close logs the number of dropped lines.
func (l *LineLog) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.settle()
}
