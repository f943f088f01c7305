package recordstest

import (
	"testing"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/update/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// A Recording makes the history of a run, as the SDK records it.
type Recording struct {
	T      *testing.T
	Events []*history.HistoryEvent
	// transcript is what has been recorded so far.
	Transcript conversation.Transcript
}

func (r *Recording) Add(kind enums.EventType, e *history.HistoryEvent) int64 {
	e.EventId = int64(len(r.Events) + 1)
	e.EventType = kind
	e.EventTime = timestamppb.New(Began.Add(time.Duration(len(r.Events)) * time.Second))
	r.Events = append(r.Events, e)
	return e.EventId
}

func Record(t *testing.T, in workflows.ConversationInput, previous string) *Recording {
	t.Helper()
	r := &Recording{T: t, Transcript: in.Transcript()}
	r.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &history.WorkflowExecutionStartedEventAttributes{
				Input: Payloads(t, in), ContinuedExecutionRunId: previous,
			},
		},
	})
	return r
}

// Place fills in where the messages of an activity belong, as the workflow and the
// activity do.
func (r *Recording) Place(in, out any) (any, any) {
	switch out := out.(type) {
	case activities.ContextResult:
		if out.Place(); !out.HandedOver {
			r.Transcript.Apply(out.Record())
		}
		return in, out
	case activities.ReplyResult:
		in := in.(activities.ReplyInput)
		in.Before, in.Exchanged = r.Transcript.Next, true
		if out.Place(in); !out.HandedOver {
			r.Transcript.Apply(out.Record(in))
		}
		return in, out
	case activities.ExchangeResult:
		in := in.(activities.ExchangeInput)
		in.Internal = r.Transcript.Internal
		if out.Place(in); !out.HandedOver {
			r.Transcript.Apply(out.Record(in))
		}
		return in, out
	}
	return in, out
}

// Schedule records an activity that has not ended.
func (r *Recording) Schedule(id, name string, in any) int64 {
	r.T.Helper()
	return r.Add(enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &history.ActivityTaskScheduledEventAttributes{
				ActivityId: id, ActivityType: &common.ActivityType{Name: name}, Input: Payloads(r.T, in),
			},
		},
	})
}

// Activity records an activity that completed.
func (r *Recording) Activity(name string, in, out any) *Recording {
	r.T.Helper()
	in, out = r.Place(in, out)
	id := r.Schedule("", name, in)
	r.Add(enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &history.ActivityTaskCompletedEventAttributes{
				ScheduledEventId: id, Result: Payloads(r.T, out),
			},
		},
	})
	return r
}

func (r *Recording) Reply(turn int, text string) *Recording {
	r.T.Helper()
	return r.Activity(activities.ReplyName, activities.ReplyInput{Turn: turn}, activities.ReplyResult{
		Message: conversation.Text(conversation.RoleAssistant, text), Executor: "gpt", Model: "small",
		Usage: conversation.Usage{InputTokens: 10, OutputTokens: 1, Calls: 1},
	})
}

// Exchange records a message and its answer.
func (r *Recording) Exchange(turn, before int, sent string, back ...string) *Recording {
	r.T.Helper()
	in := activities.ExchangeInput{Turn: turn, Before: before}
	if sent != "" {
		in.Messages = []conversation.Message{conversation.Text(conversation.RoleAssistant, sent)}
	}
	out := activities.ExchangeResult{Taken: len(in.Messages)}
	for _, text := range back {
		out.Messages = append(out.Messages, conversation.Text(conversation.RoleUser, text))
	}
	out.Count = before + out.Taken + len(out.Messages)
	return r.Activity(activities.ExchangeName, in, out)
}

func (r *Recording) Completed(out conversation.Outcome) []*history.HistoryEvent {
	r.T.Helper()
	r.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
			WorkflowExecutionCompletedEventAttributes: &history.WorkflowExecutionCompletedEventAttributes{Result: Payloads(r.T, out)},
		},
	})
	return r.Events
}

func (r *Recording) Failed(out conversation.Outcome) []*history.HistoryEvent {
	r.T.Helper()
	r.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionFailedEventAttributes{
			WorkflowExecutionFailedEventAttributes: &history.WorkflowExecutionFailedEventAttributes{Failure: &failure.Failure{
				Message: out.Detail,
				FailureInfo: &failure.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failure.ApplicationFailureInfo{
					Type: workflows.ErrTypeFailed, NonRetryable: true, Details: Payloads(r.T, out),
				}},
			}},
		},
	})
	return r.Events
}

func (r *Recording) Terminated(reason string) []*history.HistoryEvent {
	r.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{
			WorkflowExecutionTerminatedEventAttributes: &history.WorkflowExecutionTerminatedEventAttributes{Reason: reason},
		},
	})
	return r.Events
}

// Update records an update that was accepted and, unless out is nil, completed.
func (r *Recording) Update(name string, in, out any) *Recording {
	r.T.Helper()
	id := r.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes{
			WorkflowExecutionUpdateAcceptedEventAttributes: &history.WorkflowExecutionUpdateAcceptedEventAttributes{
				AcceptedRequest: &update.Request{Input: &update.Input{Name: name, Args: Payloads(r.T, in)}},
			},
		},
	})
	if out == nil {
		return r
	}
	r.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionUpdateCompletedEventAttributes{
			WorkflowExecutionUpdateCompletedEventAttributes: &history.WorkflowExecutionUpdateCompletedEventAttributes{
				AcceptedEventId: id, Outcome: &update.Outcome{Value: &update.Outcome_Success{Success: Payloads(r.T, out)}},
			},
		},
	})
	return r
}
