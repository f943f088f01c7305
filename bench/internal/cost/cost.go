// Package cost counts what a workflow costs a Temporal server.
package cost

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/activities"
)

// A Cost is what a workflow has used, all its runs together.
type Cost struct {
	Transitions int64
	Events      int64
	Bytes       int64 // of histories
	// Actions are those that Temporal Cloud bills and histories show. Heartbeats are not in
	// histories.
	Actions    int64
	Activities int64
	Runs       int64
}

// Of counts a workflow from its first run to the last.
func Of(ctx context.Context, c client.Client, workflowID string) (Cost, []*history.HistoryEvent, error) {
	var total Cost
	var events []*history.HistoryEvent
	described, err := c.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return total, nil, fmt.Errorf("cost: %s: %w", workflowID, err)
	}
	run := described.GetWorkflowExecutionInfo().GetFirstRunId()
	for run != "" {
		described, err := c.DescribeWorkflowExecution(ctx, workflowID, run)
		if err != nil {
			return total, nil, fmt.Errorf("cost: %s: %w", workflowID, err)
		}
		info := described.GetWorkflowExecutionInfo()
		total.Transitions += info.GetStateTransitionCount()
		total.Bytes += info.GetHistorySizeBytes()
		total.Runs++
		next := ""
		for it := c.GetWorkflowHistory(ctx, workflowID, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
			event, err := it.Next()
			if err != nil {
				return total, nil, fmt.Errorf("cost: %s: %w", workflowID, err)
			}
			events = append(events, event)
			next = event.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
		}
		run = next
	}
	total.Events = int64(len(events))
	for _, event := range events {
		total.Actions += Actions(event)
		if event.GetEventType() == enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED {
			total.Activities++
		}
	}
	return total, events, nil
}

// Actions are the actions that Temporal Cloud bills for an event: workflows and runs that
// start, attempts of activities, timers, signals, updates, changes of search attributes
// and side effects. See https://docs.temporal.io/cloud/actions.
func Actions(event *history.HistoryEvent) int64 {
	switch event.GetEventType() {
	case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED: // written when the last attempt ends
		return int64(max(1, event.GetActivityTaskStartedEventAttributes().GetAttempt()))
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
		enums.EVENT_TYPE_TIMER_STARTED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_REJECTED,
		enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED:
		return 1
	case enums.EVENT_TYPE_MARKER_RECORDED:
		if strings.Contains(event.GetMarkerRecordedEventAttributes().GetMarkerName(), "SideEffect") {
			return 1
		}
	}
	return 0
}

// A Turn is what one reply and its delivery use in a history.
type Turn struct{ Events, Bytes, Actions float64 }

// Turns is the mean of the turns from one to another, of a conversation's events.
func Turns(events []*history.HistoryEvent, from, to int) (Turn, error) {
	var sum Turn
	replies := 0
	for _, event := range events {
		if event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == activities.ReplyName {
			replies++
		}
		if replies >= from && replies < to {
			sum.Events++
			sum.Bytes += float64(proto.Size(event))
			sum.Actions += float64(Actions(event))
		}
	}
	if replies < to || to <= from {
		return sum, errors.New("cost: the conversation has not that many turns")
	}
	n := float64(to - from)
	return Turn{sum.Events / n, sum.Bytes / n, sum.Actions / n}, nil
}
