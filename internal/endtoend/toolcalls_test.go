package endtoend_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/workflows"
)

// An executor that calls tools although none are offered, as after the last round,
// has said no more than its words: only they are sent, and counted as sent.
func TestCallsThatNobodyOffered(t *testing.T) {
	t.Parallel()
	r, gate, ref, id := equipped(t, rig.NewToolbox([]string{"look"}), conversation.Policy{ToolRounds: 1, ReplyAttempts: 2}, 5)
	gate.Asked(t).Answer(t, rig.CallsTools("look"))
	gate.Asked(t).Answer(t, rig.CallsTools("look"))
	last := gate.Asked(t)
	require.Equal(t, 2, last.Attempt, "calls alone are no answer")
	require.Empty(t, last.Tools)
	answer := rig.CallsTools("look")
	answer.Message.Parts = append(conversation.Text("", "That is all.").Parts, answer.Message.Parts...)
	last.Answer(t, answer)
	next := gate.Asked(t)
	require.Len(t, next.Messages, 5)
	require.Empty(t, next.Messages[3].ToolCalls())
	require.False(t, next.Messages[3].Internal())
	next.Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
	require.Equal(t, []string{"assistant: That is all.", "assistant: gate reply 2"}, spoken(texts(t, r, ref)))
	r.RequireOnce(t)
}

// Each call becomes an activity, of which Temporal takes two thousand at a time:
// nobody calls that many tools in earnest.
func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	box := rig.NewToolbox([]string{"look"})
	r, gate, _, id := equipped(t, box, conversation.Policy{ReplyAttempts: 1}, 3)
	gate.Asked(t).Answer(t, rig.CallsTools(slices.Repeat([]string{"look"}, 2500)...))
	status := requireState(t, r, id, workflows.StateNeedsAttention)
	require.Equal(t, conversation.Unavailable, status.Attention.Kind)
	require.Contains(t, status.Attention.Reason, "calls tools 2500 times: 128 are allowed")
	require.Empty(t, box.Calls())
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Asked(t).Reply(t)
	requireOutcome(t, r, id, "ended by turn limit")
}
