package command_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/logtest"
)

func logger(log *logtest.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(log, nil)) }

func TestStandardErrorIsLogged(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	e := newExecutor(t, func(c *command.Config) { c.Logger = logger(&log) }, "crashes",
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
