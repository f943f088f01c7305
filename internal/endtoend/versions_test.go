package endtoend_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// A build answers with its name.
type build string

func (b build) Execute(context.Context, executors.Request) (executors.Result, error) {
	return executors.Result{Message: conversation.Text(conversation.RoleAssistant, string(b)), Usage: conversation.Usage{Calls: 1}}, nil
}

// Everything moves to the current version while it is open: a conversation in the middle
// of a model call, one that waits for an approval, an idle direct one, the inbox and the
// capacity. It moves back with a roll back, and to a version that gets the whole ramp.
func TestEverythingMovesToTheCurrentVersion(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	box := rig.NewToolbox([]string{"pay"}, "pay")
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 4, MaxTurns: 3}, MaxOpen: 3, Tools: box,
		Policy: conversation.Policy{Tools: []string{rig.ToolSet}},
	})
	deployment := "parley-" + r.Name
	stop := runBuild(t, r, deployment, "a", gate)
	direct := directly(r, "idle", conversation.Policy{})
	answers := func(message string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
		defer cancel()
		reply, err := r.Launcher.Send(ctx, direct, say(message, message))
		require.NoError(t, err)
		return reply.Message.Text()
	}
	replied := make(chan string, 1)
	go func() { replied <- answers("one") }()
	gate.Asked(t).Reply(t)
	require.Equal(t, "gate reply 1", <-replied)

	inbox := r.StartInbox(t, r.InboxInput())
	thinking := workflows.ConversationID(gate.Asked(t).Conversation)
	var waiting []string
	for range 2 {
		ask := gate.Asked(t)
		ask.Answer(t, rig.CallsTools("pay"))
		waiting = append(waiting, workflows.ConversationID(ask.Conversation))
	}
	for _, id := range waiting {
		requireState(t, r, id, workflows.StateNeedsApproval)
	}
	approve := func(id string) {
		t.Helper()
		require.NoError(t, r.Approve(t, id, workflows.ApproveRequest{}))
		_, err := r.Outcome(t, id)
		require.NoError(t, err)
	}

	rolled := runBuild(t, r, deployment, "b", build("b"))
	stop()
	require.Equal(t, "b", answers("two"))
	_, err := r.Outcome(t, thinking)
	require.NoError(t, err)
	// The last one could start once the first had released its capacity.
	rig.Eventually(t, func() bool { return r.Sim.Report().Simulations[0].Conversations["ended"] == 2 }, "the queued one has ended too")

	stop = runBuild(t, r, deployment, "a", build("a"))
	rolled()
	require.Equal(t, "a", answers("three"))
	approve(waiting[0])

	ramp(t, r, deployment, "b", build("b"))
	stop()
	require.Equal(t, "b", answers("four"))
	approve(waiting[1])
	require.Equal(t, workflows.InboxPolling, r.InboxStatus(t, inbox).State)
	require.NoError(t, r.Update(t, workflows.ConversationID(direct.Input.Ref), workflows.UpdateEnd, workflows.EndRequest{}))
	r.RequireOnce(t)
}

// runBuild runs a worker of a build and makes its version current.
func runBuild(t *testing.T, r *rig.Rig, deployment, build string, executor executors.Executor) (stop func()) {
	t.Helper()
	stop = startBuild(t, r, deployment, build, executor)
	routed(t, func(ctx context.Context) error {
		_, err := r.Client.WorkerDeploymentClient().GetHandle(deployment).SetCurrentVersion(ctx,
			client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		return err
	})
	return stop
}

// ramp runs a worker of a build that gets all new tasks without being current.
func ramp(t *testing.T, r *rig.Rig, deployment, build string, executor executors.Executor) {
	t.Helper()
	startBuild(t, r, deployment, build, executor)
	routed(t, func(ctx context.Context) error {
		_, err := r.Client.WorkerDeploymentClient().GetHandle(deployment).SetRampingVersion(ctx,
			client.WorkerDeploymentSetRampingVersionOptions{BuildID: build, Percentage: 100})
		return err
	})
}

// routed waits until Temporal accepts a version, whose worker may not have polled yet.
func routed(t *testing.T, set func(context.Context) error) {
	t.Helper()
	rig.Eventually(t, func() bool { return set(t.Context()) == nil }, "Temporal routes to the version")
}

func startBuild(t *testing.T, r *rig.Rig, deployment, build string, executor executors.Executor) (stop func()) {
	t.Helper()
	registry := executors.NewRegistry()
	require.NoError(t, registry.Add(rig.ExecutorName, executor, executors.About{Backend: "test"}))
	w, err := process.New(process.Options{
		Client: r.Client, TaskQueue: r.TaskQueue, Platforms: r.Platforms(), Executors: registry, Tools: r.Tools(),
		Drain: time.Second, Identity: fmt.Sprintf("build %s of %s", build, deployment),
		Deployment: worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: build},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}
