// Package rollout makes a version of the worker the current one of its deployment, in
// steps: it waits for workers of the version, has them replay what is open, ramps, makes
// the version current, and waits until nothing needs an older one. Every step is one that
// Temporal's own commands can make too, so a rollout that was interrupted can be continued,
// or taken back, with either.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/replaycheck"
	"github.com/parley-run/parley/internal/versions"
)

// The reasons why a rollout stops.
var (
	// ErrReplay: the version cannot continue open workflows.
	ErrReplay = errors.New("it cannot continue open workflows")
	// ErrNoWorkers: the version has no workers where it needs them.
	ErrNoWorkers = errors.New("it has no workers")
)

// A Rollout is one change of the current version.
type Rollout struct {
	Client    client.Client
	Namespace string
	TaskQueue string
	Target    versions.Version
	// By is recorded by Temporal as who changed the deployment.
	By string
	// Ramp are the percentages of the steps before the version becomes current, and Hold is
	// how long each lasts. Nil: it becomes current at once.
	Ramp []float32
	Hold time.Duration
	// Patience is how long workers of the version are waited for.
	Patience time.Duration
	// Check is what has to be replayed before each step. Nil: nothing.
	Check *replaycheck.Request
	// Wait stays until nothing is pinned to another version.
	Wait bool
	// Tell reports progress, a line each.
	Tell func(format string, args ...any)

	memory *versions.Memory
}

// A Result is what a rollout has done, and the state that it leaves.
type Result struct {
	TaskQueue  string `json:"task_queue"`
	Deployment string `json:"deployment"`
	Build      string `json:"build"`
	// Before was current, "deployment:build". Empty: workers without a version.
	Before string `json:"before,omitempty"`
	// Current and Ramping say what gets work now.
	Current     string  `json:"current,omitempty"`
	Ramping     string  `json:"ramping,omitempty"`
	RampPercent float32 `json:"ramp_percent,omitempty"`
	// Replay is the newest replay check.
	Replay *replaycheck.Report `json:"replay,omitempty"`
	// Pinned are open workflows that other versions must finish.
	Pinned []Pinned `json:"pinned,omitempty"`
}

// Done reports that the version gets all work.
func (r Result) Done() bool {
	return r.Current == versions.Name(versions.Version{DeploymentName: r.Deployment, BuildID: r.Build}) && r.RampPercent == 0
}

// checkTime bounds one replay check.
const checkTime = 15 * time.Minute

// often is how often a state is read while something is waited for.
const often = 500 * time.Millisecond

// Run makes the change. Also with an error, the result has the state that is left.
func (r Rollout) Run(ctx context.Context) (Result, error) {
	r.memory = new(versions.Memory)
	result := Result{TaskQueue: r.TaskQueue, Deployment: r.Target.DeploymentName, Build: r.Target.BuildID}
	state, err := r.awaitWorkers(ctx)
	result.from(state)
	result.Before = result.Current
	if err != nil {
		return result, err
	}
	err = r.steps(ctx, state, &result)
	if err == nil {
		err = r.drain(ctx, &result)
	}
	reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if state, e := r.read(reading); e == nil {
		result.from(state)
	}
	return result, err
}

func (r *Result) from(s versions.State) {
	r.Current, r.Ramping, r.RampPercent = "", "", s.RampPercent
	if s.Current != (versions.Version{}) {
		r.Current = versions.Name(s.Current)
	}
	if s.RampPercent > 0 {
		r.Ramping = versions.Name(s.Ramping)
	}
}

func (r Rollout) read(ctx context.Context) (versions.State, error) {
	return versions.Reader{Client: r.Client, Namespace: r.Namespace, Memory: r.memory}.Read(ctx, r.TaskQueue, r.Target.DeploymentName)
}

func (r Rollout) steps(ctx context.Context, state versions.State, result *Result) error {
	name := versions.Name(r.Target)
	if state.Current != r.Target {
		for _, percent := range r.Ramp {
			if err := r.replay(ctx, result); err != nil {
				return err
			}
			r.Tell("%s ramps at %v %% for %v", name, percent, r.Hold)
			if err := r.ramp(ctx, r.Target.BuildID, percent); err != nil {
				return err
			}
			if err := r.hold(ctx); err != nil {
				return err
			}
		}
	}
	if err := r.replay(ctx, result); err != nil {
		return err
	}
	return r.makeCurrent(ctx)
}

func (r Rollout) handle() client.WorkerDeploymentHandle {
	return r.Client.WorkerDeploymentClient().GetHandle(r.Target.DeploymentName)
}

func (r Rollout) ramp(ctx context.Context, build string, percent float32) error {
	_, err := r.handle().SetRampingVersion(ctx, client.WorkerDeploymentSetRampingVersionOptions{BuildID: build, Percentage: percent, Identity: r.By})
	if err != nil {
		return fmt.Errorf("rollout: ramp: %w", err)
	}
	return nil
}

// makeCurrent gives the version all work, that of a ramping one too.
func (r Rollout) makeCurrent(ctx context.Context) error {
	_, err := r.handle().SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: r.Target.BuildID, Identity: r.By})
	if err != nil {
		return fmt.Errorf("rollout: make %s current: %w", versions.Name(r.Target), err)
	}
	for {
		state, err := r.read(ctx)
		switch {
		case err != nil:
			return err
		case state.Current != r.Target: // Temporal tells the task queue a moment later
		case state.RampPercent == 0 && state.Ramping == (versions.Version{}):
			return nil
		case state.Ramping != r.Target:
			if err := r.ramp(ctx, "", 0); err != nil {
				return err
			}
		}
		if err := pause.For(ctx, often); err != nil {
			return err
		}
	}
}

// replay has the version replay what is open.
func (r Rollout) replay(ctx context.Context, result *Result) error {
	if r.Check == nil {
		return nil
	}
	checking, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	report, err := replaycheck.Run(checking, replaycheck.Target{Client: r.Client, TaskQueue: r.TaskQueue, Version: r.Target}, *r.Check)
	if err != nil {
		return err
	}
	result.Replay = &report
	r.Tell("replay check on %s: %s", versions.Name(r.Target), report)
	switch {
	case !report.OK():
		return fmt.Errorf("rollout: %s: %w", versions.Name(r.Target), ErrReplay)
	case report.Unread > 0 && report.Replayed == 0:
		return fmt.Errorf("rollout: %s: no history could be read: %s", versions.Name(r.Target), report.Reason)
	}
	return nil
}

// hold lets a step last, and stops if the version loses its workers.
func (r Rollout) hold(ctx context.Context) error {
	until := time.Now().Add(r.Hold)
	missing := 0
	for {
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		if err := pause.For(ctx, min(left, 5*time.Second)); err != nil {
			return err
		}
		state, err := r.read(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil || state.Live(r.Target): // a Temporal that is busy says nothing about workers
			missing = 0
		default:
			missing++
		}
		if missing >= 3 {
			return fmt.Errorf("rollout: %s while it ramps: %w", versions.Name(r.Target), ErrNoWorkers)
		}
	}
}
