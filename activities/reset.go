package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
)

// checkRun refuses to act for a run that was reset: its history ends before things
// that the original run has done on the platform, or has paid for. run is the run id
// that the workflow's state was built on, workflow.Info.OriginalRunID at first. It
// differs from the activity's run in a run that was reset, until the workflow has read
// the context anew and takes the run id of [ContextResult].
func checkRun(ctx context.Context, run string) error {
	if run == "" || run == activity.GetInfo(ctx).WorkflowExecution.RunID {
		return nil
	}
	return &conversation.Error{
		Kind: conversation.Reset,
		Op:   "workflow run",
		Err:  errors.New("the run was reset in Temporal; its history does not show what the original run did after that point"),
	}
}
