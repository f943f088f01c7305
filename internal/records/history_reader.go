package records

import (
	"errors"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// A historyReader decodes the events of one run, in order. What they mean for the
// transcript is not decided here: each recorded input and result has a record.
type historyReader struct {
	convert   converter.DataConverter
	scheduled map[int64]*history.ActivityTaskScheduledEventAttributes
	sent      map[int64]*common.Payloads // arguments of UpdateSend, by the events that accepted them
	takeover  *workflows.TakeoverRequest // the newest
	run       runRecord
}

func newHistoryReader(convert converter.DataConverter) *historyReader {
	return &historyReader{
		convert: convert, scheduled: make(map[int64]*history.ActivityTaskScheduledEventAttributes), sent: make(map[int64]*common.Payloads),
		run: runRecord{timeline: newTimelineReader(convert)},
	}
}

func (r *historyReader) read(event *history.HistoryEvent) error {
	r.run.timeline.read(event)
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		r.run.started = TimeOf(event.GetEventTime())
		return r.begin(event.GetWorkflowExecutionStartedEventAttributes())
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		scheduled := event.GetActivityTaskScheduledEventAttributes()
		r.scheduled[event.GetEventId()] = scheduled
		return r.activityScheduled(scheduled)
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		done := event.GetActivityTaskCompletedEventAttributes()
		return r.activityCompleted(done.GetScheduledEventId(), done.GetResult())
	case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		r.activityFailed(event.GetActivityTaskFailedEventAttributes())
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		switch in := event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetInput(); in.GetName() {
		case workflows.UpdateSend:
			r.sent[event.GetEventId()] = in.GetArgs()
		case workflows.UpdateTakeover:
			r.takeover = new(workflows.TakeoverRequest)
			return r.convert.FromPayloads(in.GetArgs(), r.takeover)
		}
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
		done := event.GetWorkflowExecutionUpdateCompletedEventAttributes()
		if sent := r.sent[done.GetAcceptedEventId()]; sent != nil && len(done.GetOutcome().GetSuccess().GetPayloads()) > 0 {
			return r.sendCompleted(sent, done.GetOutcome().GetSuccess())
		}
	default:
		return r.closed(event)
	}
	return nil
}

func (r *historyReader) begin(started *history.WorkflowExecutionStartedEventAttributes) error {
	if err := r.convert.FromPayloads(started.GetInput(), &r.run.input); err != nil {
		return err
	}
	in := r.run.input
	r.run.transcript = in.Transcript()
	r.run.previous, r.run.executor = started.GetContinuedExecutionRunId(), in.Policy.Executor
	if in.Start != nil {
		r.run.persona, r.run.scenario = in.Start.Context.Persona, in.Start.Context.Scenario
	}
	if c := in.Carried; c != nil {
		r.run.usage, r.run.model, r.run.persona, r.run.started = c.Usage, c.Model, c.Context.Persona, c.Started
		r.run.executor, r.run.scenario = c.Executor, c.Context.Scenario
	}
	return nil
}

// activityScheduled reads what the executor is given. It may never answer.
func (r *historyReader) activityScheduled(scheduled *history.ActivityTaskScheduledEventAttributes) error {
	if scheduled.GetActivityType().GetName() != activities.ReplyName {
		return nil
	}
	var in activities.ReplyInput
	if err := r.convert.FromPayloads(scheduled.GetInput(), &in); err != nil {
		return err
	}
	r.run.apply(in.Record())
	r.run.timeline.messages(in.Record(), in.Turn)
	return nil
}

