package endtoend_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// A conversation stays on the version of the worker that it began on, while new
// ones begin on the next.
func TestConversationsArePinned(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:      sim.Config{Player: rig.Endless{}},
		Setup:    sim.Setup{Conversations: 2, MaxTurns: 5},
		Executor: gate,
	})
	waiting := r.Waiting(t)
	deployment := "parley-" + r.Name
	versioned(t, r, deployment, "one")
	first := r.Start(t, waiting[0].Ref)
	ask := gate.Asked(t)
	versioned(t, r, deployment, "two")
	second := r.Start(t, waiting[1].Ref)
	for range 3 {
		ask.Reply(t)
		ask = gate.Asked(t)
	}
	ask.Reply(t)
	for id, build := range map[string]string{first: "one", second: "two"} {
		_, err := r.Outcome(t, id)
		require.NoError(t, err)
		desc, err := r.Client.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		version := desc.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion()
		require.Equal(t, build, version.GetBuildId(), "%s", id)
	}
	r.RequireOnce(t)
}

// A conversation that continues as new moves to the current version with it.
func TestLongConversationsMoveUp(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:      sim.Config{Player: rig.Endless{}},
		Setup:    sim.Setup{Conversations: 1, MaxTurns: 5},
		Executor: gate,
		Policy:   conversation.Policy{RunTurns: 1},
	})
	deployment := "parley-" + r.Name
	versioned(t, r, deployment, "one")
	id := r.Start(t, r.Waiting(t)[0].Ref)
	ask := gate.Asked(t)
	versioned(t, r, deployment, "two")
	ask.Reply(t)
	gate.Asked(t).Reply(t)
	_, err := r.Outcome(t, id)
	require.NoError(t, err)
	desc, err := r.Client.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	require.Equal(t, "two", desc.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId())
	r.RequireOnce(t)
}

// versioned starts a worker of a version and makes the version current.
func versioned(t *testing.T, r *rig.Rig, deployment, build string) {
	t.Helper()
	w, err := process.New(process.Options{
		Client: r.Client, TaskQueue: r.TaskQueue, Platforms: r.Platforms(), Executors: r.Executors(),
		Drain:      time.Second,
		Deployment: worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: build},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	rig.Eventually(t, func() bool {
		_, err := r.Client.WorkerDeploymentClient().GetHandle(deployment).SetCurrentVersion(t.Context(),
			client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		return err == nil
	}, "version %s becomes current", build)
}
