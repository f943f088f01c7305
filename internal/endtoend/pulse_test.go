package endtoend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/callback"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
	"github.com/parley-run/parley/workflows"
)

// pulseRig is a Parley that works for a Pulse.
type pulseRig struct {
	name     string
	url      string
	stand    *pulsetest.Server
	client   client.Client
	launcher launch.Launcher
	config   activities.Config
	inbox    activities.InboxConfig
	received *receiver
	places   int // of the worker, for activities. Zero: as many as it likes
}

var pulseRigs atomic.Int64

func newPulseRig(t *testing.T, cfg pulsetest.Config, executor executors.Executor) *pulseRig {
	t.Helper()
	r := &pulseRig{
		name: fmt.Sprintf("pulse-%d", pulseRigs.Add(1)), stand: pulsetest.New(cfg),
		client: localstacktest.Client(t), received: newReceiver(t),
	}
	server := httptest.NewServer(r.stand)
	t.Cleanup(server.Close)
	r.launcher = launch.Launcher{Client: r.client, TaskQueue: "test-" + r.name}
	r.url = server.URL
	platform, err := pulse.New(pulse.Config{Name: r.name, URL: r.url})
	require.NoError(t, err)
	registry := executors.NewRegistry()
	if executor != nil {
		require.NoError(t, registry.Add("agent", executor, executors.About{Backend: "test"}))
	}
	callbacks, err := callback.New(callback.Config{Secret: "shared", AllowPrivate: []string{"127.0.0.0/8"}})
	require.NoError(t, err)
	instances := map[string]platforms.Instance{r.name: {Name: r.name, Platform: platform}}
	runs := launch.Runs{Launcher: r.launcher}
	r.config = activities.Config{
		Platforms: instances, Executors: registry, Transcripts: runs, Heartbeats: r.client, Callbacks: callbacks, Drain: 4 * time.Second,
	}
	r.inbox = activities.InboxConfig{Platforms: instances, Runs: runs, Heartbeats: r.client}
	return r
}

func (r *pulseRig) start(t *testing.T) (stop func()) {
	t.Helper()
	w := worker.New(r.client, r.launcher.TaskQueue, worker.Options{
		WorkerStopTimeout: 4 * time.Second, MaxHeartbeatThrottleInterval: time.Second, DisableEagerActivities: true,
		DeadlockDetectionTimeout:           rig.DeadlockDetection,
		MaxConcurrentActivityExecutionSize: r.places,
	})
	workflows.Register(w)
	conversations, err := activities.NewConversation(r.config)
	require.NoError(t, err)
	conversations.Register(w)
	inbox, err := activities.NewInbox(r.inbox)
	require.NoError(t, err)
	inbox.Register(w)
	require.NoError(t, w.Start())
	stop = sync.OnceFunc(func() {
		w.Stop()
		conversations.Wait()
	})
	t.Cleanup(stop)
	return stop
}

func (r *pulseRig) poll(t *testing.T) {
	t.Helper()
	r.pollWith(t, workflows.InboxInput{Platform: r.name, Settings: workflows.InboxSettings{Policy: conversation.Policy{Executor: "agent"}, Interval: 100 * time.Millisecond}})
}

func (r *pulseRig) pollWith(t *testing.T, in workflows.InboxInput) {
	t.Helper()
	require.NoError(t, r.launcher.Inbox(t.Context(), in))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = r.client.TerminateWorkflow(ctx, workflows.InboxID(r.name, "", ""), "", "test over")
	})
}

// outcome waits for the run of a task's only occurrence.
func (r *pulseRig) outcome(t *testing.T, task string) (conversation.Outcome, error) {
	t.Helper()
	var id string
	rig.Eventually(t, func() bool {
		open, err := r.client.ListWorkflow(t.Context(), listRequest(fmt.Sprintf("ParleyPlatform = '%s' AND ParleySimulation = '%s'", r.name, task)))
		require.NoError(t, err)
		if len(open.Executions) > 0 {
			id = open.Executions[0].Execution.WorkflowId
		}
		return id != ""
	}, "no workflow for task %s", task)
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	var out conversation.Outcome
	err := r.client.GetWorkflow(ctx, id, "").Get(ctx, &out)
	return out, err
}

