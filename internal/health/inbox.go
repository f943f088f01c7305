package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/workflows"
)

const (
	// A poll may be late because of backoff, a slow page or a move to another worker before
	// it counts as failed.
	lateAfterPolls = 10
	lateAtLeast    = 30 * time.Second
	// defaultInterval is that of an inbox whose settings do not name one.
	defaultInterval = 2 * time.Second
)

// An Inbox is the state of the inbox of one agent.
type Inbox struct {
	// ID is its workflow's, and Name the agent's in the configuration.
	ID    string               `json:"id"`
	Name  string               `json:"agent"`
	OK    bool                 `json:"ok"`
	State workflows.InboxState `json:"state,omitempty"`
	// Detail is why it is not OK, or what an operator should know in any case.
	Detail   string    `json:"detail,omitempty"`
	LastPoll time.Time `json:"last_poll,omitzero"`
	Open     int       `json:"open"`
	Waiting  int       `json:"waiting"`
	// Worker is the worker that polls: any of the task queue may.
	Worker string `json:"worker,omitempty"`
}

func (c *Checker) inboxes(ctx context.Context) []Inbox {
	out := make([]Inbox, len(c.cfg.Inboxes))
	for i, in := range c.cfg.Inboxes {
		out[i] = c.inbox(ctx, in)
	}
	return out
}

func (c *Checker) inbox(ctx context.Context, in workflows.InboxInput) Inbox {
	it := Inbox{
		ID:    workflows.InboxID(in.Platform, in.Project, in.Agent),
		Name:  cmp.Or(in.Settings.AgentName, in.Agent),
		State: workflows.InboxPolling,
	}
	described, err := c.cfg.Temporal.DescribeWorkflowExecution(ctx, it.ID, "")
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone):
		it.Detail = "its inbox has not been started"
		return it
	case err != nil:
		it.Detail = fmt.Sprintf("its inbox cannot be read: %v", err)
		return it
	}
	info := described.GetWorkflowExecutionInfo()
	if status := info.GetStatus(); status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING && status != enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
		return closed(it, status)
	}
	it.State = cmp.Or(state(info), it.State)
	switch it.State {
	case workflows.InboxPaused: // an operator paused it
		it.OK, it.Detail = true, "its inbox is "+c.attention(ctx, it.ID, "paused")
		return it
	case workflows.InboxNeedsAttention:
		it.Detail = "its inbox needs attention: " + c.attention(ctx, it.ID, "see its workflow in Temporal")
		return it
	}
	c.poll(&it, described, in.Settings.Interval)
	return it
}

// closed describes an inbox that does not run. An operator may have stopped it.
func closed(it Inbox, status enums.WorkflowExecutionStatus) Inbox {
	it.State = workflows.InboxStopped
	it.OK = status == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	it.Detail = fmt.Sprintf("its inbox is not running (%s); the next worker to start restarts it", status)
	return it
}

// state reads the search attribute, which needs no worker to answer.
func state(info *workflow.WorkflowExecutionInfo) workflows.InboxState {
	payload, ok := info.GetSearchAttributes().GetIndexedFields()[workflows.KeyStatus.GetName()]
	if !ok {
		return ""
	}
	var s workflows.InboxState
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &s); err != nil {
		return ""
	}
	return s
}

// attention queries the workflow for why it needs attention.
func (c *Checker) attention(ctx context.Context, id, otherwise string) string {
	value, err := c.cfg.Temporal.QueryWorkflow(ctx, id, "", workflows.QueryStatus)
	if err != nil {
		return otherwise
	}
	var status workflows.InboxStatus
	if err := value.Get(&status); err != nil || status.Attention == nil {
		return otherwise
	}
	if remedy := status.Attention.Remedy; remedy != "" {
		return fmt.Sprintf("%s (%s)", status.Attention.Reason, remedy)
	}
	return status.Attention.Reason
}

// converter reads the heartbeats of one workflow's activities.
func (c *Checker) converter(workflowID string) converter.DataConverter {
	if c.cfg.Converter == nil {
		return converter.GetDefaultDataConverter()
	}
	return converter.WithDataConverterSerializationContext(c.cfg.Converter, converter.WorkflowSerializationContext{
		Namespace: c.cfg.Namespace, WorkflowID: workflowID,
	})
}

// poll judges the running poll by its heartbeat. Between two polls, and before
// the first heartbeat of one, the last known heartbeat counts.
func (c *Checker) poll(it *Inbox, described *workflowservice.DescribeWorkflowExecutionResponse, interval time.Duration) {
	failure := ""
	status, ok := activities.PollStatus{}, false
	for _, pending := range described.GetPendingActivities() {
		if pending.GetActivityType().GetName() != activities.PollName {
			continue
		}
		if details := pending.GetHeartbeatDetails(); details != nil {
			ok = c.converter(it.ID).FromPayloads(details, &status) == nil
		}
		failure = activities.FailureText(c.converter(it.ID), pending.GetLastFailure())
	}
	if !ok {
		before, known := c.seen[it.ID]
		if !known {
			it.Detail = "no poll has succeeded yet"
			if failure != "" {
				it.Detail += ": " + failure
			}
			return
		}
		status = activities.PollStatus{LastPoll: before.LastPoll, Open: before.Open, Waiting: before.Waiting, Worker: before.Worker}
	}
	it.LastPoll, it.Open, it.Waiting, it.Worker = status.LastPoll, status.Open, status.Waiting, status.Worker
	if ok && !status.LastPoll.IsZero() {
		c.seen[it.ID] = *it
	}
	late := max(lateAfterPolls*cmp.Or(interval, defaultInterval), lateAtLeast)
	switch age := c.cfg.Now().Sub(status.LastPoll); {
	case status.LastError != "":
		it.Detail = "the last poll failed: " + status.LastError
	case status.LastPoll.IsZero():
		it.Detail = "no poll has succeeded yet"
	case age > late:
		it.Detail = fmt.Sprintf("the last poll was %v ago", age.Round(time.Second))
	default:
		it.OK = true
	}
}
