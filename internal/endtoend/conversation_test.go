package endtoend_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

func TestOneConversation(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{Setup: sim.Setup{Conversations: 1}})
	r.StartWorker(t)
	id := r.Start(t, r.Waiting(t)[0].Ref)
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, conversation.OutcomeEnded, out.Kind)
	require.Positive(t, out.Turns)
	r.RequireOnce(t)
}

func TestInboxRunsEverythingAssigned(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Setup: sim.Setup{Simulations: 3, Conversations: 6}, MaxOpen: 5,
	})
	r.StartWorker(t)
	r.StartInbox(t, r.InboxInput())
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
	require.Zero(t, r.Fake.Duplicates())
}