func (r *historyReader) activityCompleted(event int64, result *common.Payloads) error {
	scheduled := r.scheduled[event]
	took := func(record conversation.Record, add func(*Step)) {
		r.run.apply(record)
		r.run.timeline.result(event, add, record)
	}
	nothing := func(*Step) {}
	decode := func(in, out any) error {
		return errors.Join(r.convert.FromPayloads(scheduled.GetInput(), in), r.convert.FromPayloads(result, out))
	}
	switch scheduled.GetActivityType().GetName() {
	case activities.ClaimName:
		var in activities.ClaimInput
		var out activities.ClaimResult
		if err := decode(&in, &out); err != nil || out.HandedOver || out.Context == nil {
			return err
		}
		r.run.persona, r.run.scenario = out.Context.Context.Persona, out.Context.Context.Scenario
		took(out.Context.Record(), nothing)
	case activities.ContextName:
		var in activities.ContextInput
		var out activities.ContextResult
		if err := decode(&in, &out); err != nil || out.HandedOver {
			return err
		}
		r.run.persona, r.run.scenario = out.Context.Persona, out.Context.Scenario
		took(out.Record(), nothing)
	case activities.ReplyName:
		var in activities.ReplyInput
		var out activities.ReplyResult
		if err := decode(&in, &out); err != nil || out.HandedOver {
			return err
		}
		r.run.usage = r.run.usage.Add(out.Usage)
		if out.Park == nil { // else it was dropped, or not asked for
			r.run.executor, r.run.model = out.Executor, out.Model
		}
		took(out.Record(in), func(s *Step) {
			s.Reply = &StepReplyInfo{
				Executor: out.Executor, Provider: out.Provider, Model: out.Model, FinishReason: string(out.FinishReason), Usage: out.Usage,
			}
		})
	case activities.CallToolName:
		var in activities.CallToolInput
		var out activities.CallToolResult
		if err := decode(&in, &out); err != nil || out.HandedOver {
			return err
		}
		took(out.Record(in), func(s *Step) { s.Tool.Failed = out.IsError })
	case activities.ExchangeName:
		var in activities.ExchangeInput
		var out activities.ExchangeResult
		if err := decode(&in, &out); err != nil || out.HandedOver {
			return err
		}
		took(out.Record(in), nothing)
	case activities.EndName:
		var in activities.EndInput
		var out activities.EndResult
		if err := decode(&in, &out); err != nil || out.HandedOver {
			return err
		}
		r.run.ended = out
		r.run.transcript.AtLeast(out.Count, out.Turns)
	}
	return nil
}

// activityFailed reads what the attempts at a failed activity have cost.
func (r *historyReader) activityFailed(failed *history.ActivityTaskFailedEventAttributes) {
	var details activities.ErrorDetails
	if payloads := failed.GetFailure().GetApplicationFailureInfo().GetDetails(); len(payloads.GetPayloads()) > 0 && r.convert.FromPayloads(payloads, &details) == nil {
		r.run.usage = r.run.usage.Add(details.Spent)
		r.run.timeline.spent(failed.GetScheduledEventId(), details.Spent)
	}
}

// sendCompleted reads a message of a direct conversation and its reply.
func (r *historyReader) sendCompleted(sent, result *common.Payloads) error {
	var (
		req   workflows.SendRequest
		reply workflows.SendReply
	)
	if err := errors.Join(r.convert.FromPayloads(sent, &req), r.convert.FromPayloads(result, &reply)); err != nil {
		return err
	}
	for _, record := range reply.Records(r.run.transcript, req) {
		r.run.apply(record)
		r.run.timeline.messages(record, reply.Turn)
	}
	return nil
}

// closed reads how the workflow closed.
func (r *historyReader) closed(event *history.HistoryEvent) error {
	if err := r.outcome(event); err != nil {
		return err
	}
	if o := r.run.outcome; o != nil && r.takeover != nil && r.run.input.Side == workflows.SideTask && o.Turns > r.run.transcript.Turns {
		r.run.apply(r.takeover.Record(r.run.transcript))
	}
	return nil
}

// outcome reads the outcome, or why there is none.
func (r *historyReader) outcome(event *history.HistoryEvent) error {
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		var outcome conversation.Outcome
		if err := r.convert.FromPayloads(event.GetWorkflowExecutionCompletedEventAttributes().GetResult(), &outcome); err != nil {
			return err
		}
		r.run.outcome = &outcome
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		f := proto.Clone(event.GetWorkflowExecutionFailedEventAttributes().GetFailure()).(*failure.Failure)
		converter.DecodeCommonFailureAttributes(r.convert, f) // a codec may have encrypted its text
		r.run.broken = "its workflow failed: " + FirstLine(errors.New(f.GetMessage()))
		if f.GetApplicationFailureInfo().GetType() == workflows.ErrTypeFailed {
			r.outcomeFrom(f.GetApplicationFailureInfo().GetDetails())
		}
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
		r.run.broken = "it was cancelled"
		r.outcomeFrom(event.GetWorkflowExecutionCanceledEventAttributes().GetDetails())
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
		r.run.broken = "it was terminated"
		if reason := event.GetWorkflowExecutionTerminatedEventAttributes().GetReason(); reason != "" {
			r.run.broken += ": " + reason
		}
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
		r.run.broken = "its workflow timed out"
	}
	return nil
}

// outcomeFrom reads an outcome where there may be one.
func (r *historyReader) outcomeFrom(details *common.Payloads) {
	var outcome conversation.Outcome
	if len(details.GetPayloads()) > 0 && r.convert.FromPayloads(details, &outcome) == nil && outcome.Kind != "" {
		r.run.outcome = &outcome
	}
}
