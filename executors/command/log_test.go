package command_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
)

// A syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *syncBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s, nil)) }

func TestStandardErrorIsLogged(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	e := newExecutor(t, func(c *command.Config) { c.Logger = log.logger() }, "crashes",
		"first "+key+"\n"+strings.Repeat("x", 100<<10)+"\nb\xffd\nlast")
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.ErrorContains(t, err, "exit status 3: last")
	require.NoError(t, e.Close())
	got := log.String()
	require.Contains(t, got, `line="first [redacted]"`)
	require.Contains(t, got, "line=xxx")
	require.Contains(t, got, "b\uFFFDd")
	require.Contains(t, got, "msg=\"program ended\"")
	require.NotContains(t, got, key)
	require.Less(t, len(got), 10<<10, "a long line is cut")
}
