package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// A runRecord is what the history of one run says. It is read without a worker.
type runRecord struct {
	input    workflows.ConversationInput
	previous string // the run before, in a chain of continued runs
	started  time.Time
	messages transcript
	// unsent is a reply that is not known to have reached the platform.
	unsent *conversation.Message
	// count is how many messages the platform holds, internal how many went on
	// between the agent and its tools.
	count, internal int
	// before is what internal was when the turn began.
	before   int
	usage    conversation.Usage
	executor string
	model    string
	persona  conversation.Persona
	turn     int
	outcome  *conversation.Outcome
	// broken says, for a workflow that closed without an outcome, how.
	broken string
}

// readRun reads the history of one run, from its start to where it stands now.
func (o *Operator) readRun(ctx context.Context, id, runID string) (runRecord, error) {
	r := newHistoryReader(o.converter(id))
	events := o.Client.GetWorkflowHistory(ctx, id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		var gone *serviceerror.NotFound
		if errors.As(err, &gone) {
			return r.run, fault(NotFound, err, "the history of run %s of %q is gone", runID, id)
		}
		if err != nil {
			return r.run, o.Explain(fmt.Sprintf("read the history of %q", id), err)
		}
		if err := r.read(event); err != nil {
			return r.run, fault(Failed, err, "read the history of %q: event %d: %s (is it encoded by a codec that this command does not have?)", id, event.GetEventId(), firstLine(err))
		}
	}
	return r.run, nil
}

// readChain reads the runs that an execution continued, the newest first, until
// enough says so, the chain ends, or retention has taken the rest.
func (o *Operator) readChain(ctx context.Context, id, runID string, enough func(runRecord) bool) ([]runRecord, error) {
	var runs []runRecord
	for runID != "" {
		run, err := o.readRun(ctx, id, runID)
		if KindOf(err) == NotFound && len(runs) > 0 {
			return runs, nil
		}
		if err != nil {
			return runs, err
		}
		runs = append(runs, run)
		if enough(run) {
			break
		}
		runID = run.previous
	}
	return runs, nil
}

// A historyReader takes in the events of one run, in order.
type historyReader struct {
	convert   converter.DataConverter
	scheduled map[int64]*history.ActivityTaskScheduledEventAttributes
	sent      map[int64]*common.Payloads // messages of a direct conversation, by the events that accepted them
	asked     int                        // the last turn that the executor was asked for
	run       runRecord
}

func newHistoryReader(convert converter.DataConverter) *historyReader {
	return &historyReader{
		convert: convert, scheduled: make(map[int64]*history.ActivityTaskScheduledEventAttributes), sent: make(map[int64]*common.Payloads),
	}
}

