package endtoend_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

func fault(kind conversation.Kind, remedy string) error {
	return &conversation.Error{Kind: kind, Op: "model", Err: errors.New("it said no"), Remedy: remedy}
}

func TestExhaustedRetriesPark(t *testing.T) {
	t.Parallel()
	r, gate, ref := gated(t, 3)
	id := r.StartWith(t, workflows.ConversationInput{
		Ref: ref, Policy: conversation.Policy{Executor: rig.ExecutorName, ReplyAttempts: 2},
	})
	for range 2 {
		gate.Asked(t).Fail(t, fault(conversation.Unavailable, ""))
	}
	status := requireState(t, r, id, workflows.StateNeedsAttention)
	require.Equal(t, conversation.Unavailable, status.Attention.Kind)
	require.Equal(t, "turn 1 · reply", status.Attention.Step)
	require.Contains(t, status.Attention.Reason, "it said no")
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Asked(t).Reply(t)
	_, err := r.Outcome(t, id)
	require.NoError(t, err)
	r.RequireOnce(t)
}

func TestParkedConversationIsTakenOver(t *testing.T) {
	t.Parallel()
	r, gate, ref := gated(t, 3)
	id := r.Start(t, ref)
	gate.Asked(t).Fail(t, fault(conversation.Refused, ""))
	requireState(t, r, id, workflows.StateNeedsAttention)
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "by hand"}))
	_, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Contains(t, texts(t, r, ref), "assistant: by hand")
	r.RequireOnce(t)
}

func TestExhaustedRetriesEnd(t *testing.T) {
	t.Parallel()
	r, gate, ref := gated(t, 3)
	id := r.StartWith(t, workflows.ConversationInput{
		Ref: ref, Policy: conversation.Policy{Executor: rig.ExecutorName, OnExhausted: conversation.EndConversation},
	})
	gate.Asked(t).Fail(t, fault(conversation.Invalid, "mend the prompt"))
	_, err := r.Outcome(t, id)
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, workflows.ErrTypeFailed, app.Type())
	var out conversation.Outcome
	require.NoError(t, app.Details(&out))
	require.Equal(t, conversation.OutcomeFailed, out.Kind)
	require.Contains(t, out.Detail, "it said no")
	r.RequireOnce(t)
}

// A bad key in the middle of twenty conversations: they park, the inbox stops
// claiming, and after the key is replaced everything goes on where it was.
func TestBadKeyInTheMiddle(t *testing.T) {
	t.Parallel()
	fake := &executortest.Fake{}
	key := newBrokenKey(fake)
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:      sim.Config{Player: rig.Endless{}, Lenient: sim.Lenient{Capacity: true}},
		Setup:    sim.Setup{Conversations: 30, MaxTurns: 7},
		Executor: key,
		MaxOpen:  20,
	})
	r.StartWorker(t)
	inbox := r.StartInbox(t, r.InboxInput())
	rig.Eventually(t, func() bool {
		return r.InboxStatus(t, inbox).State == workflows.InboxNeedsAttention
	})
	status := r.InboxStatus(t, inbox)
	require.Equal(t, conversation.Unauthorized, status.Attention.Kind)
	require.Contains(t, status.Attention.Remedy, "mend the key")

	requireNoPoll(t, r, inbox)
	started := r.InboxStatus(t, inbox).Started
	require.Less(t, started, 30, "the inbox has stopped claiming")
	// What it had started by then claims, opens, and parks.
	rig.Eventually(t, func() bool { return len(r.Waiting(t)) == 30-started })
	var parked []string
	for _, c := range r.Sim.Report().Conversations {
		if c.Status != "in_progress" {
			continue
		}
		id := workflows.ConversationID(conversation.Ref{Platform: r.Name, Project: r.Seeded.ProjectID, ID: c.ID})
		parked = append(parked, id)
		status := requireState(t, r, id, workflows.StateNeedsAttention)
		require.Contains(t, status.Attention.Remedy, "mend the key")
	}
	require.Len(t, parked, started)
	require.Len(t, r.Waiting(t), 30-started, "still not claiming")

	key.replace()
	// Left alone, it goes on within two minutes; both ways must end well.
	if err := r.Update(t, inbox, workflows.UpdateResume, workflows.ResumeRequest{}); err != nil {
		require.ErrorContains(t, err, "nothing to resume")
	}
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
	require.Zero(t, fake.Duplicates(), "an answer was paid for twice")
}

// requireNoPoll waits until the inbox's poll has stopped.
func requireNoPoll(t *testing.T, r *rig.Rig, inbox string) {
	t.Helper()
	rig.Eventually(t, func() bool {
		desc, err := r.Client.DescribeWorkflowExecution(t.Context(), inbox, "")
		require.NoError(t, err)
		return len(desc.GetPendingActivities()) == 0
	})
}
