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

// TestAckErrors: what each answer to an acknowledgement means.
func TestAckErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fault  pulsetest.Fault
		kind   conversation.Kind // empty: no error
		landed bool
		want   string
		acks   int
	}{
		{name: "LandedBehind500", fault: pulsetest.Fault{Status: 500, After: true}, acks: 1},
		{name: "LandedBehind504", fault: pulsetest.Fault{Status: 504, After: true}, acks: 1},
		{name: "NotLandedBehind500", fault: pulsetest.Fault{Status: 500}, kind: conversation.Unavailable, want: "still processing"},
		{name: "NotLandedBehind503", fault: pulsetest.Fault{Status: 503, Header: map[string]string{"Retry-After": "7"}},
			kind: conversation.Unavailable, landed: true, want: "503"},
		{name: "OtherAnswerLanded", fault: pulsetest.Fault{Status: 200, Body: `{"status":"acknowledged"}`, After: true}, acks: 1},
		{name: "OtherAnswerNotLanded", fault: pulsetest.Fault{Status: 200, Body: `{"status":"welcome"}`},
			kind: conversation.Unavailable, want: "not one of Pulse's to an acknowledgement"},
		{name: "NullNotLanded", fault: pulsetest.Fault{Status: 200, Body: `null`}, kind: conversation.Unavailable, landed: true, want: "null"},
		{name: "ReasonOfTheServer", fault: pulsetest.Fault{Status: 500, Body: `{"detail":"Internal error: no such column: last_run"}`},
			kind: conversation.Unavailable, want: "no such column: last_run” (the task is still processing"},
		{name: "Gone", fault: pulsetest.Fault{Status: 404, Body: `{"detail":"Task not found"}`}},
		{name: "Fenced", fault: pulsetest.Fault{Status: 409, Body: `{"detail":"locked"}`}, kind: conversation.Claimed, want: "took the task over"},
		{name: "Key", fault: pulsetest.Fault{Status: 401}, kind: conversation.Unauthorized, want: "PULSE_API_KEY"},
		{name: "Array", fault: pulsetest.Fault{Status: 422, Body: `{"detail":[{"loc":["body","status"],"msg":"Field required","type":"missing"}]}`},
			kind: conversation.Invalid, want: "body.status: Field required"},
	} {
		for _, every := range []time.Duration{0, time.Minute} {
			t.Run(fmt.Sprintf("%s/Every=%s", tt.name, every), func(t *testing.T) {
				t.Parallel()
				b := setup(t, pulsetest.Config{})
				id := b.Add(pulsetest.Schedule{At: noon, Every: every})
				ref := b.due(t)
				receipt := b.claim(t, ref, "w")
				fault := tt.fault // the two periods share tt
				fault.Op, fault.Times = pulsetest.OpAck, 1
				b.Fail(fault)
				err := b.platform.Report(t.Context(), ref, report(receipt))
				require.Len(t, b.Acks(id), tt.acks)
				if tt.kind == "" {
					require.NoError(t, err)
					return
				}
				e := isKind(t, tt.kind, err)
				require.ErrorContains(t, err, tt.want)
				require.Equal(t, tt.landed, e.Ambiguous)
				if tt.fault.Header != nil {
					require.Equal(t, 7*time.Second, e.RetryAfter)
				}
			})
		}
	}
}

// TestFencedAck: in stage A another worker takes over what has been locked for five
// minutes, and then ours does not count.
func TestFencedAck(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{Stage: pulse.StageA})
	id := b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	receipt := b.claim(t, ref, "w")
	b.clock.Advance(301 * time.Second)
	_, ok := b.ClaimAs(id, "other")
	require.True(t, ok)
	isKind(t, conversation.Claimed, b.platform.Report(t.Context(), ref, report(receipt)))
	require.Empty(t, b.Acks(id))
}

// TestParleysIgnoreTheLock: a run may be longer than stage A's lock.
func TestParleysIgnoreTheLock(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{Stage: pulse.StageA})
	id := b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	receipt := b.claim(t, ref, "w")
	b.clock.Advance(time.Hour)
	require.Empty(t, b.assigned(t))
	open, err := b.platform.Open(t.Context(), "", "")
	require.NoError(t, err)
	require.Empty(t, open)
	for _, adopt := range []bool{false, true} {
		_, err = b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "other", Adopt: adopt})
		isKind(t, conversation.Claimed, err)
	}
	require.NoError(t, b.platform.Report(t.Context(), ref, report(receipt)))
	require.Len(t, b.Acks(id), 1)
}

// TestOnceInOldStages: a failure there is no more than a failure.
func TestOnceInOldStages(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{Stage: pulse.StageB})
	b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	in := report(b.claim(t, ref, "w"))
	b.Fail(pulsetest.Fault{Op: pulsetest.OpAck, Status: 500, Times: 1})
	err := b.platform.Report(t.Context(), ref, in)
	require.False(t, isKind(t, conversation.Unavailable, err).Ambiguous)
	require.ErrorContains(t, err, "the task is still processing")
	in.Tried = true
	require.NoError(t, b.platform.Report(t.Context(), ref, in))
}

// TestGivenAnotherTimeWhileItRan: the run is acknowledged all the same, or the task
// would stay claimed for ever.
func TestGivenAnotherTimeWhileItRan(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	receipt := b.claim(t, ref, "w")
	patch(t, b, id, fmt.Sprintf(`{"next_execution":%d}`, noon.Unix()+3600))
	require.NoError(t, b.platform.Report(t.Context(), ref, report(receipt)))
	require.Equal(t, pulse.StatusCompleted, b.status(t, id))
}

// TestReportWithoutAReceipt: an adopted task that was never claimed by us.
func TestReportWithoutAReceipt(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{Stage: stage, Change: func(q *pulsetest.Quirks) { q.RecurringAckFails = false }})
			id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
			ref := b.due(t)
			execution, _ := b.ClaimAs(id, "dead")
			require.NoError(t, b.platform.Report(t.Context(), ref, report(platforms.Receipt{})))
			require.Equal(t, "dead", b.Acks(id)[0].Worker)
			require.Equal(t, execution, b.Acks(id)[0].ExecutionID)
			require.NoError(t, b.platform.Report(t.Context(), ref, report(platforms.Receipt{})))
			require.Len(t, b.Acks(id), 1)
		})
	}
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	require.NoError(t, b.platform.Report(t.Context(), ref, report(platforms.Receipt{})))
	require.Equal(t, "parley-report", b.Acks(id)[0].Worker)
}
