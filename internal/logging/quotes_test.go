package logging_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/logging"
)

func TestWithoutQuotes(t *testing.T) {
	t.Parallel()
	const words = "my card is 4711"
	said := fmt.Errorf("step: %w", &conversation.Error{Kind: conversation.Invalid, Op: "ask m", Err: errors.New("400: " + conversation.Quote(words)), Remedy: "check model"})
	write := func(level slog.Level) string {
		var out bytes.Buffer
		l := slog.New(logging.WithoutQuotes(logging.WithoutQuotes(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))))
		l.Warn("step failed", "reason", said, "step", "reply")
		l.With("error", said).Info("more")
		l.WithGroup("g").Error("nested", slog.Group("of", slog.Any("list", []error{said}), slog.String("text", said.Error())))
		l.Error(said.Error())
		return out.String()
	}
	got := write(slog.LevelInfo)
	require.NotContains(t, got, words)
	require.Contains(t, got, `reason="step: ask m: 400: “…” (check model)" step=reply`)
	require.Contains(t, got, "g.of.list=")

	got = write(slog.LevelDebug)
	require.Contains(t, got, `level=DEBUG msg="step failed" reason="step: ask m: 400: “my card is 4711” (check model)"`)
	for line := range bytes.Lines([]byte(got)) {
		require.Equal(t, bytes.Contains(line, []byte(words)), bytes.Contains(line, []byte("level=DEBUG")), "%s", line)
	}
}

// With LeaveOut, quoted texts are missing at every level, also from what was made before.
func TestLeaveOut(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	handler := logging.WithoutQuotes(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	logger := slog.New(handler).With("a", 1).WithGroup("g")
	logging.LeaveOut(handler)
	text := "peer: " + conversation.Quote("my secret")
	for _, level := range []slog.Level{slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, slog.LevelError} {
		logger.Log(t.Context(), level, text, "error", errors.New(text))
	}
	require.Contains(t, out.String(), "level=ERROR")
	require.Contains(t, out.String(), "level=DEBUG")
	require.NotContains(t, out.String(), "my secret")
}
