package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/printable"
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
			StaticSummary:            printable.Clip("capacity of "+platform, 200),
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
	out.Untaken, err = r.untaken(ctx, d)
	return out, err
}

// unstarted is how long an activity waits before it is asked whether a worker can
// take it at all.
const unstarted = 30 * time.Second

// untaken names a task of the workflow that no worker has taken, where that may be
// because none can: a workflow task takes a worker no time, and an activity may wait
// for a busy worker, but not for one that is not there.
func (r Runs) untaken(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) (string, error) {
	if task := d.GetPendingWorkflowTask(); task.GetState() == enums.PENDING_WORKFLOW_TASK_STATE_SCHEDULED {
		return "workflow task of " + task.GetOriginalScheduledTime().AsTime().Format(time.RFC3339Nano), nil
	}
	for _, a := range d.GetPendingActivities() {
		at := a.GetScheduledTime().AsTime()
		if a.GetState() != enums.PENDING_ACTIVITY_STATE_SCHEDULED || time.Since(at) < unstarted {
			continue
		}
		polled, err := r.polled(ctx, d.GetWorkflowExecutionInfo())
		if err != nil || polled {
			return "", err
		}
		return fmt.Sprintf("activity %s, attempt %d", a.GetActivityId(), a.GetAttempt()), nil
	}
	return "", nil
}

// pollerGone is how long before the newest poll of a task queue a worker that is
// there has polled last: a poll lasts a minute.
const pollerGone = 75 * time.Second

// polled reports whether a worker of the workflow's version polls its task queue.
func (r Runs) polled(ctx context.Context, info *workflow.WorkflowExecutionInfo) (bool, error) {
	d, err := r.Client.DescribeTaskQueue(ctx, info.GetTaskQueue(), enums.TASK_QUEUE_TYPE_ACTIVITY)
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var newest time.Time
	for _, p := range d.GetPollers() {
		if at := p.GetLastAccessTime().AsTime(); at.After(newest) {
			newest = at
		}
	}
	for _, p := range d.GetPollers() {
		if newest.Sub(p.GetLastAccessTime().AsTime()) < pollerGone && runs(p, info.GetVersioningInfo()) {
			return true, nil
		}
	}
	return false, nil
}

// runs reports whether a worker has the version that a workflow is pinned to.
func runs(p *taskqueue.PollerInfo, v *workflow.WorkflowExecutionVersioningInfo) bool {
	options := p.GetDeploymentOptions()
	versioned := options.GetWorkerVersioningMode() == enums.WORKER_VERSIONING_MODE_VERSIONED
	pinned := v.GetDeploymentVersion()
	if pinned == nil {
		return !versioned
	}
	return versioned && options.GetDeploymentName() == pinned.GetDeploymentName() && options.GetBuildId() == pinned.GetBuildId()
}
