package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/google/uuid"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Temporal is the client of operators who use Temporal's own tools.
type Temporal struct {
	client.Client
	Namespace string
}

func (t Temporal) cancel(ctx context.Context, id string) error { return t.CancelWorkflow(ctx, id, "") }

func (t Temporal) terminate(ctx context.Context, id string) error {
	return t.TerminateWorkflow(ctx, id, "", "chaos")
}

// reset resets the newest run to one of its workflow tasks, also in the middle of a turn.
// Signals and updates after it are applied again, as with "temporal workflow reset".
func (t Temporal) reset(ctx context.Context, id string, random *rand.Rand) (detail string, err error) {
	var points []int64
	events := t.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return "", fmt.Errorf("load: history of %s: %w", id, err)
		}
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			points = append(points, event.GetEventId())
		}
	}
	if len(points) == 0 {
		return "", errors.New("load: it has no workflow task to reset to")
	}
	point := points[random.IntN(len(points))]
	_, err = t.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: t.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: id}, Reason: "chaos",
		WorkflowTaskFinishEventId: point, RequestId: uuid.NewString(),
	})
	return fmt.Sprintf("to event %d", point), err
}
