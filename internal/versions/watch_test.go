package versions_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/internal/versions/versionstest"
)

// A worker says in its log what its version is used for, at the start and when that
// changes, and is not ready while no worker takes new work.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			none    versions.Version
			a       = versions.Version{DeploymentName: "d", BuildID: "a"}
			b       = versions.Version{DeploymentName: "d", BuildID: "b"}
			service versionstest.Service
			log     logtest.Buffer
		)
		w := &versions.Watch{
			Reader: versions.Reader{Client: &service}, TaskQueue: "q", Own: b, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Count: func(context.Context, string) (int64, error) { return 3, nil },
		}
		detail, ok := w.Ready()
		require.True(t, ok)
		require.Empty(t, detail)
		service.Set(a, a, b)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx) }()
		says := func(text string) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Contains(t, log.String(), text)
			log.Reset()
		}
		says(`msg="this version is not current: it gets no new work" version=d:b role=inactive current=d:a run="temporal worker deployment set-current-version --deployment-name d --build-id b"`)
		detail, ok = w.Ready()
		require.True(t, ok)
		require.Contains(t, detail, "version d:b is not current, version d:a is")
		require.EqualValues(t, 3, w.Standing().Stranded)

		service.Set(a, b)
		says("no worker takes new work")
		detail, ok = w.Ready()
		require.False(t, ok)
		require.Contains(t, detail, "that one has no workers")

		service.Set(b, b)
		says("this version is current")
		detail, ok = w.Ready()
		require.True(t, ok)
		require.Empty(t, detail)
		time.Sleep(time.Hour)
		require.Empty(t, log.String(), "nothing has changed")

		service.Set(none, b)
		says("no worker takes new work")
		_, ok = w.Ready()
		require.False(t, ok)
		stop()
		<-done
	})
}

// A reading that finds no worker, as after a restart of the server, makes none unready.
func TestWatchWaitsForTheSecondReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var service versionstest.Service
		a, b := versions.Version{DeploymentName: "d", BuildID: "a"}, versions.Version{DeploymentName: "d", BuildID: "b"}
		service.Set(a)
		w := &versions.Watch{Reader: versions.Reader{Client: &service}, TaskQueue: "q", Own: b, Logger: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx) }()
		time.Sleep(8 * time.Second)
		_, ok := w.Ready()
		require.True(t, ok)
		service.Set(a, a)
		time.Sleep(time.Minute)
		_, ok = w.Ready()
		require.True(t, ok)
		service.Set(a)
		time.Sleep(time.Minute)
		_, ok = w.Ready()
		require.False(t, ok)
		stop()
		<-done
	})
}
