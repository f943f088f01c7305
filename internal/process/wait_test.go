package process_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/connect/connecttest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/process"
)

// closedAddress is one of 127.0.0.1 where nothing listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// both writes to a log and to a reaction.
type both struct{ one, other io.Writer }

func (b both) Write(p []byte) (int, error) {
	_, _ = b.one.Write(p)
	return b.other.Write(p)
}

var readyz = regexp.MustCompile(`url=(http://\S+/readyz)`)

// A worker that starts before Temporal does is not ready, says so once, and works
// as soon as Temporal is there.
func TestWaitsForTemporal(t *testing.T) {
	t.Parallel()
	server := &connecttest.Server{Address: closedAddress(t)}
	server.Starting.Store(3) // when it listens it is not ready at once
	s := setup(t, &connecttest.Server{})
	s.Temporal.Address = server.Address
	var log logtest.Buffer
	waiting := make(chan struct{})
	var times atomic.Int32
	s.Logger = slog.New(slog.NewTextHandler(both{&log, when{"waiting for Temporal", func() {
		if times.Add(1) == 1 {
			close(waiting)
		}
	}}}, nil))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- process.Serve(ctx, s) }()

	<-waiting
	page := readyz.FindStringSubmatch(log.String())[1]
	status, body := get(t, page)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "no connection to Temporal yet")
	status, _ = get(t, strings.Replace(page, "readyz", "healthz", 1))
	require.Equal(t, http.StatusOK, status)

	server.Start(t)
	server.Launched(t)
	require.Equal(t, int32(1), times.Load(), "said once")
	stop()
	require.NoError(t, <-done)
}

// Temporal may restart after the worker has connected, and then knows no namespace for a
// moment: the worker waits.
func TestTemporalRestartsDuringTheStart(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"starting to work", "Started Worker"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			server := &connecttest.Server{}
			s := setup(t, server)
			var once sync.Once
			var log logtest.Buffer
			s.Logger = slog.New(slog.NewTextHandler(both{&log, when{moment, func() { once.Do(func() { server.Losing.Store(3) }) }}}, nil))
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- process.Serve(ctx, s) }()
			server.Launched(t)
			stop()
			require.NoError(t, <-done)
			require.Contains(t, log.String(), "waiting for Temporal")
		})
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

func TestWaitsNoLongerThanToldTo(t *testing.T) {
	t.Parallel()
	s := setup(t, &connecttest.Server{})
	s.Temporal.Address = closedAddress(t)
	s.TemporalWait = 500 * time.Millisecond
	err := process.Serve(t.Context(), s)
	require.ErrorIs(t, err, connect.ErrUnreachable)
	require.Equal(t, 1, strings.Count(err.Error(), s.Temporal.Address), "the address once: %v", err)
	require.Equal(t, process.ExitFailed, process.ExitCode(err))
}

func TestStoppedWhileWaiting(t *testing.T) {
	t.Parallel()
	s := setup(t, &connecttest.Server{})
	s.Temporal.Address = closedAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	s.Logger = slog.New(slog.NewTextHandler(when{"waiting for Temporal", stop}, nil))
	require.NoError(t, process.Serve(ctx, s))
}
