package records

import (
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// kinds are the steps that activities do.
var kinds = map[string]StepKind{
	activities.ClaimName:     StepClaim,
	activities.FindClaimName: StepClaim,
	activities.ContextName:   StepContext,
	activities.ReplyName:     StepReply,
	activities.CallToolName:  StepTool,
	activities.ExchangeName:  StepExchange,
	activities.EndName:       StepEnd,
	activities.ReportName:    StepReport,
	activities.DeliverName:   StepReport,
}

// waits are the states in which a conversation waits, by the step that shows them.
var waits = map[workflows.State]StepKind{
	workflows.StateNeedsAttention: StepAttention,
	workflows.StateNeedsApproval:  StepApproval,
	workflows.StatePaused:         StepPaused,
	workflows.StateWaiting:        StepCapacity,
}

// A timelineReader reads the steps of one run from its events, in order. The activities'
// results are decoded by the historyReader, which gives them to it.
type timelineReader struct {
	convert converter.DataConverter
	steps   []*timelineStep
	// byEvent are the steps of activities by the events that scheduled them, and byID by
	// their activity ids.
	byEvent map[int64]*timelineStep
	byID    map[string]*timelineStep
	// turn is that of the newest step.
	turn int
	// wait is the open wait. Nil: there is none.
	wait *timelineStep
	// failed is the newest failure after which a step was not tried again.
	failed *StepFailure
	// added are the turns that added messages, by the messages' indexes.
	added map[int]int
}

// A timelineStep is a step with its turn.
type timelineStep struct {
	Step
	turn int
}

func newTimelineReader(convert converter.DataConverter) *timelineReader {
	return &timelineReader{
		convert: convert, byEvent: make(map[int64]*timelineStep), byID: make(map[string]*timelineStep), added: make(map[int]int),
	}
}

func (t *timelineReader) read(event *history.HistoryEvent) {
	at := TimeOf(event.GetEventTime())
	switch event.GetEventType() {
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		t.scheduled(event.GetEventId(), at, event.GetActivityTaskScheduledEventAttributes())
	case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		started := event.GetActivityTaskStartedEventAttributes()
		if s := t.byEvent[started.GetScheduledEventId()]; s != nil {
			s.Started, s.Attempts = at, int(started.GetAttempt())
			if f := started.GetLastFailure(); f != nil {
				s.Failure = t.failure(f)
			}
		}
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		t.ended(event.GetActivityTaskCompletedEventAttributes().GetScheduledEventId(), at, nil)
	case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		failed := event.GetActivityTaskFailedEventAttributes()
		t.ended(failed.GetScheduledEventId(), at, failed.GetFailure())
	case enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		late := event.GetActivityTaskTimedOutEventAttributes()
		t.ended(late.GetScheduledEventId(), at, late.GetFailure())
	case enums.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: // the workflow does not wait for it any more
		t.ended(event.GetActivityTaskCancelRequestedEventAttributes().GetScheduledEventId(), at, nil)
	case enums.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
		t.ended(event.GetActivityTaskCanceledEventAttributes().GetScheduledEventId(), at, nil)
	case enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
		fields := event.GetUpsertWorkflowSearchAttributesEventAttributes().GetSearchAttributes().GetIndexedFields()
		var state workflows.State
		if p, ok := fields[workflows.KeyStatus.GetName()]; ok && converter.GetDefaultDataConverter().FromPayload(p, &state) == nil {
			t.entered(state, at)
		}
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT, enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		t.closed(at)
	}
}

// scheduled begins the step of an activity. Watch and Notify are no steps: they run beside
// the conversation.
func (t *timelineReader) scheduled(id int64, at time.Time, e *history.ActivityTaskScheduledEventAttributes) {
	kind, ok := kinds[e.GetActivityType().GetName()]
	if !ok {
		return
	}
	s := &timelineStep{Step: Step{Kind: kind, Scheduled: at}}
	switch kind {
	case StepReply:
		var in activities.ReplyInput
		if t.convert.FromPayloads(e.GetInput(), &in) == nil {
			t.turn = in.Turn
		}
	case StepExchange:
		var in activities.ExchangeInput
		if t.convert.FromPayloads(e.GetInput(), &in) == nil {
			t.turn = in.Turn
		}
	case StepTool:
		var in activities.CallToolInput
		if t.convert.FromPayloads(e.GetInput(), &in) == nil {
			t.turn = in.Turn
			s.Tool = &StepToolInfo{CallID: in.Call.CallID, Tool: in.Call.Tool, Set: in.Call.Set}
		}
	}
	s.turn = t.turn
	t.steps = append(t.steps, s)
	t.byEvent[id], t.byID[e.GetActivityId()] = s, s
}

func (t *timelineReader) ended(scheduled int64, at time.Time, f *failure.Failure) {
	s := t.byEvent[scheduled]
	if s == nil {
		return
	}
	s.Ended = at
	if f != nil {
		s.Failure = t.failure(f)
		s.Failure.Final = true
		t.failed = s.Failure
	}
}

func (t *timelineReader) failure(f *failure.Failure) *StepFailure {
	convert := temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: t.convert})
	var out StepFailure
	out.Kind, out.Reason, out.Remedy = reasonOf(convert.FailureToError(f))
	return &out
}

