package versions_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/internal/versions/versionstest"
)

// Whether a worker is there does not depend on what its clock says.
func TestMemory(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"same": 0, "behind": -10 * time.Minute, "ahead": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := versions.Version{DeploymentName: "d", BuildID: "a"}
				var service versionstest.Service
				service.Set(a, a)
				service.Skew(skew)
				r := versions.Reader{Client: &service, Memory: new(versions.Memory)}
				read := func() versions.State {
					state, err := r.Read(t.Context(), "q", "d")
					require.NoError(t, err)
					return state
				}
				if first := read(); !first.Live(a) {
					require.Positive(t, first.Doubt())
					time.Sleep(first.Doubt())
				}
				for range 10 {
					require.True(t, read().Live(a))
					time.Sleep(time.Second)
				}
				service.Silence()
				for range 15 {
					require.True(t, read().Live(a), "three heartbeats may be missing")
					time.Sleep(time.Second)
				}
				time.Sleep(time.Minute)
				state := read()
				require.False(t, state.Live(a), "it was killed")
				require.Positive(t, state.Doubt())
			})
		})
	}
}

func TestDoubt(t *testing.T) {
	t.Parallel()
	worker := func(live, stopped bool) versions.State {
		return versions.State{Versions: []versions.VersionState{{Workers: []versions.Worker{{Live: live, Stopped: stopped}}}}}
	}
	require.Zero(t, worker(true, false).Doubt())
	require.Zero(t, worker(false, true).Doubt(), "it has announced its end")
	require.Greater(t, worker(false, false).Doubt(), versions.HeartbeatInterval)
	require.Positive(t, versions.State{}.Doubt(), "a server that has just started knows none")
}
