package operate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"github.com/parley-run/parley/internal/operate"
	codec "github.com/parley-run/parley/payloads"
	"github.com/parley-run/parley/workflows"
)

// keyless is a Temporal where the open task of every workflow is tried again.
type keyless struct {
	*server
	attempt int32
	tail    []*history.HistoryEvent // the newest first
	reads   int
}

func (k *keyless) DescribeWorkflowExecution(ctx context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	d, err := k.server.DescribeWorkflowExecution(ctx, id, run)
	if err == nil {
		d.PendingWorkflowTask = &workflow.PendingWorkflowTaskInfo{Attempt: k.attempt}
	}
	return d, err
}

func (k *keyless) WorkflowService() workflowservice.WorkflowServiceClient {
	return reversed{keyless: k}
}

type reversed struct {
	workflowservice.WorkflowServiceClient
	keyless *keyless
}

func (r reversed) GetWorkflowExecutionHistoryReverse(
	context.Context, *workflowservice.GetWorkflowExecutionHistoryReverseRequest, ...grpc.CallOption,
) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	r.keyless.mu.Lock()
	defer r.keyless.mu.Unlock()
	r.keyless.reads++
	return &workflowservice.GetWorkflowExecutionHistoryReverseResponse{History: &history.History{Events: r.keyless.tail}}, nil
}

func taskFailed(kind, text string) *history.HistoryEvent {
	return &history.HistoryEvent{
		EventType: enums.EVENT_TYPE_WORKFLOW_TASK_FAILED,
		Attributes: &history.HistoryEvent_WorkflowTaskFailedEventAttributes{WorkflowTaskFailedEventAttributes: &history.WorkflowTaskFailedEventAttributes{
			Failure: &failurepb.Failure{Message: text, FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
				ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: kind},
			}},
		}},
	}
}

func TestWaitsForKey(t *testing.T) {
	t.Parallel()
	missing := (&codec.KeyError{Key: "2025", Workflow: id}).Error()
	signalled := &history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED}
	done := &history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED}
	for name, tc := range map[string]struct {
		state   enums.WorkflowExecutionStatus
		attempt int32
		tail    []*history.HistoryEvent
		waits   bool
		key     string
		reads   int
	}{
		"FirstAttempt":   {running, 1, []*history.HistoryEvent{taskFailed(codec.ErrTypeMissingKey, missing)}, false, "", 0},
		"MissingKey":     {running, 2, []*history.HistoryEvent{taskFailed(codec.ErrTypeMissingKey, missing)}, true, "2025", 1},
		"SignalsAfter":   {running, 7, []*history.HistoryEvent{signalled, signalled, taskFailed(codec.ErrTypeMissingKey, missing)}, true, "2025", 1},
		"OtherKey":       {running, 2, []*history.HistoryEvent{taskFailed(codec.ErrTypeUnreadable, "payload does not open")}, true, "", 1},
		"OtherFailure":   {running, 2, []*history.HistoryEvent{taskFailed("PanicError", "nondeterministic")}, false, "", 1},
		"DoneSince":      {running, 2, []*history.HistoryEvent{done, taskFailed(codec.ErrTypeMissingKey, missing)}, false, "", 1},
		"NoWorkerForIt":  {running, 3, nil, false, "", 1},
		"HasEnded":       {completed, 2, []*history.HistoryEvent{taskFailed(codec.ErrTypeMissingKey, missing)}, false, "", 0},
		"WasTerminated":  {terminated, 2, []*history.HistoryEvent{taskFailed(codec.ErrTypeMissingKey, missing)}, false, "", 0},
		"NoPendingAtAll": {running, 0, nil, false, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &keyless{server: &server{}, attempt: tc.attempt, tail: tc.tail}
			k.put(workflows.ConversationName, id, "run", tc.state)
			o := newOperatorOf(k)
			c, err := o.Describe(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, tc.reads, k.reads)
			require.Equal(t, tc.waits, c.Status == operate.StatusWaitsForKey)
			require.Equal(t, tc.waits, c.WaitsFor != nil && c.NeedsOperator())
			page, err := o.List(t.Context(), operate.Filter{Statuses: []string{"waits-for-key"}}, 0)
			require.NoError(t, err)
			require.Equal(t, tc.waits, len(page.Conversations) == 1)
			if tc.waits {
				require.Equal(t, tc.key, c.WaitsFor.Key)
			}
		})
	}
}

func newOperatorOf(c client.Client) *operate.Operator {
	return &operate.Operator{Client: c, Address: "localhost:7233", Namespace: "default", TaskQueue: "parley"}
}