func (r *historyReader) read(event *history.HistoryEvent) error {
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		r.run.started = when(event.GetEventTime())
		return r.begin(event.GetWorkflowExecutionStartedEventAttributes())
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		asked := event.GetActivityTaskScheduledEventAttributes()
		r.scheduled[event.GetEventId()] = asked
		return r.heard(asked)
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		done := event.GetActivityTaskCompletedEventAttributes()
		asked := r.scheduled[done.GetScheduledEventId()]
		delete(r.scheduled, done.GetScheduledEventId())
		return r.activity(asked, done.GetResult())
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		if in := event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetInput(); in.GetName() == workflows.UpdateSend {
			r.sent[event.GetEventId()] = in.GetArgs()
		}
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
		done := event.GetWorkflowExecutionUpdateCompletedEventAttributes()
		if sent := r.sent[done.GetAcceptedEventId()]; sent != nil {
			delete(r.sent, done.GetAcceptedEventId())
			return r.told(sent, done.GetOutcome().GetSuccess())
		}
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		var outcome conversation.Outcome
		if err := r.convert.FromPayloads(event.GetWorkflowExecutionCompletedEventAttributes().GetResult(), &outcome); err != nil {
			return err
		}
		r.run.outcome = &outcome
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		r.fail(event.GetWorkflowExecutionFailedEventAttributes().GetFailure())
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

func (r *historyReader) begin(started *history.WorkflowExecutionStartedEventAttributes) error {
	if err := r.convert.FromPayloads(started.GetInput(), &r.run.input); err != nil {
		return err
	}
	r.run.previous = started.GetContinuedExecutionRunId()
	r.run.executor = r.run.input.Policy.Executor
	carried := r.run.input.Carried
	if start := r.run.input.Start; start != nil && carried == nil {
		r.run.persona = start.Context.Persona
		r.run.count = len(start.Messages)
		r.run.messages.endAt(r.run.total(), start.Messages...)
		for _, m := range start.Messages {
			if m.Role == conversation.RoleAssistant {
				r.run.turn++
			}
		}
	}
	if carried == nil {
		return nil
	}
	r.run.count, r.run.internal = carried.Count, carried.Internal
	r.run.messages.endAt(r.run.total(), carried.Messages...)
	r.run.usage, r.run.model, r.run.turn = carried.Usage, carried.Model, carried.Turn
	r.run.persona = carried.Context.Persona
	if carried.Executor != "" {
		r.run.executor = carried.Executor
	}
	if !carried.Started.IsZero() {
		r.run.started = carried.Started
	}
	return nil
}

// heard takes in what the agent is asked about where no platform tells of it. It may
// never be answered.
func (r *historyReader) heard(asked *history.ActivityTaskScheduledEventAttributes) error {
	if asked.GetActivityType().GetName() != activities.ReplyName {
		return nil
	}
	var in activities.ReplyInput
	if err := r.convert.FromPayloads(asked.GetInput(), &in); err != nil {
		return err
	}
	if in.Round > 0 {
		return nil
	}
	r.run.before, r.asked = r.run.internal, in.Turn
	if total := in.Before + len(in.New); r.run.withoutExchange() && total > r.run.total() {
		r.run.count = total - r.run.internal
		r.run.messages.endAt(total, in.New...)
	}
	return nil
}

// told takes in a message of a direct conversation and its reply, if no activity
// has brought them: somebody answered instead of the executor.
func (r *historyReader) told(sent, result *common.Payloads) error {
	if len(result.GetPayloads()) == 0 {
		return nil
	}
	var (
		said  workflows.SendRequest
		reply workflows.SendReply
	)
	if err := errors.Join(r.convert.FromPayloads(sent, &said), r.convert.FromPayloads(result, &reply)); err != nil {
		return err
	}
	if reply.Turn <= r.run.turn || len(reply.Message.Parts) == 0 {
		return nil
	}
	r.forget(reply.Turn)
	if r.asked != reply.Turn {
		r.run.count++
		r.run.messages.endAt(r.run.total(), said.Message(time.Time{}))
	}
	r.run.count++
	r.run.messages.endAt(r.run.total(), reply.Message)
	r.run.turn = reply.Turn
	return nil
}

// forget leaves out what the executor and its tools said in a turn that somebody
// answered in its stead.
func (r *historyReader) forget(turn int) {
	if r.asked == turn {
		r.run.internal = r.run.before
		r.run.messages.cut(r.run.total())
	}
}

// withoutExchange reports that no exchange brings the messages: requests for replies and
// the replies are all there is of the conversation.
func (r runRecord) withoutExchange() bool {
	return r.input.Side == workflows.SideDirect || r.input.Side == workflows.SideTask
}

// activity takes in the result of an activity. What it brought is placed by the
// platform's count of messages, as the workflow does.
func (r *historyReader) activity(asked *history.ActivityTaskScheduledEventAttributes, result *common.Payloads) error {
	switch asked.GetActivityType().GetName() {
	case activities.ContextName:
		var out activities.ContextResult
		if err := r.convert.FromPayloads(result, &out); err != nil {
			return err
		}
		if out.HandedOver {
			return nil
		}
		r.run.persona = out.Context.Persona
		r.anew(out)
	case activities.ReplyName:
		var in activities.ReplyInput
		var out activities.ReplyResult
		if err := r.convert.FromPayloads(asked.GetInput(), &in); err != nil {
			return err
		}
		if err := r.convert.FromPayloads(result, &out); err != nil {
			return err
		}
		if out.HandedOver {
			return nil
		}
		if in.Round > 0 {
			r.internal(in.New...) // what the tools said
		}
		r.run.usage = r.run.usage.Add(out.Usage)
		r.run.executor, r.run.model = out.Executor, out.Model
		r.run.unsent = nil
		switch {
		case len(out.Calls) > 0:
			r.internal(out.Message)
		case len(out.Message.Parts) > 0 && r.run.withoutExchange():
			r.run.count++
			r.run.messages.endAt(r.run.total(), out.Message)
			r.run.turn = in.Turn
		case len(out.Message.Parts) > 0:
			r.run.unsent = &out.Message
		}
	case activities.ExchangeName:
		var in activities.ExchangeInput
		var out activities.ExchangeResult
		if err := r.convert.FromPayloads(asked.GetInput(), &in); err != nil {
			return err
		}
		if err := r.convert.FromPayloads(result, &out); err != nil {
			return err
		}
		if out.HandedOver {
			return nil
		}
		if r.run.unsent == nil && len(in.Messages) > 0 {
			r.forget(in.Turn) // somebody answered instead of the executor
		}
		sent := in.Messages[:min(out.Taken, len(in.Messages))]
		r.run.count = out.Count
		r.run.messages.endAt(r.run.total(), append(append([]conversation.Message(nil), sent...), out.Messages...)...)
		if len(sent) == len(in.Messages) {
			r.run.turn = in.Turn
			r.run.unsent = nil
		}
	}
	return nil
}

// anew takes in what the platform holds: at the beginning, or after the workflow was
// reset or found a transcript that differs. What the agent and its tools said before is
// left out: the workflow does so too.
func (r *historyReader) anew(out activities.ContextResult) {
	r.run.messages.dropInternal(r.run.internal)
	r.run.count, r.run.internal, r.run.before, r.run.turn, r.run.unsent = out.Count, 0, 0, out.Turns, nil
	r.run.messages.cut(out.Count - len(out.Messages))
	r.run.messages.endAt(out.Count, out.Messages...)
}

// internal adds messages that the platform does not have.
func (r *historyReader) internal(messages ...conversation.Message) {
	r.run.internal += len(messages)
	r.run.messages.endAt(r.run.total(), messages...)
}

func (r runRecord) total() int { return r.count + r.internal }

// fail reads the outcome that a conversation that was given up leaves in its
// failure, and the message in any case.
func (r *historyReader) fail(f *failure.Failure) {
	r.run.broken = "its workflow failed: " + firstLine(errors.New(f.GetMessage()))
	if f.GetApplicationFailureInfo().GetType() == workflows.ErrTypeFailed {
		r.outcomeFrom(f.GetApplicationFailureInfo().GetDetails())
	}
}

// outcomeFrom reads an outcome where there may be one.
func (r *historyReader) outcomeFrom(details *common.Payloads) {
	var outcome conversation.Outcome
	if len(details.GetPayloads()) > 0 && r.convert.FromPayloads(details, &outcome) == nil && outcome.Kind != "" {
		r.run.outcome = &outcome
	}
}
