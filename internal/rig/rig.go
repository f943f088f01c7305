// Package rig assembles a whole Parley for tests: the simulator behind HTTP, the OneRun
// platform in front of it, and any number of workers in this process on a real Temporal
// server. Tests of a real process (kills, signals) start the worker command instead.
package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/workflows"
)

// APIKey is the simulator's key unless Options has another.
const APIKey = "rig-key"

// ExecutorName is the name of the one executor.
const ExecutorName = "agent"

// Options are deviations from the default: a persona-first simulation of eight
// conversations, answered by an executortest.Fake.
type Options struct {
	Sim      sim.Config
	Setup    sim.Setup
	Executor executors.Executor
	Opening  onerun.Opening
	// Settle: see platforms.Instance. The simulator's personas answer at once.
	Settle time.Duration
	// ResponseTimeout bounds the client's wait for a persona.
	ResponseTimeout time.Duration
	MaxOpen         int
	// PressureWindow, if not zero, has workers reduce MaxOpen when the platform has too
	// much to do, with windows of this length.
	PressureWindow time.Duration
	Policy         conversation.Policy
	// Tools are the workers' tools.
	Tools activities.Tools
	// APIKey is the worker's key; the simulator requires Sim.APIKey.
	APIKey string
}

// A Rig is the result of New.
type Rig struct {
	// Name is the platform's name in refs: rigs on one server must not share a platform's
	// capacity.
	Name      string
	Sim       *sim.Simulator
	URL       string
	Seeded    sim.Seeded
	Platform  *onerun.Platform
	Client    client.Client
	TaskQueue string
	Launcher  launch.Launcher
	Fake      *executortest.Fake // the executor, unless Options has another

	opts     Options
	registry *executors.Registry
	stops    []func()
}

var rigs atomic.Int64

// New starts the simulator and seeds it. The task queue is the test's own.
func New(t testing.TB, c client.Client, opts Options) *Rig {
	t.Helper()
	name := fmt.Sprintf("sim-%d", rigs.Add(1))
	r := &Rig{Name: name, Client: c, TaskQueue: "test-" + name, opts: opts, registry: executors.NewRegistry()}
	if opts.Sim.APIKey == "" {
		opts.Sim.APIKey = APIKey
	}
	if opts.APIKey == "" {
		opts.APIKey = opts.Sim.APIKey
	}
	var err error
	r.Sim, err = sim.New(opts.Sim)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(nil)
	server.Config = r.Sim.Server()
	server.Start()
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, r.Sim.Close())
	})
	r.URL = server.URL
	r.Seeded, err = r.Sim.Seed(t.Context(), opts.Setup)
	require.NoError(t, err)
	r.Platform, err = onerun.New(onerun.Config{
		Name: r.Name, BaseURL: server.URL, APIKey: opts.APIKey, Opening: opts.Opening,
		ResponseTimeout: opts.ResponseTimeout,
	})
	require.NoError(t, err)
	opts.Policy.Executor = cmp.Or(opts.Policy.Executor, ExecutorName)
	if opts.Executor == nil {
		r.Fake = &executortest.Fake{}
		opts.Executor = r.Fake
	}
	require.NoError(t, r.registry.Add(ExecutorName, opts.Executor, executors.About{Backend: "test"}))
	r.opts = opts
	r.Launcher = launch.Launcher{Client: c, TaskQueue: r.TaskQueue, ShowPersona: true}
	return r
}

// Instance is the platform as workers hold it.
func (r *Rig) Instance() platforms.Instance {
	return platforms.Instance{Name: r.Name, Platform: r.Platform, Settle: r.opts.Settle, MaxOpen: r.opts.MaxOpen}
}

// Platforms and Executors are the workers'.
func (r *Rig) Platforms() map[string]platforms.Instance {
	return map[string]platforms.Instance{r.Name: r.Instance()}
}

// Executors hold the one executor, as ExecutorName.
func (r *Rig) Executors() *executors.Registry { return r.registry }

// Tools are the workers' tools.
func (r *Rig) Tools() activities.Tools { return r.opts.Tools }

