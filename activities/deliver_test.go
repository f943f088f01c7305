package activities_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// What a task sets must not become options that Temporal refuses: the
// workflow would stand still with its task claimed.
func TestDeliverOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		retries, attempts int
		timeout, most     time.Duration
	}{
		{0, 1, 0, activities.DefaultCallbackTimeout},
		{5, 6, time.Minute, time.Minute},
		{-7, 1, -time.Minute, activities.DefaultCallbackTimeout},
		{math.MaxInt32, 1001, 365 * 24 * time.Hour, time.Hour},
		{math.MaxInt, 1001, math.MaxInt64, time.Hour},
	} {
		c := conversation.Callback{Retries: &tt.retries, Timeout: tt.timeout}
		require.Equal(t, tt.attempts, activities.CallbackAttempts(c))
		o := activities.DeliverOptions(c)
		require.Greater(t, int(o.RetryPolicy.MaximumAttempts), tt.attempts, "there is none to spare for a worker that dies")
		require.Equal(t, tt.most+5*time.Second, o.StartToCloseTimeout)
	}
	require.Equal(t, 1+activities.DefaultCallbackRetries, activities.CallbackAttempts(conversation.Callback{}))
}
