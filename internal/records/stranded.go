package records

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"

	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/workflows"
)

// StatusStranded is the status of an open conversation that no worker can run.
const StatusStranded = "stranded"

// Stranded says why no worker can run a workflow.
type Stranded struct {
	// Version is the one whose workers it waits for, "deployment:build". Empty: any worker
	// without versioning.
	Version string `json:"version,omitempty"`
	Reason  string `json:"reason"`
	Remedy  string `json:"remedy"`
	// Was is the status that the workflow itself recorded last.
	Was string `json:"was,omitempty"`
}

const (
	// stateHeld is how long one state of a task queue serves all questions.
	stateHeld = 2 * time.Second
	// statePatience bounds the wait for it: without one nothing counts as stranded.
	statePatience = 5 * time.Second
)

// Versions reads which versions have workers on the operator's task queue. The answer is
// at most some seconds old.
func (r *Reader) Versions(ctx context.Context) (versions.State, error) {
	return r.VersionsOf(ctx, r.TaskQueue)
}

func (r *Reader) VersionsOf(ctx context.Context, queue string) (versions.State, error) {
	r.prepare.Do(func() {
		r.states = &versions.Cache{Reader: versions.Reader{Client: r.Client, Namespace: r.Namespace}, MaxAge: stateHeld}
	})
	bounded, cancel := context.WithTimeout(ctx, statePatience)
	defer cancel()
	state, err := r.states.Read(bounded, queue)
	if err != nil {
		return state, r.Explain(fmt.Sprintf("read the workers of task queue %q", queue), err)
	}
	return state, nil
}

// StrandedOf says why no worker can run a workflow. Nil: one can, the workflow has closed,
// or that cannot be found out.
func (r *Reader) StrandedOf(ctx context.Context, info *workflow.WorkflowExecutionInfo) *Stranded {
	if info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING || info.GetTaskQueue() == "" {
		return nil
	}
	state, err := r.VersionsOf(ctx, info.GetTaskQueue())
	if err != nil {
		return nil
	}
	return strandedIn(state, info)
}

func strandedIn(state versions.State, info *workflow.WorkflowExecutionInfo) *Stranded {
	v, behavior := versions.Of(info)
	reason, ok := state.CanRun(v, behavior)
	if ok {
		return nil
	}
	s := &Stranded{Reason: reason, Remedy: state.Remedy(v, behavior), Was: Attribute[string](info, workflows.KeyStatus.GetName())}
	if target := state.Target(v, behavior); target != (versions.Version{}) {
		s.Version = versions.Name(target)
	}
	return s
}

// RefuseStranded is a fault if no worker can run a workflow, which would hold an act of
// an operator until it times out.
func (r *Reader) RefuseStranded(ctx context.Context, id, op string) error {
	d, err := r.Client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return nil // the act itself explains that
	}
	info := d.GetWorkflowExecutionInfo()
	s := r.StrandedOf(ctx, info)
	if s == nil {
		return nil
	}
	if state, _ := r.VersionsOf(ctx, info.GetTaskQueue()); state.Doubt() > 0 {
		if err := pause.For(ctx, state.Doubt()); err != nil {
			return Interrupted(op, err)
		}
		if s = r.StrandedOf(ctx, info); s == nil {
			return nil
		}
	}
	return Faultf(NoWorker, nil, "%s: it is stranded: %s; nothing was changed: %s", op, s.Reason, s.Remedy)
}

// strandedQuery is the visibility condition of the status stranded, for the operator's
// task queue.
func (r *Reader) strandedQuery(ctx context.Context) (string, error) {
	state, err := r.Versions(ctx)
	if err != nil {
		return "", err
	}
	return state.StrandedQuery(), nil
}
