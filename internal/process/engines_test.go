package process_test

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect/connecttest"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/rig"
)

// What serves conversations on an engine begins and ends with the process.
func TestServeOnEngine(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{})
	s := setup(t, &connecttest.Server{Attributes: connecttest.All()})
	s.Backends = assemble.Builtin()
	s.Source = config.Source{ReadFile: func(path string) ([]byte, error) {
		if path != config.DefaultFile {
			return nil, fs.ErrNotExist
		}
		return []byte(`
platforms: {engine: {type: iii, url: "` + e.URL() + `", prefix: talk, inbox: off}}
agents: {support: {executor: scripted}}
`), nil
	}}
	var log logtest.Buffer
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- process.Serve(ctx, s) }()
	waiting, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	require.NoError(t, e.Wait(waiting, func() bool { return e.Serves("", "talk::send") }), "%s", log.String())
	require.False(t, e.Serves("", "talk::ingest"))
	require.False(t, e.Serves("", "agent::chat"))

	// What is asked of the process tells of the engine's connection.
	found := regexp.MustCompile(`url=(http://\S+)/readyz`).FindStringSubmatch(log.String())
	require.NotNil(t, found, "%s", log.String())
	page := func(path string) (int, string) {
		resp, err := http.Get(found[1] + path)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	status, body := page("/readyz")
	require.Equal(t, http.StatusOK, status, "%s", body)
	_, body = page("/metrics")
	require.Contains(t, body, `parley_iii_connected{platform="engine"} 1`)
	e.Stop()
	rig.Eventually(t, func() bool {
		status, body = page("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "platform engine: iii: not connected")
	}, "%s", body)
	_, body = page("/metrics")
	require.Contains(t, body, `parley_iii_connected{platform="engine"} 0`)
	require.NoError(t, e.Start())
	require.NoError(t, e.Wait(waiting, func() bool { return e.Serves("", "talk::send") }), "%s", log.String())
	stop()
	require.NoError(t, <-done)
	require.NoError(t, e.Wait(waiting, func() bool { return len(e.Workers()) == 0 }))
	var left bool
	for _, f := range e.FromWorkers("") {
		left = left || f.Type == "unregisterfunction"
	}
	require.True(t, left, "it has taken leave")
	require.Empty(t, e.Faults())
}