// entered ends the wait that is open, and begins one if the state is one of waiting.
func (t *timelineReader) entered(state workflows.State, at time.Time) {
	kind, waiting := waits[state]
	if t.wait != nil {
		if waiting && t.wait.Kind == kind {
			return
		}
		t.wait.Ended, t.wait = at, nil
	}
	if !waiting {
		return
	}
	t.wait = &timelineStep{Step: Step{Kind: kind, Scheduled: at, Started: at}, turn: t.turn}
	if kind == StepAttention && t.failed != nil {
		t.wait.Detail = t.failed.Reason
	}
	t.steps = append(t.steps, t.wait)
}

// closed ends what the end of the workflow ends.
func (t *timelineReader) closed(at time.Time) {
	if t.wait != nil {
		t.wait.Ended, t.wait = at, nil
	}
	for _, s := range t.steps {
		if s.Ended.IsZero() {
			s.Ended = at
		}
	}
}

// result adds what a completed activity has said to its step, and the messages to its turn.
func (t *timelineReader) result(scheduled int64, add func(*Step), record conversation.Record) {
	s := t.byEvent[scheduled]
	if s == nil {
		return
	}
	add(&s.Step)
	t.messages(record, s.turn)
}

// spent adds what the attempts at a failed reply have cost.
func (t *timelineReader) spent(scheduled int64, usage conversation.Usage) {
	if s := t.byEvent[scheduled]; s != nil && s.Kind == StepReply && usage != (conversation.Usage{}) {
		s.Reply = &StepReplyInfo{Usage: usage}
	}
}

// messages counts messages to a turn, unless an earlier one has added them.
func (t *timelineReader) messages(record conversation.Record, turn int) {
	for i := range record.Messages {
		if _, ok := t.added[record.Index+i]; !ok {
			t.added[record.Index+i] = turn
		}
	}
}

// pending adds what Temporal says of the activities that run or wait for another attempt.
func (t *timelineReader) pending(all []*workflow.PendingActivityInfo) {
	for _, p := range all {
		s := t.byID[p.GetActivityId()]
		if s == nil || !s.Ended.IsZero() {
			continue
		}
		s.Attempts = int(p.GetAttempt())
		if p.GetState() == enums.PENDING_ACTIVITY_STATE_STARTED || p.GetState() == enums.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED {
			s.Started = TimeOf(p.GetLastStartedTime())
		}
		if f := p.GetLastFailure(); f != nil {
			s.Failure = t.failure(f)
		}
	}
}
