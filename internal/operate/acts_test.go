package operate_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/update/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

const actsID = "main/pr_1/cv_1"

func actsInput(by string) workflows.ConversationInput {
	return workflows.ConversationInput{
		Ref: conversation.Ref{Platform: "main", Project: "pr_1", ID: "cv_1"}, Side: workflows.SidePlatform, By: by,
	}
}

// recordAct records an act by signal.
func recordAct(r *recordstest.Recording, record workflows.ActRecord) *recordstest.Recording {
	r.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
			WorkflowExecutionSignaledEventAttributes: &history.WorkflowExecutionSignaledEventAttributes{
				SignalName: workflows.SignalAct, Input: recordstest.Payloads(r.T, record), Identity: "cli",
			},
		},
	})
	return r
}

// short is the part of an act that tests compare.
func short(acts []operate.Act) (all []string) {
	for _, a := range acts {
		all = append(all, strings.TrimSpace(string(a.Action)+" by "+a.By+" "+a.Detail))
	}
	return all
}

// Every request of an operator is an act, with the name in it.
func TestActsOfUpdates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		update string
		in     any
		want   string
	}{
		"end":      {workflows.UpdateEnd, workflows.EndRequest{By: "anna", Reason: "wrong\nprompt"}, "end by anna wrong prompt"},
		"pause":    {workflows.UpdatePause, workflows.PauseRequest{By: "anna"}, "pause by anna"},
		"resume":   {workflows.UpdateResume, workflows.ResumeRequest{By: "anna", Executor: "gpt", NewReply: true}, "resume by anna with executor gpt and a new reply"},
		"takeover": {workflows.UpdateTakeover, workflows.TakeoverRequest{By: "anna", Text: "secret words"}, "takeover by anna"},
		"approve":  {workflows.UpdateApprove, workflows.ApproveRequest{By: "anna", CallID: "c1"}, "approve by anna call c1"},
		"deny":     {workflows.UpdateApprove, workflows.ApproveRequest{By: "anna", Deny: true, Reason: "no"}, "deny by anna the only call: no"},
		"unnamed":  {workflows.UpdateEnd, workflows.EndRequest{}, "end by 7@host"},
		"bounded": {
			workflows.UpdateEnd, workflows.EndRequest{By: "an\x1b[31mna", Reason: strings.Repeat("x", 1000)}, "end by an�[31mna " + strings.Repeat("x", 497) + "…",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &recordstest.Server{}
			h := recordstest.Record(t, actsInput(""), "").Update(test.update, test.in, workflows.Status{})
			h.Events[1].GetWorkflowExecutionUpdateAcceptedEventAttributes().AcceptedRequest.Meta = &update.Meta{UpdateId: "u1", Identity: "7@host"}
			s.Put(workflows.ConversationName, actsID, "r1", recordstest.Running, func(e *recordstest.Execution) { e.Events = h.Events })
			acts, err := newOperator(s).Acts(t.Context(), actsID)
			require.NoError(t, err)
			require.Equal(t, []string{test.want}, short(acts))
			require.Equal(t, actsID, acts[0].Conversation)
			require.Equal(t, "r1", acts[0].RunID)
			require.True(t, h.Events[1].GetEventTime().AsTime().Equal(acts[0].At))
		})
	}
}

// A run that was reset repeats the original run's events and requests: each act is listed
// once. The runs of a chain list theirs together.
func TestActsOfRuns(t *testing.T) {
	t.Parallel()
	s := &recordstest.Server{}
	meta := func(h *recordstest.Recording, id string) {
		h.Events[len(h.Events)-1].GetWorkflowExecutionUpdateAcceptedEventAttributes().AcceptedRequest.Meta = &update.Meta{UpdateId: id}
	}
	moved := workflows.ActRecord{ID: "a1", Action: "move", By: "bert", Conversation: actsID, Detail: "to b2"}
	base := recordstest.Record(t, actsInput("anna"), "")
	base.Events[0].GetWorkflowExecutionStartedEventAttributes().OriginalExecutionRunId = "r1"
	meta(base.Update(workflows.UpdatePause, workflows.PauseRequest{By: "anna"}, nil), "u1")
	recordAct(base, moved)
	reset := recordstest.Record(t, actsInput("anna"), "")
	reset.Events[0].GetWorkflowExecutionStartedEventAttributes().OriginalExecutionRunId = "r1"
	reset.Add(enums.EVENT_TYPE_WORKFLOW_TASK_FAILED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowTaskFailedEventAttributes{
			WorkflowTaskFailedEventAttributes: &history.WorkflowTaskFailedEventAttributes{
				Cause: enums.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW, Identity: "cli:carl", Failure: &failure.Failure{Message: "bad turn"},
			},
		},
	})
	reset.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionUpdateAdmittedEventAttributes{
			WorkflowExecutionUpdateAdmittedEventAttributes: &history.WorkflowExecutionUpdateAdmittedEventAttributes{
				Request: &update.Request{Meta: &update.Meta{UpdateId: "u1"}, Input: &update.Input{
					Name: workflows.UpdatePause, Args: recordstest.Payloads(t, workflows.PauseRequest{By: "anna"}),
				}},
			},
		},
	})
	recordAct(reset, moved)
	reset.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes{
			WorkflowExecutionUpdateAcceptedEventAttributes: &history.WorkflowExecutionUpdateAcceptedEventAttributes{ProtocolInstanceId: "u1"},
		},
	})
	next := recordstest.Record(t, actsInput("anna"), "r2")
	meta(next.Update(workflows.UpdateResume, workflows.ResumeRequest{By: "dora"}, nil), "u2")
	next.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionCancelRequestedEventAttributes{
			WorkflowExecutionCancelRequestedEventAttributes: &history.WorkflowExecutionCancelRequestedEventAttributes{Identity: "cli:emil"},
		},
	})
	next.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{
			WorkflowExecutionTerminatedEventAttributes: &history.WorkflowExecutionTerminatedEventAttributes{Identity: "cli:emil", Reason: "stuck"},
		},
	})
	s.Put(workflows.ConversationName, actsID, "r1", recordstest.Terminated, func(e *recordstest.Execution) { e.Events = base.Events })
	s.Put(workflows.ConversationName, actsID, "r2", recordstest.Continued, func(e *recordstest.Execution) { e.Events = reset.Events })
	s.Put(workflows.ConversationName, actsID, "r3", recordstest.Terminated, func(e *recordstest.Execution) { e.Events = next.Events })
	acts, err := newOperator(s).Acts(t.Context(), actsID)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{
		"terminate by cli:emil stuck", "cancel by cli:emil", "resume by dora", "move by bert to b2", "reset by cli:carl bad turn", "pause by anna", "run by anna",
	}, short(acts))
	require.IsNonIncreasing(t, times(acts))
}

