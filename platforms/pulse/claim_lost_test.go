package pulse_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
)

// TestClaimLandedBehindAnError: the answer says failure, the task says that we have
// it.
func TestClaimLandedBehindAnError(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Times: 1, Status: 500, After: true})
	receipt := b.claim(t, ref, "w")
	require.Equal(t, b.Claims(id)[0].ExecutionID, receipt.ExecutionID)
}

// TestClaimAnswerLost: the next attempt finds out whether the lost one landed.
func TestClaimAnswerLost(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/After=%t", stage, after), func(t *testing.T) {
				t.Parallel()
				b := setup(t, pulsetest.Config{Stage: stage})
				id := b.Add(pulsetest.Schedule{})
				ref := b.due(t)
				b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Times: 1, Lose: true, After: after})
				_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
				require.True(t, isKind(t, conversation.Unavailable, err).Ambiguous)

				// The look may fail as well.
				b.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Times: 1, Status: 503})
				_, err = b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
				require.True(t, isKind(t, conversation.Unavailable, err).Ambiguous)

				receipt, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
				require.NoError(t, err)
				claims := b.Claims(id)
				require.Len(t, claims, 1, "it was claimed once")
				require.Equal(t, claims[0].ExecutionID, receipt.ExecutionID)
				require.NoError(t, b.platform.Report(t.Context(), ref, report(receipt)))
				require.Equal(t, pulse.StatusCompleted, b.status(t, id))
			})
		}
	}
}

// behindARival has a claim of worker "w" whose answer was lost, and that came after
// somebody else's.
func behindARival(t *testing.T) (*bundle, conversation.Ref) {
	t.Helper()
	b := setup(t, pulsetest.Config{})
	b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	b.Compete(pulsetest.Rival{Worker: "other"})
	b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Times: 1, Lose: true, After: true})
	_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
	isKind(t, conversation.Unavailable, err)
	return b, ref
}

// TestClaimAnswerLostAndLost: our claim took effect, but another worker's before it.
func TestClaimAnswerLostAndLost(t *testing.T) {
	t.Parallel()
	b, ref := behindARival(t)
	_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
	isKind(t, conversation.Claimed, err)
	require.ErrorContains(t, err, "claimed it first")
}

// TestReadBackLost: we have the claim but cannot see whether we were first.
func TestReadBackLost(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	b.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Skip: 1, Times: 1, Status: 500})
	_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
	require.True(t, isKind(t, conversation.Unavailable, err).Ambiguous)
	receipt, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
	require.NoError(t, err)
	require.Len(t, b.Claims(id), 1)
	require.Equal(t, b.Claims(id)[0].ExecutionID, receipt.ExecutionID)
}
