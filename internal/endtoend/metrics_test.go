package endtoend_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/internal/telemetry"
	"github.com/parley-run/parley/internal/telemetry/metricstest"
	"github.com/parley-run/parley/workflows"
)

// What waits for an operator is counted by what Temporal shows. What workflows count,
// they count once, also after another worker has replayed them.
func TestMetricsOfConversations(t *testing.T) {
	t.Parallel()
	provider, reader := metricstest.Manual()
	m, err := telemetry.Of(provider, nil)
	require.NoError(t, err)
	c, err := client.NewClientFromExistingWithContext(t.Context(), localstacktest.Client(t), client.Options{MetricsHandler: m.Temporal})
	require.NoError(t, err)
	defer c.Close()
	gate := rig.NewGate()
	r := rig.New(t, c, rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 3, MaxTurns: 3},
		Executor: gate, Policy: conversation.Policy{Tools: []string{rig.ToolSet}}, Tools: rig.NewToolbox([]string{"pay"}, "pay"),
	})
	stop := r.StartWorker(t)
	waiting := r.Waiting(t)
	parked := r.Start(t, waiting[0].Ref)
	gate.Asked(t).Fail(t, fault(conversation.Refused, ""))
	requireState(t, r, parked, workflows.StateNeedsAttention)
	asks := r.Start(t, waiting[1].Ref)
	gate.Asked(t).Answer(t, rig.CallsTools("pay"))
	requireState(t, r, asks, workflows.StateNeedsApproval)

	values := func(name string) map[string]float64 { return metricstest.Values(t, reader, name) }
	overview := &process.Overview{Temporal: r.Client, Namespace: client.DefaultNamespace, TaskQueue: r.TaskQueue, Platforms: []string{r.Name}}
	_, err = overview.Register(provider.Meter("test"))
	require.NoError(t, err)
	on := "platform=" + r.Name
	rig.Eventually(t, func() bool {
		overview.Read(t.Context())
		return values("parley.conversations.parked")["kind=Refused,"+on] == 1 && values("parley.approvals.waiting")[on] == 1 &&
			values("parley.conversations.open")[on] == 2
	}, "what Temporal shows")
	age := values("parley.approvals.age")
	require.Positive(t, age[on])
	require.Less(t, age[on], rig.Patience.Seconds())

	stop()
	r.StartWorker(t)
	require.NoError(t, r.Update(t, parked, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Asked(t).Reply(t)
	require.NoError(t, r.Approve(t, asks, workflows.ApproveRequest{}))
	gate.Asked(t).Reply(t)
	undisturbed := r.Start(t, waiting[2].Ref)
	gate.Asked(t).Reply(t)
	for _, id := range []string{parked, asks, undisturbed} {
		_, err := r.Outcome(t, id)
		require.NoError(t, err)
	}
	by := "agent=" + r.Seeded.AgentID + ","
	at := ",namespace=" + client.DefaultNamespace
	with := "," + on + ",task_queue=" + r.TaskQueue
	require.Equal(t, map[string]float64{by + "namespace=" + client.DefaultNamespace + ",outcome=ended" + with: 3}, values(workflows.MetricClosed))
	require.Equal(t, map[string]float64{by + "kind=Refused" + at + with: 1}, values(workflows.MetricParkings))
	require.Equal(t, map[string]float64{by + "decision=approved" + at + with: 1}, values(workflows.MetricApprovalWait))
	require.Equal(t, map[string]float64{by + "namespace=" + client.DefaultNamespace + with: 1}, values(workflows.MetricTurnOverhead),
		"turns that were parked or waited for approval are left out")
	rig.Eventually(t, func() bool {
		overview.Read(t.Context())
		return len(values("parley.conversations.parked"))+len(values("parley.approvals.waiting")) == 0 && values("parley.conversations.open")[on] == 0
	}, "nothing waits any more")
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: undisturbed, TaskQueue: r.TaskQueue, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflows.ConversationName)
	require.Error(t, err)
	// The dashboard's metrics of the SDK, as the page lists them.
	recorded := metricstest.Recorded(t, reader)
	for _, name := range []string{
		"temporal_worker_task_slots_used", "temporal_worker_task_slots_available", "temporal_activity_schedule_to_start_latency",
		"temporal_workflow_task_execution_latency", "temporal_request", "temporal_request_failure", "temporal_sticky_cache_size", "temporal_num_pollers",
	} {
		require.Contains(t, recorded, name)
	}
	for name, labels := range map[string][]string{
		"temporal_worker_task_slots_used": {"worker_type", "task_queue"}, "temporal_activity_schedule_to_start_latency": {"activity_type", "task_queue"},
		"temporal_workflow_task_execution_latency": {"workflow_type", "task_queue"}, "temporal_request": {"operation"},
		"temporal_request_failure": {"operation", "status_code"}, "temporal_num_pollers": {"poller_type", "task_queue"},
	} {
		require.Subset(t, recorded[name].Labels, labels, name)
	}
}
