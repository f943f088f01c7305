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

// TestCancelled: what was cancelled while it ran needs no acknowledgement, and one
// that comes all the same does no harm.
func TestCancelled(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{0, time.Minute} {
		for _, gone := range []bool{false, true} {
			t.Run(fmt.Sprintf("Every=%s/Gone=%t", every, gone), func(t *testing.T) {
				t.Parallel()
				b := setup(t, pulsetest.Config{})
				id := b.Add(pulsetest.Schedule{At: noon, Every: every})
				ref := b.due(t)
				receipt := b.claim(t, ref, "w")
				cancelled, err := b.platform.Cancelled(t.Context(), ref, receipt)
				require.NoError(t, err)
				require.False(t, cancelled)
				if gone {
					b.Delete(id)
				} else {
					b.Cancel(id)
				}
				cancelled, err = b.platform.Cancelled(t.Context(), ref, receipt)
				require.NoError(t, err)
				require.True(t, cancelled)
				in := report(receipt)
				in.Status = conversation.TaskCancelled
				require.NoError(t, b.platform.Report(t.Context(), ref, in))
				require.Empty(t, b.History(id))
			})
		}
	}
	b := setup(t, pulsetest.Config{})
	b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	b.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Status: 503})
	cancelled, err := b.platform.Cancelled(t.Context(), ref, platforms.Receipt{})
	isKind(t, conversation.Unavailable, err)
	require.False(t, cancelled)
}

// TestCancelledBetweenLookAndAck: Pulse itself ignores the acknowledgement.
func TestCancelledBetweenLookAndAck(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
	ref := b.due(t)
	receipt := b.claim(t, ref, "w")
	b.Cancel(id)
	require.NoError(t, b.platform.Client().Ack(t.Context(), id, pulse.Ack{
		Status: pulse.AckSuccess, WorkerID: receipt.Worker, ExecutionID: receipt.ExecutionID,
	}))
	require.False(t, b.Acks(id)[0].Counted)
	require.Equal(t, pulse.StatusCancelled, b.status(t, id))
}