// Activities are the activities of conversations, without a worker.
func (r *Rig) Activities(t testing.TB) *activities.Conversation {
	t.Helper()
	return r.activities(t, nil)
}

func (r *Rig) activities(t testing.TB, count *activities.Pressure) *activities.Conversation {
	t.Helper()
	a, err := activities.NewConversation(activities.Config{
		Platforms:   r.Platforms(),
		Pressure:    count,
		Executors:   r.registry,
		Tools:       r.opts.Tools,
		Transcripts: launch.Runs{Launcher: r.Launcher},
		Heartbeats:  r.Client,
		Reports:     launch.Runs{Launcher: r.Launcher},
		Drain:       drain,
	})
	require.NoError(t, err)
	return a
}

const drain = 4 * time.Second

// DeadlockDetection is for workers of tests. A busy machine, under the race detector,
// may take longer than the SDK's second for a large payload, and the SDK has races
// of its own once it thinks that a workflow is stuck.
const DeadlockDetection = time.Minute

// StartWorker starts a worker; the test's end stops it, if stop did not before.
func (r *Rig) StartWorker(t testing.TB) (stop func()) {
	t.Helper()
	w := worker.New(r.Client, r.TaskQueue, worker.Options{
		WorkerStopTimeout:            drain,
		MaxHeartbeatThrottleInterval: time.Second,
		DeadlockDetectionTimeout:     DeadlockDetection,
		// With eager activities the first worker of a test would keep all work for itself.
		DisableEagerActivities: true,
	})
	workflows.Register(w)
	var count *activities.Pressure
	if r.opts.PressureWindow > 0 {
		count = activities.NewPressure(activities.PressureConfig{Runs: launch.Runs{Launcher: r.Launcher}, Window: r.opts.PressureWindow})
	}
	conversations := r.activities(t, count)
	conversations.Register(w)
	inbox, err := activities.NewInbox(activities.InboxConfig{
		Platforms:  r.Platforms(),
		Pressure:   count,
		Runs:       launch.Runs{Launcher: r.Launcher},
		Heartbeats: r.Client,
	})
	require.NoError(t, err)
	inbox.Register(w)
	require.NoError(t, w.Start())
	stop = sync.OnceFunc(func() {
		w.Stop()
		conversations.Wait()
		count.Stop()
	})
	r.stops = append(r.stops, stop)
	t.Cleanup(stop)
	return stop
}

// StopWorkers stops all workers started so far, as a deploy would.
func (r *Rig) StopWorkers() {
	for _, stop := range r.stops {
		stop()
	}
	r.stops = nil
}

// InboxInput is the input of the seeded agent's inbox.
func (r *Rig) InboxInput() workflows.InboxInput {
	return workflows.InboxInput{
		Platform: r.Name, Project: r.Seeded.ProjectID, Agent: r.Seeded.AgentID,
		Settings: workflows.InboxSettings{Policy: r.opts.Policy, Interval: 200 * time.Millisecond},
	}
}

// StartInbox starts the agent's inbox; the test's end terminates it.
func (r *Rig) StartInbox(t testing.TB, in workflows.InboxInput) string {
	t.Helper()
	require.NoError(t, r.Launcher.Inbox(t.Context(), in))
	id := workflows.InboxID(in.Platform, in.Project, in.Agent)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = r.Client.TerminateWorkflow(ctx, id, "", "test over")
	})
	return id
}

// Waiting lists the conversations that wait for the agent, oldest first.
func (r *Rig) Waiting(t testing.TB) []platforms.Assignment {
	t.Helper()
	waiting, err := r.Platform.Assigned(t.Context(), r.Seeded.ProjectID, r.Seeded.AgentID)
	require.NoError(t, err)
	return waiting
}

// Start starts one conversation without the inbox and returns its workflow id.
func (r *Rig) Start(t testing.TB, ref conversation.Ref) string {
	t.Helper()
	return r.StartWith(t, workflows.ConversationInput{Ref: ref, Policy: r.opts.Policy})
}

