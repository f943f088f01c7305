package versions_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/versions"
)

const (
	soon  = 20 * time.Second
	often = 50 * time.Millisecond
)

// A scene is a task queue with a deployment of its own.
type scene struct {
	*testing.T
	client client.Client
	queue  string
	reader versions.Reader
}

func newScene(t *testing.T) scene {
	stack := localstacktest.Shared(t)
	c := localstacktest.Client(t)
	return scene{T: t, client: c, queue: t.Name(), reader: versions.Reader{Client: c, Namespace: stack.Namespace}}
}

func (s scene) version(build string) versions.Version {
	return versions.Version{DeploymentName: s.queue, BuildID: build}
}

// run runs a worker of a build; the empty one has no version.
func (s scene) run(build string) (stop func()) {
	s.Helper()
	options := worker.Options{Identity: "worker " + build}
	if build != "" {
		options.DeploymentOptions = worker.DeploymentOptions{
			UseVersioning: true, Version: s.version(build), DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
		}
	}
	w := worker.New(s.client, s.queue, options)
	w.RegisterWorkflowWithOptions(func(workflow.Context) error { return nil }, workflow.RegisterOptions{Name: "Any"})
	require.NoError(s, w.Start())
	s.Cleanup(w.Stop)
	return w.Stop
}

func (s scene) setCurrent(build string) {
	s.Helper()
	require.Eventually(s, func() bool {
		_, err := s.client.WorkerDeploymentClient().GetHandle(s.queue).SetCurrentVersion(s.Context(),
			client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		return err == nil
	}, soon, often)
}

func (s scene) read() versions.State {
	s.Helper()
	state, err := s.reader.Read(s.Context(), s.queue, "")
	require.NoError(s, err)
	return state
}

// until reads until the state is as wanted.
func (s scene) until(what string, wanted func(versions.State) bool) versions.State {
	s.Helper()
	var state versions.State
	require.Eventually(s, func() bool {
		var err error
		state, err = s.reader.Read(context.WithoutCancel(s.Context()), s.queue, "")
		return err == nil && wanted(state)
	}, soon, often, what)
	return state
}

func TestUnversionedWorkers(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	state := s.read()
	require.Empty(t, state.Deployment)
	_, ok := state.CanRun(versions.Version{}, workflow.VersioningBehaviorUnspecified)
	require.False(t, ok)

	stop := s.run("")
	state = s.until("the worker is live", func(s versions.State) bool { return s.Live(versions.Version{}) })
	_, ok = state.CanRun(versions.Version{}, workflow.VersioningBehaviorUnspecified)
	require.True(t, ok)
	require.Equal(t, []string{"worker "}, state.Workers())

	stop()
	state = s.read() // at once: Temporal remembers the poller for minutes
	require.Empty(t, state.Workers())
	require.True(t, state.Of(versions.Version{}).Workers[0].Stopped)
}

func TestVersionsOfADeployment(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	stopA := s.run("a")
	state := s.until("a is live", func(state versions.State) bool { return state.Live(s.version("a")) })
	reason, ok := state.CanRun(versions.Version{}, workflow.VersioningBehaviorUnspecified)
	require.False(t, ok, "nothing is current")
	require.Contains(t, reason, "no version is current")

	s.setCurrent("a")
	state = s.until("a is current", func(state versions.State) bool { return state.Current == s.version("a") })
	require.Equal(t, s.queue, state.Deployment)
	require.Equal(t, versions.Current, state.Of(s.version("a")).Role)
	s.run("b")
	state = s.until("b is live", func(state versions.State) bool { return state.Live(s.version("b")) })
	require.Equal(t, versions.Inactive, state.Of(s.version("b")).Role)

	stopA()
	state = s.read()
	require.False(t, state.Live(s.version("a")))
	require.True(t, state.Live(s.version("b")))
	_, ok = state.CanRun(s.version("a"), workflow.VersioningBehaviorAutoUpgrade)
	require.False(t, ok)

	s.setCurrent("b")
	state = s.until("b is current", func(state versions.State) bool { return state.Current == s.version("b") })
	_, ok = state.CanRun(s.version("a"), workflow.VersioningBehaviorAutoUpgrade)
	require.True(t, ok)
	_, ok = state.CanRun(s.version("a"), workflow.VersioningBehaviorPinned)
	require.False(t, ok)
	s.until("a drains", func(state versions.State) bool {
		return state.Of(s.version("a")).Role == versions.Draining || state.Of(s.version("a")).Role == versions.Drained
	})
}
