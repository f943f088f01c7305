package operate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

func TestUpdates(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(context.Context, *operate.Operator) (workflows.Status, error)
		name string
		arg  any
	}{
		"End": {
			func(ctx context.Context, o *operate.Operator) (workflows.Status, error) {
				return o.End(ctx, id, workflows.EndRequest{Reason: "r"})
			}, workflows.UpdateEnd, workflows.EndRequest{Reason: "r"},
		},
		"Pause": {
			func(ctx context.Context, o *operate.Operator) (workflows.Status, error) {
				return o.Pause(ctx, id, workflows.PauseRequest{})
			}, workflows.UpdatePause, workflows.PauseRequest{},
		},
		"Resume": {
			func(ctx context.Context, o *operate.Operator) (workflows.Status, error) {
				return o.Resume(ctx, id, workflows.ResumeRequest{Executor: "e"})
			}, workflows.UpdateResume, workflows.ResumeRequest{Executor: "e"},
		},
		"Takeover": {
			func(ctx context.Context, o *operate.Operator) (workflows.Status, error) {
				return o.Takeover(ctx, id, workflows.TakeoverRequest{Text: "t"})
			}, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "t"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got client.UpdateWorkflowOptions
			s := recordstest.Server{Update: func(o client.UpdateWorkflowOptions) (any, error) {
				got = o
				return workflows.Status{State: workflows.StateTalking}, nil
			}}
			status, err := tt.do(t.Context(), newOperator(&s))
			require.NoError(t, err)
			require.Equal(t, workflows.StateTalking, status.State)
			require.Equal(t, id, got.WorkflowID)
			require.Equal(t, tt.name, got.UpdateName)
			require.Equal(t, []any{tt.arg}, got.Args)
			require.Equal(t, client.WorkflowUpdateStageCompleted, got.WaitForStage)
		})
	}
}

func TestUpdateFaults(t *testing.T) {
	t.Parallel()
	gone := serviceerror.NewNotFound("workflow execution already completed")
	for name, tt := range map[string]struct {
		err  error
		put  bool
		kind records.FaultKind
		text string
	}{
		"Rejected": {temporal.NewApplicationError("the conversation is paused already", "x"), true, records.Rejected,
			`pause "onerun/pr1/cv1": the conversation is paused already`},
		"Ended":   {gone, true, records.Ended, `pause "onerun/pr1/cv1": it has ended: ended by persona after 3 turns`},
		"Unknown": {gone, false, records.NotFound, `no workflow "onerun/pr1/cv1" in namespace "default" at localhost:7233`},
		"NoWorker": {client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.DeadlineExceeded), true, records.NoWorker,
			`pause "onerun/pr1/cv1": no worker answered in time: check that one runs on task queue "parley"; the request may still take effect`},
		"Down": {serviceerror.NewUnavailable("x"), true, records.Unreachable,
			`pause "onerun/pr1/cv1": Temporal at localhost:7233 does not answer: check that it runs, and the address`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := recordstest.Server{Update: func(client.UpdateWorkflowOptions) (any, error) { return nil, tt.err }}
			if tt.put {
				s.Put(workflows.ConversationName, id, "run", recordstest.Completed, func(e *recordstest.Execution) {
					e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "").
						Completed(conversation.Outcome{Kind: conversation.OutcomeEnded, EndedBy: conversation.EndedByPersona, Turns: 3})
				})
			}
			_, err := newOperator(&s).Pause(t.Context(), id, workflows.PauseRequest{})
			require.EqualError(t, err, tt.text)
			require.Equal(t, tt.kind, records.KindOf(err))
		})
	}
}

func TestEachGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	done := operate.Each(t.Context(), []string{"a", "b", "c"}, func(_ context.Context, id string) (string, error) {
		if id == "b" {
			return "", context.Canceled
		}
		return "did " + id, nil
	})
	require.Equal(t, "did a", done[0].Status)
	require.Equal(t, "context canceled", done[1].Error)
	require.Equal(t, "did c", done[2].Status)
}

func TestMatchingPagesThroughOpenOnes(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	s.Put(workflows.ConversationName, "onerun/pr1/cv1", "run", recordstest.Running)
	s.Put(workflows.ConversationName, "onerun/pr1/cv2", "run", recordstest.Completed)
	s.Put(workflows.InboxName, "inbox/onerun/pr1/ag1", "run", recordstest.Running)
	ids, err := newOperator(&s).Matching(t.Context(), records.Filter{})
	require.NoError(t, err)
	require.Equal(t, []string{"onerun/pr1/cv1"}, ids)
	ids, err = newOperator(&s).Inboxes(t.Context(), records.Filter{})
	require.NoError(t, err)
	require.Equal(t, []string{"inbox/onerun/pr1/ag1"}, ids)
}
