package endtoend_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// gated starts one endless conversation and waits for its first reply to be asked
// for.
func gated(t *testing.T, maxTurns int) (*rig.Rig, *rig.Gate, conversation.Ref) {
	t.Helper()
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:      sim.Config{Player: rig.Endless{}},
		Setup:    sim.Setup{Conversations: 1, MaxTurns: maxTurns},
		Executor: gate,
	})
	r.StartWorker(t)
	return r, gate, r.Waiting(t)[0].Ref
}

func texts(t *testing.T, r *rig.Rig, ref conversation.Ref) []string {
	t.Helper()
	transcript, err := r.Platform.Transcript(t.Context(), ref)
	require.NoError(t, err)
	var out []string
	for _, m := range transcript.Messages {
		out = append(out, string(m.Role)+": "+m.Text())
	}
	return out
}

func requireState(t *testing.T, r *rig.Rig, id string, want workflows.State) workflows.Status {
	t.Helper()
	var status workflows.Status
	rig.Eventually(t, func() bool {
		status = r.Status(t, id)
		return status.State == want
	}, "state %s", want)
	return status
}

func TestEndWhileTheExecutorThinks(t *testing.T) {
	t.Parallel()
	r, gate, ref := gated(t, 20)
	id := r.Start(t, ref)
	gate.Asked(t)
	require.NoError(t, r.Update(t, id, workflows.UpdateEnd, workflows.EndRequest{Reason: "enough"}))
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, conversation.OutcomeEnded, out.Kind)
	require.Equal(t, conversation.EndedByOperator, out.EndedBy)
	require.Contains(t, out.Detail, "enough")
	r.RequireOnce(t)
	require.Error(t, r.Update(t, id, workflows.UpdateEnd, workflows.EndRequest{}), "it is over")
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	r, gate, ref := gated(t, 5)
	id := r.Start(t, ref)
	first := gate.Asked(t)
	require.ErrorContains(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}), "nothing to resume")
	require.NoError(t, r.Update(t, id, workflows.UpdatePause, workflows.PauseRequest{Reason: "lunch"}))
	require.ErrorContains(t, r.Update(t, id, workflows.UpdatePause, workflows.PauseRequest{}), "paused already")
	first.Reply(t)
	status := requireState(t, r, id, workflows.StatePaused)
	require.Contains(t, status.Attention.Reason, "lunch")
	require.Equal(t, 1, status.Turn, "the turn under way is finished")
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	gate.Asked(t).Reply(t)
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, "ended by turn limit", out.String())
	r.RequireOnce(t)
}

func TestTakeoverInsteadOfAReplyUnderWay(t *testing.T) {
	t.Parallel()
	r, gate, ref := gated(t, 5)
	id := r.Start(t, ref)
	gate.Asked(t)
	require.ErrorContains(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{}), "needs a text")
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "a person speaking"}))
	second := gate.Asked(t)
	require.Len(t, second.Messages, 3, "the executor is shown what the person said")
	require.Equal(t, 3, second.New, "it has seen none of it")
	require.Equal(t, "a person speaking", second.Messages[1].Text())
	second.Reply(t)
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, 2, out.Turns)
	require.Equal(t, "assistant: a person speaking", texts(t, r, ref)[1])
	r.RequireOnce(t)
}

func TestTakeoverEndsTheConversation(t *testing.T) {
	t.Parallel()
	r, gate, ref := gated(t, 20)
	id := r.Start(t, ref)
	gate.Asked(t)
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "goodbye", End: true}))
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, "ended by agent", out.String())
	require.Contains(t, texts(t, r, ref), "assistant: goodbye")
	r.RequireOnce(t)
}
