package operate_test

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

// recording makes the history of a run, as the SDK records it.
type recording struct {
	t      *testing.T
	events []*history.HistoryEvent
	// transcript is what has been recorded so far.
	transcript conversation.Transcript
}

func (r *recording) add(kind enums.EventType, e *history.HistoryEvent) int64 {
	e.EventId = int64(len(r.events) + 1)
	e.EventType = kind
	e.EventTime = timestamppb.New(began.Add(time.Duration(len(r.events)) * time.Second))
	r.events = append(r.events, e)
	return e.EventId
}

func record(t *testing.T, in workflows.ConversationInput, previous string) *recording {
	t.Helper()
	r := &recording{t: t, transcript: in.Transcript()}
	r.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &history.WorkflowExecutionStartedEventAttributes{
				Input: payloads(t, in), ContinuedExecutionRunId: previous,
			},
		},
	})
	return r
}

// place fills in where the messages of an activity belong, as the workflow and the
// activity do.
func (r *recording) place(in, out any) (any, any) {
	switch out := out.(type) {
	case activities.ContextResult:
		if out.Place(); !out.HandedOver {
			r.transcript.Apply(out.Record())
		}
		return in, out
	case activities.ReplyResult:
		in := in.(activities.ReplyInput)
		in.Before, in.Exchanged = r.transcript.Next, true
		if out.Place(in); !out.HandedOver {
			r.transcript.Apply(out.Record(in))
		}
		return in, out
	case activities.ExchangeResult:
		in := in.(activities.ExchangeInput)
		in.Internal = r.transcript.Internal
		if out.Place(in); !out.HandedOver {
			r.transcript.Apply(out.Record(in))
		}
		return in, out
	}
	return in, out
}

// activity records an activity that completed.
func (r *recording) activity(name string, in, out any) *recording {
	r.t.Helper()
	in, out = r.place(in, out)
	id := r.add(enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &history.ActivityTaskScheduledEventAttributes{
				ActivityType: &common.ActivityType{Name: name}, Input: payloads(r.t, in),
			},
		},
	})
	r.add(enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &history.ActivityTaskCompletedEventAttributes{
				ScheduledEventId: id, Result: payloads(r.t, out),
			},
		},
	})
	return r
}

func (r *recording) reply(turn int, text string) *recording {
	r.t.Helper()
	return r.activity(activities.ReplyName, activities.ReplyInput{Turn: turn}, activities.ReplyResult{
		Message: conversation.Text(conversation.RoleAssistant, text), Executor: "gpt", Model: "small",
		Usage: conversation.Usage{InputTokens: 10, OutputTokens: 1, Calls: 1},
	})
}

// exchange records a message and its answer.
func (r *recording) exchange(turn, before int, sent string, back ...string) *recording {
	r.t.Helper()
	in := activities.ExchangeInput{Turn: turn, Before: before}
	if sent != "" {
		in.Messages = []conversation.Message{conversation.Text(conversation.RoleAssistant, sent)}
	}
	out := activities.ExchangeResult{Taken: len(in.Messages)}
	for _, text := range back {
		out.Messages = append(out.Messages, conversation.Text(conversation.RoleUser, text))
	}
	out.Count = before + out.Taken + len(out.Messages)
	return r.activity(activities.ExchangeName, in, out)
}

func (r *recording) completed(out conversation.Outcome) []*history.HistoryEvent {
	r.t.Helper()
	r.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
			WorkflowExecutionCompletedEventAttributes: &history.WorkflowExecutionCompletedEventAttributes{Result: payloads(r.t, out)},
		},
	})
	return r.events
}

func (r *recording) failed(out conversation.Outcome) []*history.HistoryEvent {
	r.t.Helper()
	r.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionFailedEventAttributes{
			WorkflowExecutionFailedEventAttributes: &history.WorkflowExecutionFailedEventAttributes{Failure: &failure.Failure{
				Message: out.Detail,
				FailureInfo: &failure.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failure.ApplicationFailureInfo{
					Type: workflows.ErrTypeFailed, NonRetryable: true, Details: payloads(r.t, out),
				}},
			}},
		},
	})
	return r.events
}

func (r *recording) terminated(reason string) []*history.HistoryEvent {
	r.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{
			WorkflowExecutionTerminatedEventAttributes: &history.WorkflowExecutionTerminatedEventAttributes{Reason: reason},
		},
	})
	return r.events
}

// update records an update that was accepted and, unless out is nil, completed.
func (r *recording) update(name string, in, out any) *recording {
	r.t.Helper()
	id := r.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes{
			WorkflowExecutionUpdateAcceptedEventAttributes: &history.WorkflowExecutionUpdateAcceptedEventAttributes{
				AcceptedRequest: &update.Request{Input: &update.Input{Name: name, Args: payloads(r.t, in)}},
			},
		},
	})
	if out == nil {
		return r
	}
	r.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionUpdateCompletedEventAttributes{
			WorkflowExecutionUpdateCompletedEventAttributes: &history.WorkflowExecutionUpdateCompletedEventAttributes{
				AcceptedEventId: id, Outcome: &update.Outcome{Value: &update.Outcome_Success{Success: payloads(r.t, out)}},
			},
		},
	})
	return r
}
