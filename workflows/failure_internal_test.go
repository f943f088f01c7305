package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// What failed attempts cost counts also when the last one ended without a word,
// because its worker died: the heartbeat has it.
func TestFailureKeepsWhatWasSpent(t *testing.T) {
	t.Parallel()
	timedOut := func(details ...any) failure { // as it comes back from the server
		c := temporal.GetDefaultFailureConverter()
		return failureOf(c.FailureToError(c.ErrorToFailure(temporal.NewHeartbeatTimeoutError(details...))))
	}
	spent := conversation.Usage{InputTokens: 10, OutputTokens: 5, Cost: 7, Calls: 2}
	f := timedOut(activities.ReplyProgress{Spent: spent, Failed: 1})
	require.Equal(t, conversation.Unavailable, f.kind)
	require.Equal(t, spent, f.spent)
	require.Contains(t, f.reason, "its worker died")
	for name, details := range map[string][]any{"None": nil, "Another's": {activities.Mark{}}, "No object": {"something else"}} {
		require.Zero(t, timedOut(details...).spent, name)
	}
}
