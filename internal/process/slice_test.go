package process_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/connect/connecttest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/process"
)

// A slice whose time is over drains like a worker that is stopped.
func TestMaxRuntime(t *testing.T) {
	t.Parallel()
	server := &connecttest.Server{Attributes: connecttest.All()}
	s := setup(t, server)
	s.MaxRuntime = 3 * time.Second
	var log logtest.Buffer
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	slice, err := process.ServeSlice(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, process.EndMaxRuntime, slice.Reason)
	require.GreaterOrEqual(t, slice.Runtime, s.MaxRuntime)
	server.Launched(t)
	require.Contains(t, log.String(), "this worker ends: its maximum runtime is over")
	require.Contains(t, log.String(), "draining")
}

// A signal ends a slice too, and is not mistaken for its own end.
func TestSliceIsStopped(t *testing.T) {
	t.Parallel()
	s := setup(t, &connecttest.Server{Attributes: connecttest.All()})
	s.MaxRuntime, s.UntilIdle = time.Hour, time.Hour
	ctx, stop := context.WithCancel(t.Context())
	s.Logger = slog.New(slog.NewTextHandler(when{"Started Worker", stop}, nil))
	slice, err := process.ServeSlice(ctx, s)
	require.NoError(t, err)
	require.Equal(t, process.EndStopped, slice.Reason)
}

// A slice that never came to work has failed, with the reason.
func TestSliceThatDidNotWork(t *testing.T) {
	t.Parallel()
	s := setup(t, &connecttest.Server{})
	s.Temporal.Address = closedAddress(t)
	s.MaxRuntime = 500 * time.Millisecond
	_, err := process.ServeSlice(t.Context(), s)
	require.ErrorIs(t, err, process.ErrNoWork)
	require.ErrorContains(t, err, "waiting for Temporal: ")
	require.ErrorContains(t, err, s.Temporal.Address)
	require.Equal(t, process.ExitFailed, process.ExitCode(err))

	s.Temporal.Address = closedAddress(t)
	s.TemporalWait, s.MaxRuntime = -1, time.Hour
	slice, err := process.ServeSlice(t.Context(), s)
	require.ErrorIs(t, err, connect.ErrUnreachable, "its own fault stays what it is")
	require.Empty(t, slice.Reason)

	_, err = process.ServeSlice(t.Context(), process.Settings{Source: config.Source{NoFile: true}, MaxRuntime: time.Hour})
	require.Equal(t, process.ExitUsage, process.ExitCode(err))
}
