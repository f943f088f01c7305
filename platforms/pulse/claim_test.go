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

// TestClaimWhileProcessing: what another worker has is left alone, although most
// stages would let us claim it.
func TestClaimWhileProcessing(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{Stage: stage})
			id := b.Add(pulsetest.Schedule{})
			ref := b.due(t)
			_, ok := b.ClaimAs(id, "agent-executor-1")
			require.True(t, ok)
			_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
			isKind(t, conversation.Claimed, err)
			require.ErrorContains(t, err, `worker "agent-executor-1" has it`)
			require.Len(t, b.Claims(id), 1)
			require.Zero(t, b.Requests(pulsetest.OpClaim))
			require.Empty(t, b.Acks(id))
		})
	}
}

// TestNotOurs: every state in which a task is not to be claimed, found before the
// claim.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		do   func(b *bundle, id string)
		kind conversation.Kind
		want string
	}{
		{"Cancelled", func(b *bundle, id string) { b.Cancel(id) }, conversation.Claimed, "it is cancelled"},
		{"Expired", func(b *bundle, _ string) { b.clock.Advance(time.Minute); b.Expire() }, conversation.Claimed, "it has expired"},
		{"Completed", func(b *bundle, id string) {
			execution, _ := b.ClaimAs(id, "w")
			b.AckAs(id, "w", execution)
		}, conversation.Claimed, "it is completed"},
		{"Gone", func(b *bundle, id string) { b.Delete(id) }, conversation.NotFound, "404"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{})
			id := b.Add(pulsetest.Schedule{})
			ref := b.due(t)
			tt.do(b, id)
			_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
			isKind(t, tt.kind, err)
			require.ErrorContains(t, err, tt.want)
			require.Zero(t, b.Requests(pulsetest.OpClaim))
			require.NotContains(t, refs(b.assigned(t)), ref)
		})
	}
}

func TestPaused(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	patch(t, b, id, `{"status":"paused"}`)
	require.Empty(t, b.assigned(t))
	_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
	isKind(t, conversation.Claimed, err)
	require.ErrorContains(t, err, "it is paused")
	patch(t, b, id, `{"status":"active"}`)
	b.claim(t, b.due(t), "w")
}

// TestConflict: a claim that is refused answers 500, and so does a server that is
// ill. The task tells which it was.
func TestConflict(t *testing.T) {
	t.Parallel()
	internal := pulsetest.Fault{Op: pulsetest.OpClaim, Status: 500, Body: `{"detail":"Internal error: 409: cannot"}`}
	for _, tt := range []struct {
		name   string
		stage  pulse.Stage
		change func(*pulsetest.Quirks)
		do     func(b *bundle, id string)
		kind   conversation.Kind
		landed bool
		want   string
	}{
		{
			name: "LostTheRaceInStageA", stage: pulse.StageA,
			do:   func(b *bundle, _ string) { b.Compete(pulsetest.Rival{Worker: "other"}) },
			kind: conversation.Claimed, want: `worker "other" has it`,
		},
		{
			name: "LostTheRaceTo409", stage: pulse.StageA, change: func(q *pulsetest.Quirks) { q.ConflictStatus = 409 },
			do:   func(b *bundle, _ string) { b.Compete(pulsetest.Rival{Worker: "other"}) },
			kind: conversation.Claimed, want: `worker "other" has it`,
		},
		{
			name: "TheServerIsIll",
			do:   func(b *bundle, _ string) { b.Fail(internal) },
			kind: conversation.Unavailable, want: "500 Internal Server Error: “Internal error: 409: cannot”",
		},
		{
			name: "NobodyIsThere",
			do:   func(b *bundle, _ string) { b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Status: 503}) },
			kind: conversation.Unavailable, landed: true, want: "503",
		},
		{
			name: "NoSuchRoute",
			do: func(b *bundle, _ string) {
				b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Status: 404, Body: `{"detail":"Not Found"}`})
			},
			kind: conversation.Unavailable, want: "not Pulse's own answer",
		},
		{
			name: "TheKeyIsWrong",
			do:   func(b *bundle, _ string) { b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Status: 401}) },
			kind: conversation.Unauthorized, want: "PULSE_API_KEY",
		},
		{
			name: "TheLookFailsToo",
			do: func(b *bundle, _ string) {
				b.Fail(internal)
				b.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Skip: 1, Status: 502})
			},
			kind: conversation.Unavailable, landed: true, want: "claim task",
		},
		{
			name: "TheLookIsNotAllowed",
			do:   func(b *bundle, _ string) { b.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Status: 401}) },
			kind: conversation.Unauthorized, want: "get task",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{Stage: tt.stage, Change: tt.change})
			id := b.Add(pulsetest.Schedule{})
			ref := b.due(t)
			tt.do(b, id)
			_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
			e := isKind(t, tt.kind, err)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.landed, e.Ambiguous, "%v", err)
		})
	}
}

// TestClaimMeetsTheNextOccurrence: between our look and our claim somebody ran the
// occurrence. What we have then is the next one, which is not due: we let go of it.
func TestClaimMeetsTheNextOccurrence(t *testing.T) {
	t.Parallel()
	for _, stage := range []pulse.Stage{pulse.StageA, pulse.StageC} {
		for _, how := range []string{"AtOnce", "ClaimAnswerLost", "LettingGoFails"} {
			t.Run(string(stage)+"/"+how, func(t *testing.T) {
				t.Parallel()
				b := setup(t, pulsetest.Config{Stage: stage, Change: func(q *pulsetest.Quirks) { q.RecurringAckFails = false }})
				id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
				ref := b.due(t)
				b.Compete(pulsetest.Rival{Worker: "other", Done: true})
				switch how {
				case "ClaimAnswerLost":
					b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Times: 1, Lose: true, After: true})
				case "LettingGoFails":
					b.Fail(pulsetest.Fault{Op: pulsetest.OpPatch, Times: 1, Status: 503})
				}
				_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
				if how != "AtOnce" {
					require.True(t, isKind(t, conversation.Unavailable, err).Ambiguous)
					require.Equal(t, pulse.StatusProcessing, b.status(t, id))
					_, err = b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
				}
				isKind(t, conversation.Claimed, err)
				require.ErrorContains(t, err, "it is due at 2031-05-06T12:01:00Z now, no longer at 2031-05-06T12:00:00Z")
				require.Equal(t, pulse.StatusActive, b.status(t, id))
				b.clock.Advance(time.Minute)
				b.claim(t, b.due(t), "w2")
				require.Len(t, b.Acks(id), 1)
			})
		}
	}
}

func TestNotBeforeItIsDue(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{At: noon.Add(time.Second)})
	ref := conversation.Ref{Platform: "pulse", Simulation: id, ID: fmt.Sprintf("%s@%d", id, noon.Unix()+1)}
	_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
	isKind(t, conversation.Invalid, err)
	require.ErrorContains(t, err, "it is due at 2031-05-06T12:00:01Z, and Pulse's clock shows about 2031-05-06T11:59:58Z")
	require.Empty(t, b.Claims(id))
	b.clock.Advance(time.Second)
	b.claim(t, ref, "w")
}