// receiver takes callbacks.
type receiver struct {
	url    string
	mu     sync.Mutex
	status int
	keys   []string
	bodies []map[string]any
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: http.StatusOK}
	server := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) seen() (keys []string, bodies []map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys, r.bodies
}

// summariser runs agents: it answers with what it was told, and fails for those
// that are called so.
type summariser struct{ runs atomic.Int64 }

func (s *summariser) Execute(_ context.Context, req executors.Request) (executors.Result, error) {
	s.runs.Add(1)
	run, err := req.Task.Run()
	if err != nil {
		return executors.Result{}, err
	}
	if run.Entrypoint == "broken" {
		return executors.Result{}, &conversation.Error{Kind: conversation.Invalid, Op: "agent a-1", Err: errors.New("it broke")}
	}
	answer, err := json.Marshal(map[string]any{"agent": run.AgentID, "told": json.RawMessage(run.Params)})
	return executors.Result{Message: conversation.Message{
		Role: conversation.RoleAssistant, Parts: []conversation.Part{{Type: conversation.PartData, Data: answer}},
	}}, err
}

func (r *pulseRig) task(entrypoint string, metadata map[string]any) pulsetest.Schedule {
	return pulsetest.Schedule{
		At:       time.Now().Add(time.Second).Truncate(time.Second),
		Payload:  map[string]any{"agent_id": "a-1", "entrypoint_tag": entrypoint, "params": map[string]any{"topic": "tides"}},
		Metadata: metadata,
	}
}

func TestPulseTask(t *testing.T) {
	t.Parallel()
	for _, stage := range []pulse.Stage{pulse.StageA, pulse.StageA2, pulse.StageB, pulse.StageC} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			agent := &summariser{}
			r := newPulseRig(t, pulsetest.Config{Stage: stage}, agent)
			r.start(t)
			r.poll(t)
			good := r.stand.Add(r.task("main", map[string]any{"callback_url": r.received.url}))
			bad := r.stand.Add(r.task("broken", nil))
			other := r.stand.Add(r.task("main", map[string]any{"executor_type": "elsewhere"}))

			out, err := r.outcome(t, good)
			require.NoError(t, err)
			require.Equal(t, conversation.OutcomeEnded, out.Kind)
			require.Equal(t, conversation.TaskSuccess, out.Task.Status)
			require.JSONEq(t, `{"agent":"a-1","told":{"topic":"tides"}}`, string(out.Task.Result))
			require.Equal(t, conversation.DeliveryDelivered, out.Task.Delivery.State, "%+v", out.Task.Delivery)
			require.True(t, out.Task.Acknowledged, out.Task.Fault)
			require.False(t, out.Task.Started.Before(out.Task.ScheduledFor), "it ran before it was due")
			acks := r.stand.Acks(good)
			require.Len(t, acks, 1)
			require.Equal(t, "success", acks[0].Status)
			require.Equal(t, out.Task.ExecutionID == acks[0].ExecutionID, stage != pulse.StageA)
			keys, bodies := r.received.seen()
			require.Len(t, keys, 1)
			require.Equal(t, out.Task.ExecutionID, bodies[0]["execution_id"])
			require.Equal(t, map[string]any{"agent": "a-1", "told": map[string]any{"topic": "tides"}}, bodies[0]["result"])

			// Found by its execution, and told by the history: no worker is asked.
			o := &operate.Operator{Reader: &records.Reader{Client: r.client, Namespace: "default", TaskQueue: r.launcher.TaskQueue}}
			rig.Eventually(t, func() bool {
				id, err := o.Find(t.Context(), out.Task.ExecutionID)
				return err == nil && id == fmt.Sprintf("%s//%s@%d", r.name, good, out.Task.ScheduledFor.Unix())
			})
			record, err := o.Show(t.Context(), fmt.Sprintf("%s//%s@%d", r.name, good, out.Task.ScheduledFor.Unix()))
			require.NoError(t, err)
			require.Equal(t, out.Task, record.Task)
			require.Len(t, record.Messages, 2)
			require.False(t, record.Messages[1].Unsent)

			_, err = r.outcome(t, bad)
			require.ErrorContains(t, err, "it broke")
			var failed *temporal.ApplicationError
			require.ErrorAs(t, err, &failed)
			require.NoError(t, failed.Details(&out))
			require.Equal(t, conversation.Invalid, out.Task.Kind)
			acks = r.stand.Acks(bad)
			require.Len(t, acks, 1)
			require.Equal(t, "failed", acks[0].Status)
			require.Contains(t, acks[0].Error, "it broke")

			_, err = r.outcome(t, other)
			require.ErrorContains(t, err, `executor "elsewhere"`)
			require.Equal(t, "failed", r.stand.Acks(other)[0].Status)
			require.EqualValues(t, 2, agent.runs.Load())
		})
	}
}

