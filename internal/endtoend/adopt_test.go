package endtoend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// What another worker claimed and left is finished from the platform's
// transcript; what a workflow of ours runs is never touched, however old.
func TestAdoptOrphans(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Player: rig.Endless{}},
		Setup: sim.Setup{Conversations: 3, MaxTurns: 7}, Executor: gate,
	})
	waiting := r.Waiting(t)
	talked, claimed, living := waiting[0].Ref, waiting[1].Ref, waiting[2].Ref

	// Another worker talks in one, claims a second, and dies.
	require.NoError(t, r.Platform.Claim(t.Context(), talked))
	_, err := r.Platform.Send(t.Context(), talked, platforms.Send{})
	require.NoError(t, err)
	_, err = r.Platform.Send(t.Context(), talked, platforms.Send{
		Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "before the crash")},
	})
	require.NoError(t, err)
	require.NoError(t, r.Platform.Claim(t.Context(), claimed))

	// A workflow of ours holds the third, waiting for its model.
	r.StartWorker(t)
	livingID := r.Start(t, living)
	slow := gate.Asked(t)
	require.Equal(t, living.ID, slow.Conversation.ID)

	in := r.InboxInput()
	in.Settings.AdoptAfter = time.Second
	r.StartInbox(t, in)
	asked := map[string]rig.Ask{}
	for range 2 {
		ask := gate.Asked(t)
		asked[ask.Conversation.ID] = ask
	}
	require.Len(t, asked[talked.ID].Messages, 3, "it goes on from the platform's transcript")
	require.Equal(t, "before the crash", asked[talked.ID].Messages[1].Text())
	require.Len(t, asked[claimed.ID].Messages, 1, "the persona opens")
	for _, ask := range asked {
		ask.Reply(t)
	}
	// Up to 7 messages: one more reply for the one that had talked, two for the
	// other.
	for range 3 {
		gate.Asked(t).Reply(t)
	}
	rig.Eventually(t, func() bool {
		return r.Sim.Report().Simulations[0].Conversations["ended"] == 2
	})
	status := r.Status(t, livingID)
	require.Equal(t, workflows.StateTalking, status.State)
	require.Equal(t, "turn 1 · reply", status.Step)
	slow.Reply(t)
	for range 2 {
		gate.Asked(t).Reply(t)
	}
	_, err = r.Outcome(t, livingID)
	require.NoError(t, err)
	r.RequireOnce(t)
}
