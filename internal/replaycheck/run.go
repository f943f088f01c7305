package replaycheck

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/versions"
)

// ErrNoAnswer: no worker of the version has run the check in time.
var ErrNoAnswer = errors.New("replaycheck: no worker has run it in time")

// A Target is the version that is to run a check.
type Target struct {
	Client    client.Client
	TaskQueue string
	// Version must have workers. Zero: workers without a version.
	Version worker.WorkerDeploymentVersion
}

// Run has a worker of the version check, and returns its report. When ctx is done, the
// check is ended.
func Run(ctx context.Context, t Target, req Request) (Report, error) {
	options := client.StartWorkflowOptions{
		ID:                       "replaycheck/" + uuid.NewString(),
		TaskQueue:                t.TaskQueue,
		WorkflowExecutionTimeout: 2 * maxDuration,
		StaticSummary:            printable.MarkdownClip("replay check on "+versions.Name(t.Version), 200),
	}
	if t.Version.DeploymentName != "" {
		options.VersioningOverride = &client.PinnedVersioningOverride{Version: t.Version}
	}
	run, err := t.start(ctx, options, req)
	if err != nil {
		return Report{}, fmt.Errorf("replaycheck: start it on %s: %w", versions.Name(t.Version), err)
	}
	var report Report
	err = run.Get(ctx, &report)
	if err == nil {
		return report, nil
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = t.Client.TerminateWorkflow(ending, run.GetID(), run.GetRunID(), "its caller has gone") // its timeout ends it otherwise
	var late *serviceerror.DeadlineExceeded
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) {
		return Report{}, fmt.Errorf("%w on %s (workflow %s)", ErrNoAnswer, versions.Name(t.Version), run.GetID())
	}
	return Report{}, fmt.Errorf("replaycheck: on %s: %w", versions.Name(t.Version), err)
}

const (
	// registered is how long a version may be unknown to its task queue although its workers
	// poll: Temporal records a new version some time after the first poll, and remembers for
	// a second that it did not know it.
	registered = 15 * time.Second
	askAgain   = 250 * time.Millisecond
)

// start starts the check.
func (t Target) start(ctx context.Context, options client.StartWorkflowOptions, req Request) (client.WorkflowRun, error) {
	for began := time.Now(); ; {
		run, err := t.Client.ExecuteWorkflow(ctx, options, WorkflowName, req)
		var unknown *serviceerror.FailedPrecondition
		if !errors.As(err, &unknown) || time.Since(began) > registered {
			return run, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(askAgain):
		}
	}
}