func TestPulseCallbackThatFails(t *testing.T) {
	t.Parallel()
	r := newPulseRig(t, pulsetest.Config{}, &summariser{})
	r.received.status = http.StatusBadGateway
	r.start(t)
	r.poll(t)
	id := r.stand.Add(r.task("main", map[string]any{"callback_url": r.received.url, "webhook_retries": 1}))
	out, err := r.outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, conversation.DeliveryFailed, out.Task.Delivery.State)
	require.Equal(t, 2, out.Task.Delivery.Attempts)
	require.Equal(t, 502, out.Task.Delivery.Code)
	keys, _ := r.received.seen()
	require.Len(t, keys, 2)
	require.Equal(t, keys[0], keys[1])
	require.True(t, out.Task.Acknowledged)
	require.Len(t, r.stand.Acks(id), 1)
}

func TestPulseTaskIsTooLarge(t *testing.T) {
	t.Parallel()
	agent := &summariser{}
	r := newPulseRig(t, pulsetest.Config{}, agent)
	r.start(t)
	r.poll(t)
	task := r.task("main", map[string]any{"callback_url": r.received.url})
	task.Payload.(map[string]any)["params"] = map[string]any{"text": strings.Repeat("<", 400<<10)}
	id := r.stand.Add(task)
	_, err := r.outcome(t, id)
	require.ErrorContains(t, err, "size of the task: it has 2400 KiB as JSON; at most 900 are possible")
	require.Equal(t, "failed", r.stand.Acks(id)[0].Status)
	require.Contains(t, r.stand.Acks(id)[0].Error, "size of the task")
	require.Zero(t, agent.runs.Load())
	_, bodies := r.received.seen()
	require.Len(t, bodies, 1, "who waits for the result hears that there is none")
	require.Equal(t, id, bodies[0]["task_id"])
	require.Equal(t, "failed", bodies[0]["status"])
	require.Contains(t, bodies[0]["error"], "size of the task")
}

// idler works until it is told not to.
type idler struct {
	begun chan struct{}
	ended chan error
}

func (i idler) Execute(ctx context.Context, _ executors.Request) (executors.Result, error) {
	i.begun <- struct{}{}
	<-ctx.Done()
	i.ended <- context.Cause(ctx)
	return executors.Result{}, ctx.Err()
}

func TestPulseTaskIsCancelled(t *testing.T) {
	t.Parallel()
	agent := idler{begun: make(chan struct{}, 9), ended: make(chan error, 9)}
	r := newPulseRig(t, pulsetest.Config{}, agent)
	r.start(t)
	r.poll(t)
	id := r.stand.Add(r.task("main", map[string]any{"callback_url": r.received.url}))
	<-agent.begun
	r.stand.Cancel(id)
	require.ErrorIs(t, <-agent.ended, context.Canceled)
	out, err := r.outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, "ended by platform", out.String())
	require.Equal(t, conversation.TaskCancelled, out.Task.Status)
	require.Empty(t, r.stand.Acks(id))
	keys, _ := r.received.seen()
	require.Empty(t, keys)
}

func TestPulseTaskTakesTooLong(t *testing.T) {
	t.Parallel()
	agent := idler{begun: make(chan struct{}, 9), ended: make(chan error, 9)}
	r := newPulseRig(t, pulsetest.Config{}, agent)
	r.start(t)
	r.poll(t)
	task := r.task("main", nil)
	task.Payload.(map[string]any)["timeout_seconds"] = 2
	id := r.stand.Add(task)
	_, err := r.outcome(t, id)
	require.ErrorContains(t, err, "took longer than the 2s")
	require.Error(t, <-agent.ended)
	require.Equal(t, "failed", r.stand.Acks(id)[0].Status)
}

