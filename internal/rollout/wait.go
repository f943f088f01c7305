package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/replaycheck"
	"github.com/parley-run/parley/internal/versions"
)

// awaitWorkers waits until workers of the version poll the task queue, and the others that
// the current version has open workflows on.
func (r Rollout) awaitWorkers(ctx context.Context) (versions.State, error) {
	deadline, told := time.Now().Add(r.Patience), ""
	for {
		state, missing, err := r.missing(ctx)
		if err != nil || missing == "" {
			return state, err
		}
		if time.Now().After(deadline) {
			return state, fmt.Errorf("rollout: %s: %w on %s within %v: start one with --deployment-name %s --build-id %s; "+
				"if it exits with 3, its build cannot continue open workflows", versions.Name(r.Target), ErrNoWorkers, missing, r.Patience,
				r.Target.DeploymentName, r.Target.BuildID)
		}
		if missing != told {
			r.Tell("waiting for workers of %s on %s", versions.Name(r.Target), missing)
			told = missing
		}
		if err := pause.For(ctx, often); err != nil {
			return state, err
		}
	}
}

// missing names what the version does not poll yet. Empty: nothing.
func (r Rollout) missing(ctx context.Context) (versions.State, string, error) {
	state, err := r.read(ctx)
	if err != nil {
		return state, "", err
	}
	if !state.Live(r.Target) {
		return state, fmt.Sprintf("task queue %q", r.TaskQueue), nil
	}
	polled, err := r.polled(ctx, r.Target)
	if err != nil {
		return state, "", err
	}
	var missing []string
	for _, kind := range []client.TaskQueueType{client.TaskQueueTypeWorkflow, client.TaskQueueTypeActivity} {
		if !slices.Contains(polled, client.WorkerDeploymentTaskQueueInfo{Name: r.TaskQueue, Type: kind}) {
			missing = append(missing, queueName(r.TaskQueue, kind))
		}
	}
	if state.Current.DeploymentName != r.Target.DeploymentName || state.Current == r.Target {
		return state, strings.Join(missing, ", "), nil
	}
	before, err := r.polled(ctx, state.Current)
	if err != nil {
		return state, "", err
	}
	for _, queue := range before {
		if queue.Name == r.TaskQueue || slices.Contains(polled, queue) {
			continue
		}
		used, err := r.count(ctx, open(queue.Name))
		if err != nil {
			return state, "", err
		}
		if used > 0 {
			missing = append(missing, queueName(queue.Name, queue.Type))
		}
	}
	return state, strings.Join(missing, ", "), nil
}

func queueName(name string, kind client.TaskQueueType) string {
	if kind == client.TaskQueueTypeActivity {
		return fmt.Sprintf("task queue %q (activities)", name)
	}
	return fmt.Sprintf("task queue %q", name)
}

// polled are the task queues that a version has polled.
func (r Rollout) polled(ctx context.Context, v versions.Version) ([]client.WorkerDeploymentTaskQueueInfo, error) {
	d, err := r.handle().DescribeVersion(ctx, client.WorkerDeploymentDescribeVersionOptions{BuildID: v.BuildID})
	var absent *serviceerror.NotFound
	if errors.As(err, &absent) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rollout: describe %s: %w", versions.Name(v), err)
	}
	return d.Info.TaskQueuesInfos, nil
}

// Pinned counts the open workflows that only one version runs.
type Pinned struct {
	Version string `json:"version"`
	Open    int    `json:"open"`
}

// drain counts what is pinned to other versions and, if it is to be waited for, returns
// once nothing is.
func (r Rollout) drain(ctx context.Context, result *Result) error {
	told := ""
	for {
		var err error
		if result.Pinned, err = r.pinned(ctx); err != nil {
			return err
		}
		if !r.Wait || len(result.Pinned) == 0 {
			return nil
		}
		if text := fmt.Sprint(result.Pinned); text != told {
			told = text
			for _, p := range result.Pinned {
				r.Tell("waiting: open workflows that are pinned to %s: %d", p.Version, p.Open)
			}
		}
		if err := pause.For(ctx, 4*often); err != nil {
			return err
		}
	}
}

// pinned counts by version, without those that have none.
func (r Rollout) pinned(ctx context.Context) ([]Pinned, error) {
	state, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	var all []Pinned
	for _, v := range state.Versions {
		if v.Version == r.Target || v.Version == (versions.Version{}) {
			continue
		}
		n, err := r.count(ctx, fmt.Sprintf("%s AND TemporalWorkflowVersioningBehavior = 'Pinned' AND TemporalWorkerDeploymentVersion = %s",
			open(r.TaskQueue), quote(versions.Name(v.Version))))
		if err != nil {
			return nil, err
		}
		if n > 0 {
			all = append(all, Pinned{Version: versions.Name(v.Version), Open: n})
		}
	}
	return all, nil
}

func (r Rollout) count(ctx context.Context, query string) (int, error) {
	counted, err := r.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	if err != nil {
		return 0, fmt.Errorf("rollout: count open workflows: %w", err)
	}
	return int(counted.GetCount()), nil
}

func open(queue string) string {
	return fmt.Sprintf("TaskQueue = %s AND ExecutionStatus = 'Running' AND WorkflowType != %s", quote(queue), quote(replaycheck.WorkflowName))
}

// quote makes a value safe in a visibility query.
func quote(value string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(value, `\`, `\\`), "'", `\'`) + "'"
}
