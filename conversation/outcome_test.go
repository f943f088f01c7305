package conversation_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

// What a peer cannot have counted does not count, and no sum turns negative.
func TestUsageIsPlausible(t *testing.T) {
	t.Parallel()
	odd := conversation.Usage{
		InputTokens: 100, OutputTokens: -1, CachedInputTokens: 200, CacheWriteTokens: math.MinInt64, Calls: math.MaxInt64, Cost: -3,
	}
	require.Equal(t, conversation.Usage{InputTokens: 100, CachedInputTokens: 100}, odd.Plausible())
	sound := conversation.Usage{InputTokens: 2_000_000, OutputTokens: 5, CachedInputTokens: 7, CacheWriteTokens: 8, Calls: 3, Cost: math.MaxInt64}
	require.Equal(t, sound, sound.Plausible())
	require.Equal(t, conversation.Usage{}, conversation.Usage{InputTokens: math.MaxInt64, OutputTokens: 1 << 40}.Plausible())

	most := conversation.Usage{InputTokens: math.MaxInt64, Cost: math.MaxInt64 - 1}
	require.Equal(t, conversation.Usage{InputTokens: math.MaxInt64, Cost: math.MaxInt64}, most.Add(conversation.Usage{InputTokens: 1, Cost: 2}))
	require.Equal(t, conversation.Usage{InputTokens: 1}, conversation.Usage{InputTokens: 3}.Add(conversation.Usage{InputTokens: -2}))
}