// A parked task may wait for longer than its run may take.
func TestPulseTaskWaitsForPerson(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	r := newPulseRig(t, pulsetest.Config{}, gate)
	r.start(t)
	in := workflows.InboxInput{Platform: r.name, Settings: workflows.InboxSettings{
		Interval: 100 * time.Millisecond, Policy: conversation.Policy{Executor: "agent", OnExhausted: conversation.Park},
	}}
	r.pollWith(t, in)
	task := r.task("main", nil)
	task.Payload.(map[string]any)["timeout_seconds"] = 2
	id := r.stand.Add(task)
	ask := gate.Asked(t)
	begun := time.Now()
	ask.Fail(t, &conversation.Error{Kind: conversation.Invalid, Op: "agent", Err: errors.New("it broke")})
	at := &rig.Rig{Client: r.client}
	workflow := fmt.Sprintf("%s//%s@%d", r.name, id, task.At.Unix())
	rig.Eventually(t, func() bool {
		return at.Status(t, workflow).State == workflows.StateNeedsAttention && time.Since(begun) > 3*time.Second
	})
	require.NoError(t, at.Update(t, workflow, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Asked(t).Reply(t)
	out, err := r.outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, conversation.TaskSuccess, out.Task.Status)
	require.Equal(t, "success", r.stand.Acks(id)[0].Status)
}

// crowd is an agent that has time: it answers once so many runs are under way.
type crowd struct {
	summariser
	size int64
	here atomic.Int64
	all  chan struct{}
}

func (c *crowd) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if c.here.Add(1) == c.size {
		close(c.all)
	}
	select {
	case <-c.all:
		return c.summariser.Execute(ctx, req)
	case <-ctx.Done():
		return executors.Result{}, ctx.Err()
	}
}

// All of many tasks that are due at the same second are claimed before they
// expire, however long the agent takes, run side by side, and each runs once.
//
// Not beside other tests: it is about time.
func TestPulseManyTasksAtOnce(t *testing.T) {
	agent := &crowd{size: 200, all: make(chan struct{})}
	r := newPulseRig(t, pulsetest.Config{}, agent)
	r.places = process.DefaultMaxActivities
	r.start(t)
	r.poll(t)
	due := time.Now().Add(2 * time.Second).Truncate(time.Second)
	for range 200 {
		task := r.task("main", nil)
		task.At = due
		r.stand.Add(task)
	}
	rig.Eventually(t, func() bool { return len(r.stand.Acks("")) == 200 }, "acknowledged: %d", len(r.stand.Acks("")))
	for _, c := range r.stand.Claims("") {
		require.False(t, c.At.Before(due), "claimed %s early", due.Sub(c.At))
		require.Less(t, c.At.Sub(due), time.Minute)
		require.False(t, c.Parallel)
	}
	require.EqualValues(t, 200, agent.runs.Load())
}

// Watching for cancellations takes no place of the worker's: four runs and the poll
// fit where there are six places, and a cancellation is seen all the same.
func TestPulseWatchingTakesNoActivitySlot(t *testing.T) {
	t.Parallel()
	agent := idler{begun: make(chan struct{}, 9), ended: make(chan error, 9)}
	r := newPulseRig(t, pulsetest.Config{}, agent)
	r.places = 6
	r.start(t)
	r.poll(t)
	var ids []string
	for range 4 {
		ids = append(ids, r.stand.Add(r.task("main", nil)))
	}
	for i := range ids {
		select {
		case <-agent.begun:
		case <-time.After(rig.Patience):
			require.FailNow(t, "a run waits for a place", "%d have one", i)
		}
	}
	for _, id := range ids {
		r.stand.Cancel(id)
		require.ErrorIs(t, <-agent.ended, context.Canceled)
	}
	for _, id := range ids {
		out, err := r.outcome(t, id)
		require.NoError(t, err)
		require.Equal(t, conversation.TaskCancelled, out.Task.Status)
	}
}

func listRequest(query string) *workflowservice.ListWorkflowExecutionsRequest {
	return &workflowservice.ListWorkflowExecutionsRequest{Query: query}
}
