package operate

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// End ends a conversation on its platform.
func (o *Operator) End(ctx context.Context, id string, req workflows.EndRequest) (workflows.Status, error) {
	return o.update(ctx, id, workflows.UpdateEnd, "end", req)
}

// Pause stops a conversation before its next step.
func (o *Operator) Pause(ctx context.Context, id string, req workflows.PauseRequest) (workflows.Status, error) {
	return o.update(ctx, id, workflows.UpdatePause, "pause", req)
}

// Resume goes on with a paused or parked conversation.
func (o *Operator) Resume(ctx context.Context, id string, req workflows.ResumeRequest) (workflows.Status, error) {
	return o.update(ctx, id, workflows.UpdateResume, "resume", req)
}

// Takeover answers the next turn in place of the executor.
func (o *Operator) Takeover(ctx context.Context, id string, req workflows.TakeoverRequest) (workflows.Status, error) {
	return o.update(ctx, id, workflows.UpdateTakeover, "take over", req)
}

// Approve allows or refuses a tool call that requires approval.
func (o *Operator) Approve(ctx context.Context, id string, req workflows.ApproveRequest) (workflows.Status, error) {
	return o.update(ctx, id, workflows.UpdateApprove, "approve", req)
}

// Waiting lists the tool calls of a conversation that wait for approval.
func (o *Operator) Waiting(ctx context.Context, id string) ([]workflows.Approval, error) {
	value, err := o.Client.QueryWorkflow(ctx, id, "", workflows.QueryStatus)
	if err != nil {
		return nil, o.Explain(fmt.Sprintf("list approvals of %q", id), err)
	}
	var status workflows.Status
	if err := value.Get(&status); err != nil {
		return nil, o.Explain(fmt.Sprintf("list approvals of %q", id), err)
	}
	return status.Approvals, nil
}

func (o *Operator) update(ctx context.Context, id, name, op string, req any) (workflows.Status, error) {
	var status workflows.Status
	err := o.send(ctx, id, name, op, req, &status)
	if records.KindOf(err) != records.Ended {
		return status, err
	}
	// The ending makes the message more useful, where it can be read.
	if record, e := o.Show(ctx, id); e == nil && record.Result() != "" {
		err = records.Faultf(records.Ended, err, "%s %q: it has ended: %s after %d turns", op, id, record.Result(), record.Turns)
	}
	return status, err
}

// send sends an update and waits for its answer.
func (o *Operator) send(ctx context.Context, id, name, op string, req, into any) error {
	op = fmt.Sprintf("%s %q", op, id)
	if err := o.RefuseStranded(ctx, id, op); err != nil {
		return err
	}
	handle, err := o.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, Args: []any{req}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, into)
	}
	var (
		gone     *serviceerror.NotFound
		rejected *temporal.ApplicationError
		late     *client.WorkflowUpdateServiceTimeoutOrCanceledError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &rejected):
		return records.Faultf(records.Rejected, err, "%s: %s", op, records.FirstLine(rejected))
	case errors.As(err, &gone):
		return o.closedOrAbsent(ctx, id, op, err)
	case errors.As(err, &late) && !errors.Is(context.Cause(ctx), context.Canceled):
		return records.Faultf(records.NoWorker, err, "%s: no worker answered in time: check that one runs on task queue %q; the request may still take effect", op, o.TaskQueue)
	}
	return o.Explain(op, err)
}

// closedOrAbsent tells a workflow that has closed from one that never existed.
func (o *Operator) closedOrAbsent(ctx context.Context, id, op string, cause error) error {
	if _, err := o.DescribeRun(ctx, id); err != nil {
		return err
	}
	return records.Faultf(records.Ended, cause, "%s: it has ended", op)
}

// A Result is the result of an operation on one of many.
type Result struct {
	ID     string `json:"id"`
	Status string `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`

	Err error `json:"-"`
}

// Each runs an operation on many conversations, several at a time, and returns the
// results in their order. A failure does not stop the others.
func Each(ctx context.Context, ids []string, do func(ctx context.Context, id string) (status string, err error)) []Result {
	done := make([]Result, len(ids))
	var group errgroup.Group
	group.SetLimit(records.Parallel)
	for i, id := range ids {
		group.Go(func() error {
			status, err := do(ctx, id)
			done[i] = Result{ID: id, Status: status, Err: err}
			if err != nil {
				done[i].Error = err.Error()
			}
			return nil
		})
	}
	_ = group.Wait()
	return done
}

// Matching lists the ids of the open conversations that match a filter.
func (o *Operator) Matching(ctx context.Context, f records.Filter) ([]string, error) {
	query, err := o.ConversationQuery(ctx, f)
	if err != nil {
		return nil, err
	}
	return o.openIDs(ctx, query)
}

func (o *Operator) openIDs(ctx context.Context, query string) ([]string, error) {
	found, err := o.Search(ctx, query+" AND ExecutionStatus = 'Running'", 0)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(found))
	for i, c := range found {
		ids[i] = c.ID
	}
	return ids, nil
}
