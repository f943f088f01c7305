package operate

import (
	"fmt"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/update/v1"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// An actReader finds the acts in the events of one run, in order.
type actReader struct {
	convert converter.DataConverter
	// kind is the workflow's type, and id its workflow id.
	kind, id, runID string
	// admitted are the requests of updates that Temporal has repeated after a reset, by
	// their ids: the events that accept them have none.
	admitted map[string]*update.Request
	acts     []Act
}

func (r *actReader) read(event *history.HistoryEvent) {
	at := records.TimeOf(event.GetEventTime())
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		r.started(at, event.GetWorkflowExecutionStartedEventAttributes())
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED:
		request := event.GetWorkflowExecutionUpdateAdmittedEventAttributes().GetRequest()
		if r.admitted == nil {
			r.admitted = make(map[string]*update.Request)
		}
		r.admitted[request.GetMeta().GetUpdateId()] = request
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		accepted := event.GetWorkflowExecutionUpdateAcceptedEventAttributes()
		request := accepted.GetAcceptedRequest()
		if request == nil {
			request = r.admitted[accepted.GetProtocolInstanceId()]
		}
		r.updated(at, request)
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		if signal := event.GetWorkflowExecutionSignaledEventAttributes(); signal.GetSignalName() == workflows.SignalAct {
			r.recorded(at, signal.GetInput(), signal.GetIdentity())
		}
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
		cancelled := event.GetWorkflowExecutionCancelRequestedEventAttributes()
		r.add(Act{Action: ActionCancel, At: at, By: cancelled.GetIdentity(), Detail: cancelled.GetCause()})
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
		terminated := event.GetWorkflowExecutionTerminatedEventAttributes()
		r.add(Act{Action: ActionTerminate, At: at, By: terminated.GetIdentity(), Detail: terminated.GetReason()})
	case enums.EVENT_TYPE_WORKFLOW_TASK_FAILED:
		failed := event.GetWorkflowTaskFailedEventAttributes()
		if failed.GetCause() == enums.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW {
			r.add(Act{Action: ActionReset, At: at, By: failed.GetIdentity(), Detail: failed.GetFailure().GetMessage()})
		}
	}
}

// add adds an act on the run itself.
func (r *actReader) add(a Act) {
	a.RunID = r.runID
	if a.Subject() == "" {
		if r.kind == workflows.InboxName {
			a.Inbox = r.id
		} else {
			a.Conversation = r.id
		}
	}
	a.By, a.Detail = printable.Name(a.By, maxActor), detail(a.Detail)
	if a.key == "" {
		a.key = fmt.Sprint(a.Action, " ", a.At.UnixNano())
	}
	r.acts = append(r.acts, a)
}

// started reads an operator's start of a conversation, or the record of an act.
func (r *actReader) started(at time.Time, started *history.WorkflowExecutionStartedEventAttributes) {
	switch {
	case r.kind == workflows.ActName:
		r.recorded(at, started.GetInput(), started.GetIdentity())
	case r.kind == workflows.ConversationName && started.GetContinuedExecutionRunId() == "":
		var in workflows.ConversationInput
		if err := r.convert.FromPayloads(started.GetInput(), &in); err != nil || in.By == "" {
			return // most are not started by operators
		}
		a := Act{Action: ActionRun, At: at, By: in.By, key: "run " + started.GetOriginalExecutionRunId()}
		if in.Adopt {
			a.Action = ActionAdopt
		}
		if in.Policy.Executor != "" {
			a.Detail = "with executor " + in.Policy.Executor
		}
		r.add(a)
	}
}

// recorded reads what Record has written.
func (r *actReader) recorded(at time.Time, input *common.Payloads, identity string) {
	var record workflows.ActRecord
	if err := r.convert.FromPayloads(input, &record); err != nil {
		r.add(Act{Action: "unknown", At: at, By: identity, Detail: unreadable(err)})
		return
	}
	a := Act{At: at}
	a.fromRecord(record)
	if a.By == "" {
		a.By = identity
	}
	r.add(a)
}

// updated reads the update of an operator. Others are messages of clients.
func (r *actReader) updated(at time.Time, request *update.Request) {
	a := Act{At: at, By: request.GetMeta().GetIdentity(), key: request.GetMeta().GetUpdateId()}
	args := request.GetInput().GetArgs()
	var by string
	var err error
	switch request.GetInput().GetName() {
	case workflows.UpdateEnd, workflows.UpdateStop:
		var req workflows.EndRequest
		err = r.convert.FromPayloads(args, &req)
		a.Action, by, a.Detail = ActionEnd, req.By, req.Reason
		if request.GetInput().GetName() == workflows.UpdateStop {
			a.Action = ActionStop
		}
	case workflows.UpdatePause:
		var req workflows.PauseRequest
		err = r.convert.FromPayloads(args, &req)
		a.Action, by, a.Detail = ActionPause, req.By, req.Reason
	case workflows.UpdateResume:
		var req workflows.ResumeRequest
		err = r.convert.FromPayloads(args, &req)
		a.Action, by, a.Detail = ActionResume, req.By, resumed(req)
	case workflows.UpdateTakeover:
		var req workflows.TakeoverRequest
		err = r.convert.FromPayloads(args, &req)
		a.Action, by = ActionTakeover, req.By
		if req.End {
			a.Detail = "and end"
		}
	case workflows.UpdateApprove:
		var req workflows.ApproveRequest
		err = r.convert.FromPayloads(args, &req)
		a.Action, by, a.Detail = ActionApprove, req.By, decided(req)
		if req.Deny {
			a.Action = ActionDeny
		}
	default:
		return
	}
	if err != nil {
		a.Detail = unreadable(err)
	}
	if by != "" {
		a.By = by
	}
	r.add(a)
}

func resumed(req workflows.ResumeRequest) string {
	switch {
	case req.Executor != "" && req.NewReply:
		return "with executor " + req.Executor + " and a new reply"
	case req.Executor != "":
		return "with executor " + req.Executor
	case req.NewReply:
		return "with a new reply"
	}
	return ""
}

func decided(req workflows.ApproveRequest) string {
	text := "the only call"
	if req.CallID != "" {
		text = "call " + req.CallID
	}
	if req.Reason != "" {
		text += ": " + req.Reason
	}
	return text
}

func unreadable(err error) string {
	return "cannot be read: " + records.FirstLine(err) + " (is it encoded by a codec that this command does not have?)"
}
