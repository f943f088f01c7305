package endtoend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// A platform that fails in every way it can, and takes no idempotency keys: all
// conversations end, nothing is doubled, nothing is lost.
func TestFaultyPlatform(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{
			Player: rig.Endless{}, Seed: 7, Lenient: sim.Lenient{Capacity: true},
			Faults: sim.Faults{
				ErrorRate: 0.10, LostAnswerRate: 0.05, SlowRate: 0.05, SlowBy: 1500 * time.Millisecond,
				MalformedRate: 0.05, RateLimitRate: 0.02, RetryAfter: time.Second,
			},
		},
		Setup:           sim.Setup{Conversations: 24, MaxTurns: 11},
		ResponseTimeout: 500 * time.Millisecond,
		Settle:          2500 * time.Millisecond,
		MaxOpen:         24,
	})
	r.StartWorker(t)
	r.StartInbox(t, r.InboxInput())
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
	require.Zero(t, r.Fake.Duplicates())
	report := r.Sim.Report()
	for _, c := range report.Conversations {
		require.Equal(t, 5, c.AgentMessages, "conversation %s", c.ID)
		require.Equal(t, 6, c.PersonaMessages, "conversation %s", c.ID)
	}
	for _, name := range []string{"error", "connection_cut", "slow", "malformed", "rate_limited"} {
		require.Positive(t, report.Faults[name], "the test has not seen a fault %q: %v", name, report.Faults)
	}
}