// StartWith is Start with another input, whose side is the platform unless it says so.
func (r *Rig) StartWith(t testing.TB, in workflows.ConversationInput) string {
	t.Helper()
	in.Side = cmp.Or(in.Side, workflows.SidePlatform)
	started, err := r.Launcher.Conversation(t.Context(), launch.Conversation{Input: in})
	require.NoError(t, err)
	require.True(t, started, "the workflow of %s exists already", in.Ref)
	return workflows.ConversationID(in.Ref)
}

// Outcome waits for a conversation's end.
func (r *Rig) Outcome(t testing.TB, workflowID string) (conversation.Outcome, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	var out conversation.Outcome
	err := r.Client.GetWorkflow(ctx, workflowID, "").Get(ctx, &out)
	return out, err
}

// Status queries a conversation's workflow.
func (r *Rig) Status(t testing.TB, workflowID string) (s workflows.Status) {
	t.Helper()
	r.query(t, workflowID, &s)
	return s
}

// InboxStatus queries an inbox's workflow.
func (r *Rig) InboxStatus(t testing.TB, workflowID string) (s workflows.InboxStatus) {
	t.Helper()
	r.query(t, workflowID, &s)
	return s
}

// query asks again if no worker has answered in the ten seconds that Temporal gives one.
func (r *Rig) query(t testing.TB, workflowID string, status any) {
	t.Helper()
	var late error
	Eventually(t, func() bool {
		value, err := r.Client.QueryWorkflow(t.Context(), workflowID, "", workflows.QueryStatus)
		if late = err; unanswered(err) {
			return false
		}
		require.NoError(t, err)
		require.NoError(t, value.Get(status))
		return true
	}, "no worker answers for %s: %v", workflowID, &late)
}

func unanswered(err error) bool {
	var (
		deadline *serviceerror.DeadlineExceeded
		notReady *serviceerror.WorkflowNotReady
	)
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &deadline) || errors.As(err, &notReady)
}

// Update sends an operator's update and waits for its answer.
func (r *Rig) Update(t testing.TB, workflowID, name string, arg any) error {
	t.Helper()
	handle, err := r.Client.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: workflowID, UpdateName: name, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(t.Context(), nil)
}

// Approve decides on a tool call as it waits now.
func (r *Rig) Approve(t testing.TB, workflowID string, req workflows.ApproveRequest) error {
	t.Helper()
	for _, a := range r.Status(t, workflowID).Approvals {
		if req.CallID == "" || req.CallID == a.CallID {
			req.Digest = a.Digest
		}
	}
	return r.Update(t, workflowID, workflows.UpdateApprove, req)
}

// WaitDone waits until every conversation of the simulator has ended.
func (r *Rig) WaitDone(t testing.TB, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := r.Sim.Wait(ctx); err != nil {
		t.Fatalf("conversations still open after %v: %+v", limit, r.Sim.Report().Simulations)
	}
}

// RequireOnce checks Parley's promises: every conversation ended, every message of the
// agent on the platform once, no persona's message requested twice.
func (r *Rig) RequireOnce(t testing.TB) {
	t.Helper()
	// The last workflows may still be closing after the simulator's last end.
	Eventually(t, func() bool {
		open, err := launch.Runs{Launcher: r.Launcher}.ListOpen(t.Context(), r.Name)
		require.NoError(t, err)
		return len(open) == 0
	}, "workflows of ended conversations still run")
	report := r.Sim.Report()
	for _, c := range report.Conversations {
		require.Equal(t, "ended", c.Status, "conversation %s", c.ID)
		require.Zero(t, c.Duplicates, "conversation %s has messages twice", c.ID)
		require.Zero(t, c.AskedTwice, "conversation %s: persona asked twice", c.ID)
	}
	for _, hint := range report.Hints {
		switch hint.Hint {
		case sim.HintStartedTwice, sim.HintResponsesAfterEnd:
			// A lost race for a claim, and an exchange after the end: both harmless.
		default:
			t.Errorf("%+v", hint)
		}
	}
}
