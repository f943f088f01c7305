//go:build unix

package mcp

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/internal/program/programtest"
	"github.com/parley-run/parley/secret"
	"github.com/parley-run/parley/tools"
)

// A program that says nothing at all while a call waits for it is not asked again.
func TestHangingProgramIsReplaced(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Command: []string{os.Args[0]}, Env: map[string]secret.String{programtest.Variable: "deaf"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	s.hangsAfter = time.Millisecond
	for made := range uint64(2) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		_, err := s.Call(ctx, tools.Call{Name: "echo"})
		cancel()
		require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, made+1, s.made.Load())
	}
}

func TestHangs(t *testing.T) {
	t.Parallel()
	silent := func(d time.Duration) *connection { return &connection{silence: func() time.Duration { return d }} }
	require.False(t, (&connection{}).hangs(time.Hour, 0), "that of a server at an address is not known")
	require.False(t, silent(59*time.Second).hangs(time.Minute, hangsAfter), "it has answered another call meanwhile")
	require.True(t, silent(time.Minute).hangs(time.Minute, hangsAfter))
	require.False(t, silent(10*time.Second).hangs(10*time.Second, hangsAfter), "a short wait says little")
}

// A line that has begun and does not go on ends the connection.
func TestUnfinishedLine(t *testing.T) {
	t.Parallel()
	started, err := program.Start(program.Command{
		Args: []string{"/bin/sh", "-c", `printf '{"jsonrpc": "2.0", '; read answer`}, Env: []string{"PATH=" + os.Getenv("PATH")},
		Logger: slog.New(slog.DiscardHandler), Clean: func(line []byte) string { return string(line) },
	})
	require.NoError(t, err)
	c := &stdioConnection{
		program:    &process{Process: started, clean: func(s string) string { return s }, logger: slog.New(slog.DiscardHandler)},
		lastOutput: &pulse{}, stdout: bufio.NewReader(started.Stdout), lineTimeout: time.Millisecond,
		junk: program.NewLineLog(slog.New(slog.DiscardHandler)), writing: make(chan struct{}, 1),
	}
	_, err = c.Read(t.Context())
	require.ErrorContains(t, err, "the program did not end a line within 1ms")
	<-started.Gone()
}
