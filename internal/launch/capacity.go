package launch

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/workflows"
)

// capacityPatience is how long the owner of a capacity has to answer: any worker of
// the task queue runs it.
const capacityPatience = 20 * time.Second

// Reserve implements activities.Runs. It starts the owner of the capacity if there
// is none.
func (r Runs) Reserve(ctx context.Context, platform string, req activities.ReserveRequest) (out activities.ReserveResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, capacityPatience)
	defer cancel()
	handle, err := r.Client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: r.Client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
			ID:                       workflows.CapacityID(platform),
			TaskQueue:                r.taskQueue(),
			WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			StaticSummary:            printable.MarkdownClip("capacity of "+platform, maxSummary),
		}, workflows.CapacityName, workflows.CapacityInput{Platform: platform}),
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: workflows.CapacityID(platform), UpdateName: workflows.UpdateReserve, Args: []any{req},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err == nil {
		err = handle.Get(ctx, &out)
	}
	return out, err
}

// RemoveLimit implements activities.Runs.
func (r Runs) RemoveLimit(ctx context.Context, platform string) error {
	ctx, cancel := context.WithTimeout(ctx, capacityPatience)
	defer cancel()
	handle, err := r.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.CapacityID(platform), UpdateName: workflows.UpdateReserve,
		Args: []any{activities.ReserveRequest{Limit: -1}}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if notFound(err) {
		return nil
	}
	return err
}

// Capacity implements activities.Runs. Where no conversation has ever counted, all
// capacity is free.
func (r Runs) Capacity(ctx context.Context, platform string) (status activities.CapacityStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, capacityPatience)
	defer cancel()
	id := workflows.CapacityID(platform)
	d, err := r.Client.DescribeWorkflowExecution(ctx, id, "")
	if notFound(err) || err == nil && d.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return status, nil
	}
	if err != nil {
		return status, err
	}
	value, err := r.Client.QueryWorkflow(ctx, id, "", workflows.QueryStatus)
	if err != nil {
		return status, fmt.Errorf("query %q: %w", id, err)
	}
	return status, value.Get(&status)
}

// Describe implements activities.Runs.
func (r Runs) Describe(ctx context.Context, workflowID string) (activities.RunInfo, error) {
	d, err := r.Client.DescribeWorkflowExecution(ctx, workflowID, "")
	if notFound(err) {
		return activities.RunInfo{}, nil
	}
	if err != nil {
		return activities.RunInfo{}, err
	}
	info := d.GetWorkflowExecutionInfo()
	out := activities.RunInfo{Exists: true, Running: info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING}
	if !out.Running {
		out.Closed = info.GetCloseTime().AsTime()
		return out, nil
	}
	var status string
	if payload, ok := info.GetSearchAttributes().GetIndexedFields()[workflows.KeyStatus.GetName()]; ok {
		_ = defaultConverter.FromPayload(payload, &status) // unreadable: it counts as going on
	}
	switch workflows.State(status) {
	case workflows.StateNeedsAttention, workflows.StatePaused, workflows.StateWaiting:
		out.Parked = true
	}
	out.Untaken = r.untaken(ctx, d)
	return out, nil
}

// untaken says why no worker takes a task of a workflow, where that may last: none has
// its version, or a workflow task waits, which takes a worker no time. An activity may
// wait for a busy worker.
func (r Runs) untaken(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) string {
	for _, a := range d.GetPendingActivities() {
		if a.GetState() == enums.PENDING_ACTIVITY_STATE_STARTED {
			return "" // a worker that stops may still be busy with it
		}
	}
	if r.Workers != nil {
		state, err := r.Workers.Read(ctx, d.GetWorkflowExecutionInfo().GetTaskQueue())
		if err == nil {
			if reason, ok := state.CanRun(versions.Of(d.GetWorkflowExecutionInfo())); !ok {
				return reason
			}
		}
	}
	if task := d.GetPendingWorkflowTask(); task.GetState() == enums.PENDING_WORKFLOW_TASK_STATE_SCHEDULED {
		return "workflow task of " + task.GetOriginalScheduledTime().AsTime().Format(time.RFC3339Nano)
	}
	return ""
}
