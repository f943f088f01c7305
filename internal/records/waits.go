package records

import (
	"context"
	"slices"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/payloads"
	"github.com/parley-run/parley/workflows"
)

// StatusWaitsForKey is the status of an open conversation whose workers cannot read its
// payloads: its code does not run, so only Temporal knows. It goes on when they can.
const StatusWaitsForKey = "waits_for_key"

// A KeyWait is why a conversation cannot go on.
type KeyWait struct {
	// Key is the name of the missing key. Empty: the key is there, and a payload does not
	// open with it.
	Key string `json:"key,omitempty"`
	// Reason is the error of the worker that tried.
	Reason string `json:"reason"`
	// Since is when the first attempt failed.
	Since time.Time `json:"since,omitzero"`
}

// tailEvents is how far before a history's end the failure of its open task can stand:
// signals and updates may have come after it.
const tailEvents = 50

// keyWait reads why the open workflow task of a run is tried again. Nil: it is not, or for
// other reasons. The worker's failure is readable without a key.
func (r *Reader) keyWait(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) *KeyWait {
	if d.GetPendingWorkflowTask().GetAttempt() < 2 {
		return nil
	}
	execution := d.GetWorkflowExecutionInfo().GetExecution()
	page, err := r.Client.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: r.Namespace, MaximumPageSize: tailEvents,
		Execution: &common.WorkflowExecution{WorkflowId: execution.GetWorkflowId(), RunId: execution.GetRunId()},
	})
	if err != nil {
		return nil // the conversation keeps its line
	}
	for _, event := range page.GetHistory().GetEvents() {
		switch event.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			return nil
		case enums.EVENT_TYPE_WORKFLOW_TASK_FAILED:
			failure := event.GetWorkflowTaskFailedEventAttributes().GetFailure()
			switch failure.GetApplicationFailureInfo().GetType() {
			case payloads.ErrTypeMissingKey, payloads.ErrTypeUnreadable:
				text := printable.ClipLetters(failure.GetMessage(), 300)
				return &KeyWait{Key: payloads.MissingKey(text), Reason: text, Since: TimeOf(event.GetEventTime())}
			}
			return nil
		}
	}
	return nil
}

// waitsForKey sets what a description says about keys.
func (r *Reader) waitsForKey(ctx context.Context, c *Conversation, d *workflowservice.DescribeWorkflowExecutionResponse) {
	if !c.Open {
		return
	}
	if c.WaitsFor = r.keyWait(ctx, d); c.WaitsFor != nil {
		c.Status = StatusWaitsForKey
	}
}

// maxAsked bounds the open conversations that are described to find those that wait for a
// key.
const maxAsked = 500

// reported are the conversations whose task has failed several times in a row, by
// Temporal's own search attribute, which servers before 1.30 do not have.
const reported = "TemporalReportedProblems IN ('category=WorkflowTaskFailed', 'category=WorkflowTaskTimedOut')"

// WaitForKeys lists open conversations that match a filter and wait for a key: of the
// newest 500, and of those that Temporal reports. more is set if it has not asked all.
func (r *Reader) WaitForKeys(ctx context.Context, f Filter) (waiting []Conversation, more bool, err error) {
	f.Statuses = []string{StatusOpen}
	query, err := f.Visibility(workflows.ConversationName)
	if err != nil {
		return nil, false, err
	}
	found, err := r.Search(ctx, query, maxAsked)
	if err != nil {
		return nil, false, err
	}
	if len(found) == maxAsked {
		more = true
		if stuck, err := r.Search(ctx, query+" AND "+reported, maxAsked); err == nil {
			more = len(stuck) == maxAsked
			found = append(found, stuck...)
		}
	}
	slices.SortFunc(found, func(a, b Conversation) int { return b.Started.Compare(a.Started) })
	found = slices.CompactFunc(found, func(a, b Conversation) bool { return a.RunID == b.RunID })
	var group errgroup.Group
	group.SetLimit(Parallel)
	for i := range found {
		group.Go(func() error {
			if d, err := r.DescribeRun(ctx, found[i].ID); err == nil {
				found[i] = r.fromDescription(ctx, d)
			}
			return nil
		})
	}
	_ = group.Wait()
	return slices.DeleteFunc(found, func(c Conversation) bool { return c.WaitsFor == nil }), more, nil
}
