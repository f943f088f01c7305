package idle

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	sdkworkflow "go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/workflows"
)

const (
	// mostInProgress is how many conversations in progress are examined. With more, one is
	// taken to have something due.
	mostInProgress = 200
	// answerWithin is how long Temporal may take for all of them.
	answerWithin = 15 * time.Second
	// mostTaskAttempts is after how many attempts a workflow task counts as one that this
	// build cannot do: its history does not replay, or its key is missing.
	mostTaskAttempts = 3
)

// Temporal is the part of a client.Client that a [Watch] needs.
type Temporal interface {
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// due reports whether a conversation in progress has something due, or whether that cannot
// be read.
func (w *Watch) due(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	due, err := w.readDue(ctx)
	if err != nil && !w.unread && ctx.Err() == nil {
		w.Logger.Warn("cannot read which conversations are in progress: this worker does not end yet", "error", err)
	}
	w.unread = err != nil
	return due || err != nil
}

func (w *Watch) readDue(ctx context.Context) (bool, error) {
	found, err := w.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: w.Namespace, PageSize: mostInProgress, Query: w.inProgress(),
	})
	if err != nil {
		return false, fmt.Errorf("idle: list conversations: %w", err)
	}
	if len(found.GetNextPageToken()) > 0 {
		return true, nil
	}
	until := time.Now().Add(w.For)
	for _, info := range found.GetExecutions() {
		described, err := w.Temporal.DescribeWorkflowExecution(ctx, info.GetExecution().GetWorkflowId(), "")
		if err != nil {
			return false, fmt.Errorf("idle: describe %q: %w", info.GetExecution().GetWorkflowId(), err)
		}
		if w.runs(described.GetWorkflowExecutionInfo()) && isDue(described, until) {
			return true, nil
		}
	}
	return false, nil
}

// inProgress finds the conversations whose next step is theirs.
func (w *Watch) inProgress() string {
	return fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running' AND TaskQueue = '%s' AND %s IN ('%s', '%s', '%s')",
		workflows.ConversationName, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(w.TaskQueue),
		workflows.KeyStatus.GetName(), workflows.StateClaiming, workflows.StateTalking, workflows.StateEnding)
}

// runs reports whether this worker is one of those that get a workflow's tasks.
func (w *Watch) runs(info *workflow.WorkflowExecutionInfo) bool {
	if info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return false // it has ended since
	}
	version, behavior := versions.Of(info)
	if behavior == sdkworkflow.VersioningBehaviorPinned {
		return version == w.Own
	}
	s := w.standing()
	if s == nil {
		return true
	}
	_, can := s.State.CanRun(version, behavior)
	return can && s.Idle == ""
}

// isDue reports whether something of a workflow runs, or is to run until then.
func isDue(d *workflowservice.DescribeWorkflowExecutionResponse, until time.Time) bool {
	if task := d.GetPendingWorkflowTask(); task != nil && task.GetAttempt() <= mostTaskAttempts {
		return true
	}
	for _, pending := range d.GetPendingActivities() {
		if pending.GetActivityType().GetName() == activities.WatchName {
			continue
		}
		switch pending.GetState() {
		case enums.PENDING_ACTIVITY_STATE_PAUSED:
		case enums.PENDING_ACTIVITY_STATE_SCHEDULED:
			next := cmp.Or(pending.GetNextAttemptScheduleTime(), pending.GetScheduledTime())
			if next == nil || !next.AsTime().After(until) {
				return true
			}
		default: // it runs
			return true
		}
	}
	return false
}