func times(acts []operate.Act) (all []int64) {
	for _, a := range acts {
		all = append(all, a.At.UnixNano())
	}
	return all
}

// recorder is a server that keeps what is recorded.
type recorder struct {
	recordstest.Server
	closed  bool
	signals []workflows.ActRecord
	started []workflows.ActRecord
	options []client.StartWorkflowOptions
}

func (r *recorder) SignalWorkflow(_ context.Context, id, _, name string, arg any) error {
	if r.closed {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	record := arg.(workflows.ActRecord)
	if id != record.Subject() || name != workflows.SignalAct {
		return serviceerror.NewInvalidArgument(id + name)
	}
	r.signals = append(r.signals, record)
	return nil
}

func (r *recorder) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	r.options, r.started = append(r.options, o), append(r.started, args[0].(workflows.ActRecord))
	return nil, r.Down
}

// A record is in the history of what it is about. Where there is no history, it is in a
// workflow of its own, whose id begins with that of its subject.
func TestRecord(t *testing.T) {
	t.Parallel()
	move := operate.Act{Action: operate.ActionMove, By: "a\x07nna", Conversation: actsID, Detail: "to\nb2"}
	for name, test := range map[string]struct {
		closed bool
		act    operate.Act
		prefix string
	}{
		"open":     {act: move},
		"closed":   {closed: true, act: move, prefix: "act/main/pr_1/cv_1/move/"},
		"schedule": {act: operate.Act{Action: operate.ActionDelete, By: "anna", Schedule: "report"}, prefix: "act/schedule/report/delete/"},
		"name that no id may have": {
			act: operate.Act{Action: operate.ActionDelete, By: "anna", Schedule: "bericht für anna"}, prefix: workflows.ActPrefix("schedule/bericht für anna"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{closed: test.closed}
			o := newOperator(&r.Server)
			o.Client = r
			require.NoError(t, o.Record(t.Context(), test.act))
			if test.prefix == "" {
				require.Empty(t, r.started)
				require.Len(t, r.signals, 1)
				require.NotEmpty(t, r.signals[0].ID)
				require.True(t, strings.HasPrefix(r.signals[0].By, "a") && !strings.Contains(r.signals[0].By, "\x07"), r.signals[0].By)
				require.Equal(t, "to b2", r.signals[0].Detail)
				return
			}
			require.Empty(t, r.signals)
			require.Equal(t, test.act.Subject(), r.started[0].Subject())
			require.True(t, strings.HasPrefix(r.options[0].ID, test.prefix), r.options[0].ID)
			require.True(t, conversation.ValidInWorkflowID(r.options[0].ID))
		})
	}
}

// The record of an erasure is found by the conversation's id when nothing else of it is
// left.
func TestErasure(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	o := newOperator(&r.Server)
	o.Client = r
	require.NoError(t, o.RecordErasure(t.Context(), records.Conversation{ID: actsID, Platform: "main", Agent: "support", Persona: "Grandma"}, "anna", "3 runs"))
	require.NotContains(t, r.options[0].StaticSummary+r.options[0].ID, "Grandma")
	h := &recordstest.Recording{T: t}
	h.Add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, &history.HistoryEvent{
		Attributes: &history.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &history.WorkflowExecutionStartedEventAttributes{Input: recordstest.Payloads(t, r.started[0])},
		},
	})
	r.Put(workflows.ActName, r.options[0].ID, "r1", recordstest.Completed, func(e *recordstest.Execution) { e.Events = h.Events })
	acts, err := o.Acts(t.Context(), actsID)
	require.NoError(t, err)
	require.Equal(t, []string{"erase by anna 3 runs"}, short(acts))
	require.Equal(t, actsID, acts[0].Conversation)
}
