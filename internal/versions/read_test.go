package versions_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
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
	wait := func(ctx workflow.Context) error { workflow.GetSignalChannel(ctx, "end").Receive(ctx, nil); return nil }
	w.RegisterWorkflowWithOptions(wait, workflow.RegisterOptions{Name: "Moving", VersioningBehavior: behavior(build, workflow.VersioningBehaviorAutoUpgrade)})
	w.RegisterWorkflowWithOptions(wait, workflow.RegisterOptions{Name: "Pinned", VersioningBehavior: behavior(build, workflow.VersioningBehaviorPinned)})
	require.NoError(s, w.Start())
	s.Cleanup(w.Stop)
	return w.Stop
}

// behavior is one that a worker without versioning may state too.
func behavior(build string, b workflow.VersioningBehavior) workflow.VersioningBehavior {
	if build == "" {
		return workflow.VersioningBehaviorUnspecified
	}
	return b
}

// start starts a workflow and waits until it has run on a version.
func (s scene) start(kind string, on versions.Version) (id string) {
	s.Helper()
	id = s.queue + " " + kind
	_, err := s.client.ExecuteWorkflow(s.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: s.queue}, kind)
	require.NoError(s, err)
	s.Cleanup(func() { _ = s.client.TerminateWorkflow(context.Background(), id, "", "test over") })
	require.Eventually(s, func() bool { v, _ := s.of(id); return v == on }, soon, often)
	return id
}

func (s scene) of(id string) (versions.Version, workflow.VersioningBehavior) {
	d, err := s.client.DescribeWorkflowExecution(s.Context(), id, "")
	require.NoError(s, err)
	return versions.Of(d.GetWorkflowExecutionInfo())
}

// stranded waits until visibility finds exactly these workflows stranded.
func (s scene) stranded(state versions.State, want ...string) {
	s.Helper()
	var found []string
	require.Eventually(s, func() bool {
		page, err := s.client.ListWorkflow(s.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: state.StrandedQuery()})
		require.NoError(s, err)
		found = nil
		for _, e := range page.GetExecutions() {
			found = append(found, e.GetExecution().GetWorkflowId())
		}
		slices.Sort(found)
		return slices.Equal(found, want)
	}, soon, often, "%v", want)
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
	moving, pinned := s.start("Moving", s.version("a")), s.start("Pinned", s.version("a"))
	s.stranded(state)
	s.run("b")
	state = s.until("b is live", func(state versions.State) bool { return state.Live(s.version("b")) })
	require.Equal(t, versions.Inactive, state.Of(s.version("b")).Role)

	stopA()
	state = s.read()
	require.False(t, state.Live(s.version("a")))
	require.True(t, state.Live(s.version("b")))
	_, ok = state.CanRun(s.of(moving))
	require.False(t, ok)
	s.stranded(state, moving, pinned)

	s.setCurrent("b")
	state = s.until("b is current", func(state versions.State) bool { return state.Current == s.version("b") })
	_, ok = state.CanRun(s.of(moving))
	require.True(t, ok)
	_, ok = state.CanRun(s.of(pinned))
	require.False(t, ok)
	s.stranded(state, pinned)

	// An operator's pin counts like the workflow's own.
	_, err := s.client.UpdateWorkflowExecutionOptions(t.Context(), client.UpdateWorkflowExecutionOptionsRequest{
		WorkflowId: moving, WorkflowExecutionOptionsChanges: client.WorkflowExecutionOptionsChanges{
			VersioningOverride: &client.VersioningOverrideChange{Value: &client.PinnedVersioningOverride{Version: s.version("a")}},
		},
	})
	require.NoError(t, err)
	_, ok = state.CanRun(s.of(moving))
	require.False(t, ok)
	s.stranded(state, moving, pinned)
	s.until("a drains", func(state versions.State) bool {
		return state.Of(s.version("a")).Role == versions.Draining || state.Of(s.version("a")).Role == versions.Drained
	})
}
