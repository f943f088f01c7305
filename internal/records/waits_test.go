package records_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	codec "github.com/parley-run/parley/payloads"
	"github.com/parley-run/parley/workflows"
)

// keyless is a Temporal where the open task of every workflow is tried again.
type keyless struct {
	*recordstest.Server
	attempt int32
	tail    []*history.HistoryEvent // the newest first
	mu      sync.Mutex
	reads   int
}

func (k *keyless) DescribeWorkflowExecution(ctx context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	d, err := k.Server.DescribeWorkflowExecution(ctx, id, run)
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
		"FirstAttempt":   {recordstest.Running, 1, []*history.HistoryEvent{taskFailed(codec.ErrTypeMissingKey, missing)}, false, "", 0},
		"MissingKey":     {recordstest.Running, 2, []*history.HistoryEvent{taskFailed(codec.ErrTypeMissingKey, missing)}, true, "2025", 1},
		"SignalsAfter":   {recordstest.Running, 7, []*history.HistoryEvent{signalled, signalled, taskFailed(codec.ErrTypeMissingKey, missing)}, true, "2025", 1},
		"OtherKey":       {recordstest.Running, 2, []*history.HistoryEvent{taskFailed(codec.ErrTypeUnreadable, "payload does not open")}, true, "", 1},
		"OtherFailure":   {recordstest.Running, 2, []*history.HistoryEvent{taskFailed("PanicError", "nondeterministic")}, false, "", 1},
		"DoneSince":      {recordstest.Running, 2, []*history.HistoryEvent{done, taskFailed(codec.ErrTypeMissingKey, missing)}, false, "", 1},
		"NoWorkerForIt":  {recordstest.Running, 3, nil, false, "", 1},
		"HasEnded":       {recordstest.Completed, 2, []*history.HistoryEvent{taskFailed(codec.ErrTypeMissingKey, missing)}, false, "", 0},
		"WasTerminated":  {recordstest.Terminated, 2, []*history.HistoryEvent{taskFailed(codec.ErrTypeMissingKey, missing)}, false, "", 0},
		"NoPendingAtAll": {recordstest.Running, 0, nil, false, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &keyless{Server: &recordstest.Server{}, attempt: tc.attempt, tail: tc.tail}
			k.Put(workflows.ConversationName, id, "run", tc.state)
			o := newReader(k)
			c, err := o.Describe(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, tc.reads, k.reads)
			require.Equal(t, tc.waits, c.Status == records.StatusWaitsForKey)
			require.Equal(t, tc.waits, c.WaitsFor != nil && c.NeedsOperator())
			page, err := o.List(t.Context(), records.Filter{Statuses: []string{"waits-for-key"}}, 0)
			require.NoError(t, err)
			require.Equal(t, tc.waits, len(page.Conversations) == 1)
			if tc.waits {
				require.Equal(t, tc.key, c.WaitsFor.Key)
			}
		})
	}
}

func newReader(c client.Client) *records.Reader {
	return &records.Reader{Client: c, Address: "localhost:7233", Namespace: "default", TaskQueue: "parley"}
}
