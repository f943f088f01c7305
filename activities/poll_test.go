package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
)

// However long a platform was away, tasks that are due when it is back are found
// before they expire.
func TestPollBackoff(t *testing.T) {
	t.Parallel()
	for faults, want := range map[int]time.Duration{1: 4 * time.Second, 2: 8 * time.Second, 5: time.Minute, 1000: time.Minute} {
		require.Equal(t, want, activities.PollBackoff(2*time.Second, faults, false))
		require.Equal(t, min(want, 10*time.Second), activities.PollBackoff(2*time.Second, faults, true))
	}
	require.Equal(t, 400*time.Millisecond, activities.PollBackoff(200*time.Millisecond, 1, true))
}
