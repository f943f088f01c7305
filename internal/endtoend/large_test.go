package endtoend_test

import (
	"context"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// loud says so many bytes that zstd makes nothing smaller of.
type loud int

func (l loud) Reply(context.Context, sim.PersonaTurn) (string, bool, error) {
	return noise(int(l)), false, nil
}

func noise(n int) string {
	raw := make([]byte, n*3/4)
	for i := range raw {
		raw[i] = byte(rand.Uint32())
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// Operators answer long messages, encrypted, and then another executor goes on: it has seen
// none of them, and together they are more than Temporal takes in one payload.
func TestMoreNewThanOnePayload(t *testing.T) {
	t.Parallel()
	gate, other := rig.NewGate(), &executortest.Fake{}
	r := rig.New(t, keyed(t, "k1"), rig.Options{
		Sim: sim.Config{Player: loud(900_000)}, Setup: sim.Setup{Conversations: 1, MaxTurns: 11}, Executor: gate,
	})
	require.NoError(t, r.Executors().Add("other", other, executors.About{Backend: "test"}))
	r.StartWorker(t)
	id := r.Start(t, r.Waiting(t)[0].Ref)
	for range 3 {
		gate.Asked(t)
		require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: noise(250_000)}))
	}
	gate.Asked(t).Fail(t, &conversation.Error{Kind: conversation.Invalid, Op: "gate", Err: context.Canceled})
	requireState(t, r, id, workflows.StateNeedsAttention)
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{Executor: "other"}))
	out, err := r.Outcome(t, id)
	require.NoError(t, err)
	require.Equal(t, 5, out.Turns)
	r.RequireOnce(t)
	first := other.Requests()[0]
	require.Len(t, first.Messages, 7)
	require.Equal(t, 7, first.New, "it is given all of it")
	require.False(t, strings.Contains(first.Messages[0].Text(), "bytes cut]"))
}
