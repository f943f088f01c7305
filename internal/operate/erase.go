package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// Erasable is what Temporal has of one conversation.
type Erasable struct {
	records.Conversation
	// Runs are the ids of all its runs: those that continued as new, failed or were
	// terminated, and both sides of a reset. The newest is the last.
	Runs []string
	// Schedule is the name of the schedule that started it. Empty: none did.
	Schedule string
	// Executor is what it was started with. Empty: not known, as without the key.
	Executor string
}

// Ref names the conversation on its platform.
func (e Erasable) Ref() conversation.Ref {
	ref := conversation.Ref{Platform: e.Platform, Project: e.Project, Simulation: e.Simulation, Agent: e.Agent}
	ref.ID = e.ID[min(len(e.ID), len(ref.Platform)+len(ref.Project)+2):]
	return ref
}

// scheduledBy is Temporal's search attribute of the runs of schedules.
const scheduledBy = "TemporalScheduledById"

// Erasable reads what there is of a conversation, by its workflow id.
func (o *Operator) Erasable(ctx context.Context, id string) (Erasable, error) {
	d, err := o.DescribeRun(ctx, id)
	if err != nil {
		return Erasable{}, err
	}
	info := d.GetWorkflowExecutionInfo()
	e := Erasable{Conversation: records.FromInfo(info), Schedule: records.Attribute[string](info, scheduledBy)}
	if e.Runs, err = o.runsOf(ctx, id); err != nil {
		return e, err
	}
	// Visibility may be a second behind.
	e.Runs = slices.DeleteFunc(e.Runs, func(run string) bool { return run == e.RunID })
	if first := info.GetFirstRunId(); first != "" && first != e.RunID && !slices.Contains(e.Runs, first) {
		e.Runs = append(e.Runs, first)
	}
	e.Runs = append(e.Runs, e.RunID)
	e.Executor = o.startedWith(ctx, id, e.RunID)
	return e, nil
}

// startedWith is the executor in the input of a run.
func (o *Operator) startedWith(ctx context.Context, id, run string) string {
	events := o.Client.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return ""
	}
	event, err := events.Next()
	if err != nil {
		return ""
	}
	var in workflows.ConversationInput
	if o.ConverterOf(id).FromPayloads(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in) != nil {
		return ""
	}
	return in.Policy.Executor
}

// runsOf lists the runs that visibility has of a workflow id.
func (o *Operator) runsOf(ctx context.Context, id string) ([]string, error) {
	var runs []string
	err := o.visit(ctx, "WorkflowId = "+records.Quote(id), func(info *workflow.WorkflowExecutionInfo) {
		runs = append(runs, info.GetExecution().GetRunId())
	})
	return runs, err
}

// visit pages through visibility.
func (o *Operator) visit(ctx context.Context, query string, see func(*workflow.WorkflowExecutionInfo)) error {
	var next []byte
	for {
		page, err := o.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 500, NextPageToken: next})
		if err != nil {
			return o.Explain("list", err)
		}
		for _, info := range page.GetExecutions() {
			see(info)
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return nil
		}
	}
}

// Old lists the ids of the conversations that match a filter and whose newest run, as far
// as visibility knows, closed before a time. Zero: open ones too.
func (o *Operator) Old(ctx context.Context, f records.Filter, before time.Time) ([]string, error) {
	query, err := f.Visibility(workflows.ConversationName)
	if err != nil {
		return nil, err
	}
	if !before.IsZero() {
		query += " AND ExecutionStatus != 'Running' AND CloseTime < " + records.Quote(before.UTC().Format(time.RFC3339Nano))
	}
	var ids []string
	seen := make(map[string]bool)
	err = o.visit(ctx, query, func(info *workflow.WorkflowExecutionInfo) {
		if id := info.GetExecution().GetWorkflowId(); !seen[id] {
			seen[id], ids = true, append(ids, id)
		}
	})
	return ids, err
}

// Erase deletes every run of a conversation that is not open, and returns when Temporal
// has deleted them: it does so after it has answered. The newest run is the last, so that
// an erasure that was cut off can be repeated.
func (o *Operator) Erase(ctx context.Context, e Erasable) (runs int, err error) {
	deleted := make(map[string]bool)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		left, err := o.leftOf(ctx, e)
		switch {
		case err != nil:
			return len(deleted), err
		case len(left) == 0:
			return len(deleted), nil
		}
		for _, run := range left {
			if deleted[run] {
				continue // it is under way
			}
			if err := o.deleteRun(ctx, e.ID, run); err != nil {
				return len(deleted), err
			}
			deleted[run] = true
		}
		if err := pause.For(ctx, wait); err != nil {
			return len(deleted), records.Faultf(records.Failed, err, "erase %q: Temporal has not deleted all of its runs yet (%s): repeat the command", e.ID, strings.Join(left, ", "))
		}
	}
}

// leftOf lists the runs that Temporal still has, the newest last. None may be running:
// deletion would terminate it.
func (o *Operator) leftOf(ctx context.Context, e Erasable) ([]string, error) {
	seen, err := o.runsOf(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	newest := ""
	switch d, err := o.DescribeRun(ctx, e.ID); {
	case records.KindOf(err) == records.NotFound:
	case err != nil:
		return nil, err
	default:
		info := d.GetWorkflowExecutionInfo()
		newest = info.GetExecution().GetRunId()
		if info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return nil, records.Faultf(records.Rejected, nil, "erase %q: it is open%s", e.ID, again(newest, e.RunID))
		}
	}
	var left []string
	for _, run := range append(seen, e.Runs...) {
		if run == newest || slices.Contains(left, run) {
			continue
		}
		there := slices.Contains(seen, run)
		if !there {
			if there, err = o.exists(ctx, e.ID, run); err != nil {
				return nil, err
			}
		}
		if there {
			left = append(left, run)
		}
	}
	if newest != "" {
		left = append(left, newest)
	}
	return left, nil
}

// again says of an open run that it began after the one that was to be erased.
func again(newest, was string) string {
	if newest == was {
		return ""
	}
	return ": it was started again meanwhile, by an inbox or a client; end it on its platform first"
}

func (o *Operator) exists(ctx context.Context, id, run string) (bool, error) {
	_, err := o.Client.DescribeWorkflowExecution(ctx, id, run)
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &gone):
		return false, nil
	}
	return false, o.Explain(fmt.Sprintf("describe run %s of %q", run, id), err)
}

func (o *Operator) deleteRun(ctx context.Context, id, run string) error {
	_, err := o.Client.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: o.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: id, RunId: run},
	})
	var gone *serviceerror.NotFound
	if err == nil || errors.As(err, &gone) {
		return nil
	}
	return o.Explain(fmt.Sprintf("delete run %s of %q", run, id), err)
}

// Closed waits until the conversation's workflow has closed.
func (o *Operator) Closed(ctx context.Context, id string) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		d, err := o.DescribeRun(ctx, id)
		if err != nil {
			return err
		}
		if d.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return nil
		}
		if err := pause.For(ctx, wait); err != nil {
			return records.Faultf(records.Failed, err, "wait for the end of %q: it is still open: check that a worker runs on task queue %q", id, o.TaskQueue)
		}
	}
}
