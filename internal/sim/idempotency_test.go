package sim_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	key := header{"Idempotency-Key": "turn-1"}
	b := setup(t, sim.Config{Lenient: sim.Lenient{Keys: true, Turns: true}, Player: chatty}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	b.post(b.conv(c, "/start"), nil)
	one := b.call("POST", b.conv(c, "/responses"), says("hi"), key)
	two := b.call("POST", b.conv(c, "/responses"), says("hi"), key)
	require.Equal(t, 200, two.status)
	require.Equal(t, one.text, two.text)
	require.Len(t, b.transcript(c), 2)

	other := b.call("POST", b.conv(c, "/responses"), says("something else"), key)
	require.Equal(t, 422, other.status)
	require.IsType(t, []any{}, other.detail())
	require.Len(t, b.transcript(c), 2)

	b.call("POST", b.conv(c, "/responses"), says("hi again"), header{"Idempotency-Key": "turn-2"})
	require.Len(t, b.transcript(c), 4)
	report := b.Report()
	require.Zero(t, report.Totals.Duplicates)
	require.Equal(t, 2, report.Totals.AgentMessages)
	require.Equal(t, []sim.Hint{sim.HintKeyReused}, report.Conversations[0].Hints)
}

func TestIdempotencyKeyAnswersAfterTheEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Lenient: sim.Lenient{Keys: true, Turns: true}, Player: saying("bye", true), Faults: sim.Faults{LostAnswerRate: 1, Only: []string{sim.OpResponses}}},
		sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	key := header{"Idempotency-Key": "k"}
	require.NotEqual(t, 200, b.call("POST", b.conv(c, "/responses"), says("hi"), key).status)
	require.NoError(t, b.SetFaults(sim.Faults{}))
	again := b.call("POST", b.conv(c, "/responses"), says("hi"), key)
	require.True(t, again.ended())
	require.Equal(t, "bye", again.output())
	require.Equal(t, 400, b.call("POST", b.conv(c, "/responses"), says("hi")).status, "without the key it is over")
}

func TestIdempotencyKeyInParallel(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Lenient: sim.Lenient{Keys: true, Turns: true}, Player: chatty}, sim.Setup{Conversations: 1, MaxTurns: 100})
	c := b.conversations(0)[0]
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			b.do(t.Context(), "POST", b.conv(c, "/responses"), says("hi"), header{"Idempotency-Key": "k"})
		})
	}
	wg.Wait()
	require.Len(t, b.transcript(c), 2)
}

func TestFailuresAreNotKept(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: chatty, Faults: sim.Faults{ErrorRate: 1, Only: []string{sim.OpResponses}}}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	key := header{"Idempotency-Key": "k"}
	require.Equal(t, 500, b.call("POST", b.conv(c, "/responses"), says("hi"), key).status)
	require.NoError(t, b.SetFaults(sim.Faults{}))
	require.Equal(t, 200, b.call("POST", b.conv(c, "/responses"), says("hi"), key).status)
}

func TestKeysAreIgnored(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: chatty}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	for range 2 {
		require.Equal(t, 200, b.call("POST", b.conv(c, "/responses"), says("hi"), header{"Idempotency-Key": "k"}).status)
	}
	require.Len(t, b.transcript(c), 4)
	require.Equal(t, 1, b.Report().Totals.Duplicates)
}
