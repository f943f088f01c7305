package replaycheck

import (
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// replayer makes a replayer with the worker's code and options.
func (c *Checker) replayer() (worker.WorkflowReplayer, error) {
	o := c.Options
	if o.DataConverter != nil && c.Namespace != "" {
		o.DataConverter = dataConverter{o.DataConverter, c.Namespace}
	}
	if o.FailureConverter != nil && c.Namespace != "" {
		o.FailureConverter = failureConverter{o.FailureConverter, c.Namespace}
	}
	// The SDK's second is too short for a busy machine; replayTime bounds a replay instead.
	o.DisableDeadlockDetection = true
	replayer, err := worker.NewWorkflowReplayerWithOptions(o)
	if err != nil {
		return nil, fmt.Errorf("replaycheck: replayer: %w", err)
	}
	c.Register(replayer)
	return replayer, nil
}

// decided cuts off the events of a workflow task that has not been completed: the SDK would
// leave the decisions before it unchecked.
func decided(events []*history.HistoryEvent) []*history.HistoryEvent {
	for len(events) > 0 {
		switch events[len(events)-1].GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, enums.EVENT_TYPE_WORKFLOW_TASK_STARTED:
			events = events[:len(events)-1]
		default:
			return events
		}
	}
	return events
}

// errSlow: the replay of a history takes longer than any workflow task may.
var errSlow = fmt.Errorf("its history is not replayed within %v", replayTime)

// replay replays a history with the worker's code.
func replay(replayer worker.WorkflowReplayer, one chosen, events []*history.HistoryEvent) error {
	if !begun(events) {
		return nil // whatever code gets its first task begins it
	}
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- fmt.Errorf("panic: %v", p)
			}
		}()
		result <- replayer.ReplayWorkflowHistoryWithOptions(quiet{}, &history.History{Events: events}, worker.ReplayWorkflowHistoryOptions{
			OriginalExecution: workflow.Execution{ID: one.id, RunID: one.run},
		})
	}()
	timer := time.NewTimer(replayTime)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		return errSlow
	}
}

// begun reports whether code has decided anything.
func begun(events []*history.HistoryEvent) bool {
	for _, e := range events {
		if e.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			return true
		}
	}
	return false
}

// quiet is the replayer's log: its texts quote events, and the report has the reason.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
