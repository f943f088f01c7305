package pulse_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
)

// TestFindClaim: a claim whose answer was lost is found, where it has landed, and is made
// in no case.
func TestFindClaim(t *testing.T) {
	t.Parallel()
	claim := platforms.Claim{Worker: "w", Tried: true}
	for _, stage := range allStages {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/After=%t", stage, after), func(t *testing.T) {
				t.Parallel()
				b := setup(t, pulsetest.Config{Stage: stage})
				id := b.Add(pulsetest.Schedule{})
				ref := b.due(t)
				b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Times: 1, Lose: true, After: after})
				_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
				isKind(t, conversation.Unavailable, err)
				b.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Times: 1, Status: 503})
				_, err = b.platform.FindClaim(t.Context(), ref, claim)
				isKind(t, conversation.Unavailable, err)
				receipt, err := b.platform.FindClaim(t.Context(), ref, claim)
				if !after {
					isKind(t, conversation.Claimed, err)
					require.Empty(t, b.Claims(id))
					return
				}
				require.NoError(t, err)
				require.Len(t, b.Claims(id), 1)
				require.Equal(t, b.Claims(id)[0].ExecutionID, receipt.ExecutionID)
				require.NoError(t, b.platform.Report(t.Context(), ref, report(receipt)))
				require.Equal(t, pulse.StatusCompleted, b.status(t, id))
				_, err = b.platform.FindClaim(t.Context(), ref, claim)
				isKind(t, conversation.Claimed, err)
				b.Delete(id)
				_, err = b.platform.FindClaim(t.Context(), ref, claim)
				isKind(t, conversation.Claimed, err)
			})
		}
	}
}

// TestFindClaimBehindARival: who came second does not report for who came first.
func TestFindClaimBehindARival(t *testing.T) {
	t.Parallel()
	b, ref := behindARival(t)
	_, err := b.platform.FindClaim(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
	isKind(t, conversation.Claimed, err)
}

// TestFindClaimAtTheNextOccurrence: a claim that met the next occurrence is undone, so
// that it runs.
func TestFindClaimAtTheNextOccurrence(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
	ref := b.due(t)
	first := b.claim(t, ref, "other")
	require.NoError(t, b.platform.Report(t.Context(), ref, report(first)))
	b.clock.Advance(time.Minute)
	_, claimed := b.ClaimAs(id, pulse.WorkerPrefix+"w")
	require.True(t, claimed)
	_, err := b.platform.FindClaim(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
	isKind(t, conversation.Claimed, err)
	require.Equal(t, pulse.StatusActive, b.status(t, id))
	require.Equal(t, noon.Add(time.Minute), b.assigned(t)[0].Created)
}
