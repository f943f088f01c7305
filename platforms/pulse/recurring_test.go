package pulse_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms/pulse"
)

// TestRecurring: two times, each occurrence claimed and acknowledged once, although
// each is reported twice.
func TestRecurring(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"AllIsWell", "AnswerLost", "RequestLost", "ReportedTwice"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{})
			id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute, Times: 2})
			var seen []string
			for range 2 {
				ref := b.due(t)
				seen = append(seen, ref.ID)
				receipt := b.claim(t, ref, "w")
				in := report(receipt)
				if how == "AnswerLost" || how == "RequestLost" {
					b.Fail(pulsetest.Fault{Op: pulsetest.OpAck, Times: 1, Lose: true, After: how == "AnswerLost"})
					require.True(t, isKind(t, conversation.Unavailable, b.platform.Report(t.Context(), ref, in)).Ambiguous)
					in.Tried = true
				}
				require.NoError(t, b.platform.Report(t.Context(), ref, in))
				if how == "ReportedTwice" {
					require.NoError(t, b.platform.Report(t.Context(), ref, in))
				}
				require.Empty(t, b.assigned(t))
				b.clock.Advance(time.Minute)
			}
			require.Equal(t, pulse.StatusCompleted, b.status(t, id))
			require.Len(t, b.Acks(id), 2)
			require.Len(t, b.Claims(id), 2)
			require.NotEqual(t, seen[0], seen[1])
		})
	}
}

// TestRecurringAckLateToTheNext: the lost acknowledgement landed, and the next
// occurrence is running already.
func TestRecurringAckLateToTheNext(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
	first := b.due(t)
	in := report(b.claim(t, first, "w1"))
	b.Fail(pulsetest.Fault{Op: pulsetest.OpAck, Times: 1, Lose: true, After: true})
	isKind(t, conversation.Unavailable, b.platform.Report(t.Context(), first, in))
	b.clock.Advance(time.Minute)
	second := b.due(t)
	next := report(b.claim(t, second, "w2"))
	in.Tried = true
	require.NoError(t, b.platform.Report(t.Context(), first, in))
	require.Equal(t, pulse.StatusProcessing, b.status(t, id), "the second goes on")
	require.Len(t, b.Acks(id), 1)
	require.NoError(t, b.platform.Report(t.Context(), second, next))
	require.Len(t, b.Acks(id), 2)
}

// TestHistoryTells: an operator has set the task back to an occurrence that was
// acknowledged. The history knows.
func TestHistoryTells(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
	ref := b.due(t)
	in := report(b.claim(t, ref, "w"))
	require.NoError(t, b.platform.Report(t.Context(), ref, in))
	patch(t, b, id, fmt.Sprintf(`{"next_execution":%d}`, noon.Unix()))
	in.Tried = true
	require.NoError(t, b.platform.Report(t.Context(), ref, in))
	require.Len(t, b.Acks(id), 1)

	// A server without histories leaves it to the due second.
	b.Fail(pulsetest.Fault{Op: pulsetest.OpHistory, Status: 404, Times: 1})
	b.Fail(pulsetest.Fault{Op: pulsetest.OpAck, Status: 418, Times: 1})
	isKind(t, conversation.Invalid, b.platform.Report(t.Context(), ref, in))
	require.Equal(t, 2, b.Requests(pulsetest.OpAck))

	// A history that cannot be read now is no answer.
	b.Fail(pulsetest.Fault{Op: pulsetest.OpHistory, Status: 503, Times: 1})
	require.True(t, isKind(t, conversation.Unavailable, b.platform.Report(t.Context(), ref, in)).Ambiguous)
	require.Len(t, b.Acks(id), 1)
}

// TestRecurringInOldStages: the server cannot acknowledge them. The error says so,
// once and finally.
func TestRecurringInOldStages(t *testing.T) {
	t.Parallel()
	for _, stage := range []pulse.Stage{pulse.StageA, pulse.StageA2, pulse.StageB} {
		for _, cron := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/Cron=%t", stage, cron), func(t *testing.T) {
				t.Parallel()
				b := setup(t, pulsetest.Config{Stage: stage})
				in := pulsetest.Schedule{At: noon, Every: time.Minute}
				if cron {
					in = pulsetest.Schedule{Cron: "* * * * *"}
					b.clock.Advance(-time.Second)
				}
				id := b.Add(in)
				b.clock.Set(noon)
				ref := b.due(t)
				r := report(b.claim(t, ref, "w"))
				err := b.platform.Report(t.Context(), ref, r)
				e := isKind(t, conversation.Invalid, err)
				require.False(t, e.Ambiguous)
				require.ErrorContains(t, err, fmt.Sprintf("a Pulse of stage %s cannot acknowledge recurring tasks, and the task stays processing", stage))
				r.Tried = true
				isKind(t, conversation.Invalid, b.platform.Report(t.Context(), ref, r))
				require.Equal(t, pulse.StatusProcessing, b.status(t, id))
				open, err := b.platform.Open(t.Context(), "", "")
				require.NoError(t, err)
				require.Empty(t, open, "what we ran is not adopted")
			})
		}
	}
}

// TestOldHistoryCannotBeRead: a server of stage B that was repaired by hand, so that
// it can acknowledge, but still not show a history.
func TestOldHistoryCannotBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{Stage: pulse.StageB, Change: func(q *pulsetest.Quirks) { q.RecurringAckFails = false }})
	id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
	for _, after := range []bool{true, false} {
		ref := b.due(t)
		in := report(b.claim(t, ref, "w"))
		b.Fail(pulsetest.Fault{Op: pulsetest.OpAck, Times: 1, Lose: true, After: after})
		isKind(t, conversation.Unavailable, b.platform.Report(t.Context(), ref, in))
		in.Tried = true
		require.NoError(t, b.platform.Report(t.Context(), ref, in))
		b.clock.Advance(time.Minute)
	}
	require.Len(t, b.Acks(id), 2)
}
