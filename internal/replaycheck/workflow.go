package replaycheck

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Names recorded in histories. Renaming one strands open runs.
const (
	WorkflowName = "ReplayCheck"
	ActivityName = "replaycheck.Replay"
)

// maxDuration bounds a check. A history takes milliseconds.
const maxDuration = 30 * time.Minute

// activityOptions find a dead worker in seconds. A check has no effects: it may be repeated.
func activityOptions() workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: maxDuration,
		HeartbeatTimeout:    20 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: 10 * time.Second},
		Summary:             "replay open workflows",
	}
}

// Workflow runs one check on a worker of the version that it is pinned to.
func Workflow(ctx workflow.Context, req Request) (Report, error) {
	var report Report
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, activityOptions()), ActivityName, req).Get(ctx, &report)
	if err == nil {
		workflow.SetCurrentDetails(ctx, report.String()+"\n")
	}
	return report, err
}

// RegisterWorkflow makes the workflow known under its recorded name. It stays on the
// version that it checks.
func RegisterWorkflow(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(Workflow, workflow.RegisterOptions{Name: WorkflowName, VersioningBehavior: workflow.VersioningBehaviorPinned})
}
