package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What waits for weeks acts so seldom that its history does not fill: Temporal ends a
// workflow at 51,200 events.
func TestWaitsOfWeeks(t *testing.T) {
	t.Parallel()
	const month = 30 * 24 * time.Hour
	count := func(next func(last, waited time.Duration) time.Duration) (n int) {
		for last, waited := time.Duration(0), time.Duration(0); waited < month; n++ {
			last = next(last, waited)
			waited += last
		}
		return n
	}
	r := &run{in: ConversationInput{Edition: Edition}}
	for name, row := range map[string]struct {
		n      int
		events int // each time, generously
	}{
		"ambiguous": {count(func(last, _ time.Duration) time.Duration {
			return max(firstReconcile, min(2*last, r.longestReconcile()))
		}), 20},
		"capacity": {count(func(last, _ time.Duration) time.Duration {
			return max(waitRetry, r.nextWaitRetry(last))
		}), 15},
		"outage": {count(func(_, waited time.Duration) time.Duration { return probeAfter(Edition, waited, 0) }), 30},
	} {
		require.Less(t, row.n*row.events, 25_000, "%s: %d times", name, row.n)
	}
}

// The rules of histories that were recorded before edition 1.
func TestWaitsOfOlderHistories(t *testing.T) {
	t.Parallel()
	r := &run{}
	require.Equal(t, time.Hour, r.longestReconcile())
	require.Equal(t, waitRetry, r.nextWaitRetry(waitRetry))
	require.Equal(t, time.Minute, probeAfter(0, 100*time.Hour, 0))
	require.Equal(t, 16*time.Minute, probeAfter(0, 100*time.Hour, 9))
	require.Equal(t, 16*time.Minute, probeAfter(1, 0, 9), "a relapse counts in each edition")
	require.Equal(t, lastProbe, probeAfter(1, 100*time.Hour, 9))
}
