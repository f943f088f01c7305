package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/replaycheck"
	"github.com/parley-run/parley/internal/versions"
)

// A MoveRequest is an operator's wish that conversations continue on the current version.
type MoveRequest struct {
	By     string
	Reason string
}

// The statuses of a [Result] of Move.
const (
	Moved     = "moved"
	NotPinned = "not_pinned" // it goes to the current version by itself
)

// maxMoved is how many histories one check replays: a report names as many failures.
const maxMoved = 50

// Move lets conversations that are pinned to another version continue on the current one,
// after a worker of it has replayed them. Those that it cannot continue are not changed.
func (o *Operator) Move(ctx context.Context, ids []string, req MoveRequest) ([]Result, error) {
	state, err := o.current(ctx)
	if err != nil {
		return nil, err
	}
	target := state.Current
	if reason, ok := state.CanRun(target, workflow.VersioningBehaviorAutoUpgrade); !ok {
		return nil, records.Faultf(records.NoWorker, nil, "move: %s: %s", reason, state.Remedy(target, workflow.VersioningBehaviorAutoUpgrade))
	}
	var done []Result
	for chunk := range slices.Chunk(ids, maxMoved) {
		refused, err := o.replayable(ctx, target, chunk)
		if err != nil {
			return done, err
		}
		done = append(done, Each(ctx, chunk, func(ctx context.Context, id string) (string, error) {
			if reason, no := refused[id]; no {
				return "", records.Faultf(records.Rejected, nil, "move %q: version %s cannot continue it: %s", id, versions.Name(target), reason)
			}
			return o.move(ctx, id, target, req)
		})...)
	}
	return done, nil
}

// current is the state of the task queue, in which the current version has workers unless
// a second reading has not found any either.
func (o *Operator) current(ctx context.Context) (versions.State, error) {
	state, err := o.Versions(ctx)
	if err != nil || state.Live(state.Current) || state.Doubt() == 0 {
		return state, err
	}
	if err := pause.For(ctx, state.Doubt()); err != nil {
		return state, records.Interrupted("move", err)
	}
	return o.Versions(ctx)
}

// replayable replays conversations on the target, and says why it cannot continue some.
func (o *Operator) replayable(ctx context.Context, target versions.Version, ids []string) (map[string]string, error) {
	report, err := replaycheck.Run(ctx, replaycheck.Target{Client: o.Client, TaskQueue: o.TaskQueue, Version: target}, replaycheck.Request{IDs: ids})
	if errors.Is(err, replaycheck.ErrNoAnswer) {
		return nil, records.Faultf(records.NoWorker, err, "move: no worker of version %s has replayed them in time: see --timeout", versions.Name(target))
	}
	if err != nil {
		return nil, o.Explain("move", err)
	}
	refused := make(map[string]string)
	for _, f := range report.Failures {
		refused[f.ID] = f.Reason
	}
	return refused, nil
}

// move takes off what pins one conversation.
func (o *Operator) move(ctx context.Context, id string, target versions.Version, req MoveRequest) (string, error) {
	d, err := o.DescribeRun(ctx, id)
	if err != nil {
		return "", err
	}
	info := d.GetWorkflowExecutionInfo()
	from, pinned := versions.PinnedTo(info)
	if !pinned || from == target {
		return NotPinned, nil
	}
	detail := fmt.Sprintf("from %s to %s", versions.Name(from), versions.Name(target))
	if req.Reason != "" {
		detail += ": " + req.Reason
	}
	if err := o.Record(ctx, Act{Action: ActionMove, By: req.By, Conversation: id, Detail: detail}); err != nil {
		return "", err
	}
	// It follows the current version from now on, as its code says it should; what is pinned
	// by its code alone needs to be told so.
	_, err = o.Client.UpdateWorkflowExecutionOptions(ctx, client.UpdateWorkflowExecutionOptionsRequest{
		WorkflowId: id, RunId: info.GetExecution().GetRunId(),
		WorkflowExecutionOptionsChanges: client.WorkflowExecutionOptionsChanges{
			VersioningOverride: &client.VersioningOverrideChange{Value: &client.AutoUpgradeVersioningOverride{}},
		},
	})
	if err != nil {
		return "", o.Explain(fmt.Sprintf("move %q", id), err)
	}
	return Moved, nil
}
