package pulse_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
	"github.com/parley-run/parley/platforms/pulse/pulsetest"
)

// TestOnce: a task that is due once, in every stage.
func TestOnce(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{Stage: stage})
			id := b.Add(pulsetest.Schedule{Delay: 2 * time.Second})
			require.Empty(t, b.assigned(t), "it is not due yet")
			b.clock.Advance(time.Second)
			require.Empty(t, b.assigned(t), "nor a second before")
			b.clock.Advance(time.Second)
			all := b.assigned(t)
			require.Len(t, all, 1, "the poll and the list show one occurrence")
			due := noon.Add(2 * time.Second)
			require.Equal(t, platforms.Assignment{
				Ref: conversation.Ref{
					Platform: "pulse", Simulation: id, ID: fmt.Sprintf("%s@%d", id, due.Unix()),
				},
				Created: due, Persona: "run_agent a-1 main",
			}, all[0])
			ref := all[0].Ref

			receipt := b.take(t, ref, "w1")
			require.Equal(t, "parley-w1", receipt.Worker)
			require.Equal(t, stage == pulse.StageA, receipt.ExecutionID == "")
			require.Empty(t, b.assigned(t))

			b.clock.Advance(time.Minute)
			require.NoError(t, b.platform.Report(t.Context(), ref, report(receipt)))
			require.Equal(t, pulse.StatusCompleted, b.status(t, id))
			acks := b.Acks(id)
			require.Len(t, acks, 1)
			require.Equal(t, pulsetest.Ack{
				Task: id, Worker: "parley-w1", ExecutionID: receipt.ExecutionID, Status: "success", TookMS: 1500,
				Due: due, At: b.Now(), Counted: true,
			}, acks[0])

			// A second report finds nothing to acknowledge.
			again := report(receipt)
			again.Tried = true
			require.NoError(t, b.platform.Report(t.Context(), ref, again))
			require.Len(t, b.Acks(id), 1)
			require.Len(t, b.History(id), 1)
			// Nor is there anything to claim.
			_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w2"})
			isKind(t, conversation.Claimed, err)
			require.ErrorContains(t, err, "it is completed")
		})
	}
}

// TestFailedRun: Pulse's word for everything but success is failed.
func TestFailedRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		report platforms.Report
		text   string
	}{
		{"Failed", platforms.Report{Status: conversation.TaskFailed, Error: "no such agent"}, "no such agent"},
		{"FailedWithoutWords", platforms.Report{Status: conversation.TaskFailed}, "failed"},
		{"CancelledByParley", platforms.Report{Status: conversation.TaskCancelled}, "cancelled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{})
			id := b.Add(pulsetest.Schedule{})
			ref := b.due(t)
			tt.report.Receipt = b.take(t, ref, "w")
			require.NoError(t, b.platform.Report(t.Context(), ref, tt.report))
			require.Equal(t, "failed", b.History(id)[0].Status)
			require.Equal(t, tt.text, b.History(id)[0].Error)
			require.Equal(t, pulse.StatusCompleted, b.status(t, id), "a failed run is over too")
		})
	}
}

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
			_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
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
			_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
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
	_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
	isKind(t, conversation.Claimed, err)
	require.ErrorContains(t, err, "it is paused")
	patch(t, b, id, `{"status":"active"}`)
	b.take(t, b.due(t), "w")
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
			kind: conversation.Unavailable, want: "500 Internal Server Error: Internal error: 409: cannot",
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
			kind: conversation.Invalid, want: "is it a Pulse?",
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
			_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
			e := isKind(t, tt.kind, err)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.landed, e.MayHaveLanded, "%v", err)
		})
	}
}

// TestClaimLandedBehindAnError: the answer says failure, the task says that we have
// it.
func TestClaimLandedBehindAnError(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Times: 1, Status: 500, After: true})
	receipt := b.take(t, ref, "w")
	require.Equal(t, b.Claims(id)[0].ExecutionID, receipt.ExecutionID)
}

// TestParallelClaims: Pulse tells both that they have it. The first runs it.
func TestParallelClaims(t *testing.T) {
	t.Parallel()
	for _, stage := range []pulse.Stage{pulse.StageA2, pulse.StageB, pulse.StageC} {
		for _, tt := range []struct {
			name  string
			rival pulsetest.Rival
			want  string // empty: it is ours
		}{
			{"TheOtherWasFirst", pulsetest.Rival{Worker: "other"}, "another worker claimed it first"},
			{"AnotherParleyWasFirst", pulsetest.Rival{Worker: "parley-2"}, "another worker claimed it first"},
			{"TwoWereFirst", pulsetest.Rival{Worker: "other", Times: 2}, "another worker claimed it first"},
			{"TheOtherWasSecondAndDoesNotLook", pulsetest.Rival{Worker: "other", After: true}, `worker "other" claimed it at the same time`},
			{"AnotherParleyWasSecondAndLooks", pulsetest.Rival{Worker: "parley-2", After: true}, ""},
		} {
			t.Run(string(stage)+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				b := setup(t, pulsetest.Config{Stage: stage})
				id := b.Add(pulsetest.Schedule{})
				ref := b.due(t)
				b.Compete(tt.rival)
				receipt, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "1"})
				require.Greater(t, len(b.Claims(id)), 1)
				require.Empty(t, b.Acks(id), "what is not ours is not acknowledged")
				if tt.want == "" {
					require.NoError(t, err)
					require.Equal(t, b.Claims(id)[0].ExecutionID, receipt.ExecutionID)
					return
				}
				isKind(t, conversation.Claimed, err)
				require.ErrorContains(t, err, tt.want)
			})
		}
	}
}

// TestRaceOfParleys: of many that claim at once, at most one runs the task, and one
// does if all can see each other.
func TestRaceOfParleys(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{Stage: stage})
			b.Add(pulsetest.Schedule{})
			ref := b.due(t)
			errs := make([]error, 8)
			var all sync.WaitGroup
			for i := range errs {
				all.Go(func() {
					_, errs[i] = b.platform.Take(t.Context(), ref, platforms.Claim{Worker: fmt.Sprint(i)})
				})
			}
			all.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
					continue
				}
				isKind(t, conversation.Claimed, err)
			}
			require.Equal(t, 1, won)
		})
	}
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
				_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
				require.True(t, isKind(t, conversation.Unavailable, err).MayHaveLanded)

				// The look may fail as well.
				b.Fail(pulsetest.Fault{Op: pulsetest.OpGet, Times: 1, Status: 503})
				_, err = b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
				require.True(t, isKind(t, conversation.Unavailable, err).MayHaveLanded)

				receipt, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
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

// TestClaimAnswerLostAndLost: our claim landed, but somebody else's before it.
func TestClaimAnswerLostAndLost(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	b.Compete(pulsetest.Rival{Worker: "other"})
	b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Times: 1, Lose: true, After: true})
	_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
	isKind(t, conversation.Unavailable, err)
	_, err = b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
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
	_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
	require.True(t, isKind(t, conversation.Unavailable, err).MayHaveLanded)
	receipt, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
	require.NoError(t, err)
	require.Len(t, b.Claims(id), 1)
	require.Equal(t, b.Claims(id)[0].ExecutionID, receipt.ExecutionID)
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
				_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
				if how != "AtOnce" {
					require.True(t, isKind(t, conversation.Unavailable, err).MayHaveLanded)
					require.Equal(t, pulse.StatusProcessing, b.status(t, id))
					_, err = b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w", Tried: true})
				}
				isKind(t, conversation.Claimed, err)
				require.ErrorContains(t, err, "it is due at 2031-05-06T12:01:00Z now, no longer at 2031-05-06T12:00:00Z")
				require.Equal(t, pulse.StatusActive, b.status(t, id))
				b.clock.Advance(time.Minute)
				b.take(t, b.due(t), "w2")
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
	_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
	isKind(t, conversation.Invalid, err)
	require.ErrorContains(t, err, "it is due at 2031-05-06T12:00:01Z, and Pulse's clock shows 2031-05-06T12:00:00Z")
	require.Empty(t, b.Claims(id))
	b.clock.Advance(time.Second)
	b.take(t, ref, "w")
}

// TestMinuteBorder: what is due at second 58 and not polled before the minute is
// over is not in any poll, but in the list.
func TestMinuteBorder(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{Stage: stage})
			id := b.Add(pulsetest.Schedule{At: noon.Add(58 * time.Second)})
			b.clock.Set(noon.Add(62 * time.Second))
			polled, err := b.platform.Client().Poll(t.Context(), pulse.DefaultTypes(), 100)
			require.NoError(t, err)
			require.Empty(t, polled.Tasks)
			ref := b.due(t)
			require.Equal(t, id, ref.Simulation)
			b.take(t, ref, "w")
		})
	}
}

// TestExpiry: nobody claimed it for 60 seconds.
func TestExpiry(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	once := b.Add(pulsetest.Schedule{})
	again := b.Add(pulsetest.Schedule{At: noon, Every: 5 * time.Minute})
	cron := b.Add(pulsetest.Schedule{Cron: "0 12 * * *"})
	daily, _ := b.Task(cron)
	require.Equal(t, noon.Add(24*time.Hour), daily.Next)
	old := b.assigned(t)
	require.Len(t, old, 2)
	b.clock.Advance(59 * time.Second)
	b.Tick()
	require.Len(t, b.assigned(t), 2, "there is a second left")
	b.clock.Advance(31 * time.Second)
	b.Tick()
	require.Empty(t, b.assigned(t))
	require.Equal(t, pulse.StatusExpired, b.status(t, once))
	require.Equal(t, pulse.StatusActive, b.status(t, again))
	for _, a := range old {
		_, err := b.platform.Take(t.Context(), a.Ref, platforms.Claim{Worker: "w"})
		isKind(t, conversation.Claimed, err)
	}
	require.Zero(t, b.Requests(pulsetest.OpClaim), "the next occurrence is not claimed in its stead")

	b.clock.Set(noon.Add(5 * time.Minute))
	require.Equal(t, again, b.due(t).Simulation)

	// An expired cron task stays where it was. It is run late, and goes on.
	b.clock.Set(noon.Add(24*time.Hour + 65*time.Second))
	b.Expire()
	b.Expire()
	require.Len(t, b.History(cron), 2)
	for _, a := range b.assigned(t) {
		if a.Ref.Simulation == cron {
			require.NoError(t, b.platform.Report(t.Context(), a.Ref, report(b.take(t, a.Ref, "w"))))
		}
	}
	task, _ := b.Task(cron)
	require.Equal(t, noon.Add(48*time.Hour), task.Next)
}

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
				receipt := b.take(t, ref, "w")
				in := report(receipt)
				if how == "AnswerLost" || how == "RequestLost" {
					b.Fail(pulsetest.Fault{Op: pulsetest.OpAck, Times: 1, Lose: true, After: how == "AnswerLost"})
					require.True(t, isKind(t, conversation.Unavailable, b.platform.Report(t.Context(), ref, in)).MayHaveLanded)
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
	in := report(b.take(t, first, "w1"))
	b.Fail(pulsetest.Fault{Op: pulsetest.OpAck, Times: 1, Lose: true, After: true})
	isKind(t, conversation.Unavailable, b.platform.Report(t.Context(), first, in))
	b.clock.Advance(time.Minute)
	second := b.due(t)
	next := report(b.take(t, second, "w2"))
	in.Tried = true
	require.NoError(t, b.platform.Report(t.Context(), first, in))
	require.Equal(t, pulse.StatusProcessing, b.status(t, id), "the second goes on")
	require.Len(t, b.Acks(id), 1)
	require.NoError(t, b.platform.Report(t.Context(), second, next))
	require.Len(t, b.Acks(id), 2)
}

// TestHistoryTells: somebody has set the task back to an occurrence that was
// acknowledged. The history knows.
func TestHistoryTells(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
	ref := b.due(t)
	in := report(b.take(t, ref, "w"))
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
	require.True(t, isKind(t, conversation.Unavailable, b.platform.Report(t.Context(), ref, in)).MayHaveLanded)
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
				r := report(b.take(t, ref, "w"))
				err := b.platform.Report(t.Context(), ref, r)
				e := isKind(t, conversation.Invalid, err)
				require.False(t, e.MayHaveLanded)
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

// TestOnceInOldStages: a failure there is no more than a failure.
func TestOnceInOldStages(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{Stage: pulse.StageB})
	b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	in := report(b.take(t, ref, "w"))
	b.Fail(pulsetest.Fault{Op: pulsetest.OpAck, Status: 500, Times: 1})
	err := b.platform.Report(t.Context(), ref, in)
	require.False(t, isKind(t, conversation.Unavailable, err).MayHaveLanded)
	require.ErrorContains(t, err, "the task is still processing")
	in.Tried = true
	require.NoError(t, b.platform.Report(t.Context(), ref, in))
}

// TestOldHistoryCannotBeRead: a server of stage B that was mended by hand, so that
// it can acknowledge, but still not show a history.
func TestOldHistoryCannotBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{Stage: pulse.StageB, Change: func(q *pulsetest.Quirks) { q.RecurringAckFails = false }})
	id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
	for _, after := range []bool{true, false} {
		ref := b.due(t)
		in := report(b.take(t, ref, "w"))
		b.Fail(pulsetest.Fault{Op: pulsetest.OpAck, Times: 1, Lose: true, After: after})
		isKind(t, conversation.Unavailable, b.platform.Report(t.Context(), ref, in))
		in.Tried = true
		require.NoError(t, b.platform.Report(t.Context(), ref, in))
		b.clock.Advance(time.Minute)
	}
	require.Len(t, b.Acks(id), 2)
}

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
				receipt := b.take(t, ref, "w")
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
				require.Equal(t, tt.landed, e.MayHaveLanded)
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
	receipt := b.take(t, ref, "w")
	b.clock.Advance(301 * time.Second)
	_, ok := b.ClaimAs(id, "other")
	require.True(t, ok)
	isKind(t, conversation.Claimed, b.platform.Report(t.Context(), ref, report(receipt)))
	require.Empty(t, b.Acks(id))
}

// TestWithdrawn: what was cancelled while it ran needs no acknowledgement, and one
// that comes all the same does no harm.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{0, time.Minute} {
		for _, gone := range []bool{false, true} {
			t.Run(fmt.Sprintf("Every=%s/Gone=%t", every, gone), func(t *testing.T) {
				t.Parallel()
				b := setup(t, pulsetest.Config{})
				id := b.Add(pulsetest.Schedule{At: noon, Every: every})
				ref := b.due(t)
				receipt := b.take(t, ref, "w")
				withdrawn, err := b.platform.Withdrawn(t.Context(), ref, receipt)
				require.NoError(t, err)
				require.False(t, withdrawn)
				if gone {
					b.Delete(id)
				} else {
					b.Cancel(id)
				}
				withdrawn, err = b.platform.Withdrawn(t.Context(), ref, receipt)
				require.NoError(t, err)
				require.True(t, withdrawn)
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
	withdrawn, err := b.platform.Withdrawn(t.Context(), ref, platforms.Receipt{})
	isKind(t, conversation.Unavailable, err)
	require.False(t, withdrawn)
}

// TestCancelledBetweenLookAndAck: Pulse itself ignores the acknowledgement.
func TestCancelledBetweenLookAndAck(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{At: noon, Every: time.Minute})
	ref := b.due(t)
	receipt := b.take(t, ref, "w")
	b.Cancel(id)
	require.NoError(t, b.platform.Client().Ack(t.Context(), id, pulse.Ack{
		Status: pulse.AckSuccess, WorkerID: receipt.Worker, ExecutionID: receipt.ExecutionID,
	}))
	require.False(t, b.Acks(id)[0].Counted)
	require.Equal(t, pulse.StatusCancelled, b.status(t, id))
}

// TestGivenAnotherTimeWhileItRan: the run is acknowledged all the same, or the task
// would stay claimed for ever.
func TestGivenAnotherTimeWhileItRan(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	id := b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	receipt := b.take(t, ref, "w")
	patch(t, b, id, fmt.Sprintf(`{"next_execution":%d}`, noon.Unix()+3600))
	require.NoError(t, b.platform.Report(t.Context(), ref, report(receipt)))
	require.Equal(t, pulse.StatusCompleted, b.status(t, id))
}

// TestTakeOver: a worker died after its claim, and Pulse frees nothing.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{Stage: stage})
			id := b.Add(pulsetest.Schedule{})
			ours := b.Add(pulsetest.Schedule{})
			_, ok := b.ClaimAs(id, "dead")
			require.True(t, ok)
			_, ok = b.ClaimAs(ours, "parley-9")
			require.True(t, ok)
			b.clock.Advance(time.Hour)
			b.Expire()
			open, err := b.platform.Open(t.Context(), "", "")
			require.NoError(t, err)
			require.Len(t, open, 1)
			require.Equal(t, id, open[0].Ref.Simulation)
			require.Equal(t, noon, open[0].Created)
			require.Equal(t, noon, open[0].Touched)

			_, err = b.platform.Take(t.Context(), open[0].Ref, platforms.Claim{Worker: "w"})
			isKind(t, conversation.Claimed, err)
			receipt, err := b.platform.Take(t.Context(), open[0].Ref, platforms.Claim{Adopt: true, Worker: "w"})
			require.NoError(t, err)
			again, err := b.platform.Take(t.Context(), open[0].Ref, platforms.Claim{Adopt: true, Worker: "w", Tried: true})
			require.NoError(t, err)
			require.Equal(t, receipt, again)
			_, err = b.platform.Take(t.Context(), open[0].Ref, platforms.Claim{Adopt: true, Worker: "w2"})
			isKind(t, conversation.Claimed, err)
			require.NoError(t, b.platform.Report(t.Context(), open[0].Ref, report(receipt)))
			require.Equal(t, pulse.StatusCompleted, b.status(t, id))
		})
	}
}

// TestTakeOverRace: of those that take over at once, the first that claimed has it.
func TestTakeOverRace(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("After=%t", after), func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{})
			id := b.Add(pulsetest.Schedule{})
			ref := b.due(t)
			b.ClaimAs(id, "dead")
			b.Compete(pulsetest.Rival{Worker: "parley-2", After: after})
			_, err := b.platform.Take(t.Context(), ref, platforms.Claim{Adopt: true, Worker: "1"})
			if after {
				require.NoError(t, err)
				return
			}
			isKind(t, conversation.Claimed, err)
		})
	}
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

// TestBuiltInWorker: Pulse's own worker takes what it can see up to a minute early,
// and ours finds nothing. A type of one's own is safe from it.
func TestBuiltInWorker(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{BuiltIn: true}, func(c *pulse.Config) { c.Types = []string{"run_agent", "my_agents"} })
	stock := b.Add(pulsetest.Schedule{Delay: 30 * time.Second})
	own := b.Add(pulsetest.Schedule{Type: "my_agents", Delay: 30 * time.Second})
	b.clock.Advance(10 * time.Second)
	b.Tick()
	require.Equal(t, pulse.StatusCompleted, b.status(t, stock), "early")
	b.clock.Advance(20 * time.Second)
	require.Equal(t, own, b.due(t).Simulation)
}

func refs(all []platforms.Assignment) []conversation.Ref {
	var out []conversation.Ref
	for _, a := range all {
		out = append(out, a.Ref)
	}
	return out
}

func TestRefs(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	for _, ref := range []conversation.Ref{
		{ID: ""}, {ID: "t"}, {ID: "t@"}, {ID: "t@x"}, {ID: "@5"}, {ID: "t@-5"}, {ID: "t@5", Simulation: "u"},
		{ID: strings.Repeat("x", 9000)},
	} {
		_, takeErr := b.platform.Take(t.Context(), ref, platforms.Claim{Worker: "w"})
		_, contextErr := b.platform.Context(t.Context(), ref)
		_, transcriptErr := b.platform.Transcript(t.Context(), ref)
		_, withdrawnErr := b.platform.Withdrawn(t.Context(), ref, platforms.Receipt{})
		for _, err := range []error{
			takeErr, contextErr, transcriptErr, withdrawnErr,
			b.platform.Report(t.Context(), ref, platforms.Report{}), b.platform.Claim(t.Context(), ref),
		} {
			isKind(t, conversation.Invalid, err)
			require.Less(t, len(err.Error()), 1000)
		}
	}
	_, err := b.platform.Take(t.Context(), conversation.Ref{ID: "..@5"}, platforms.Claim{})
	isKind(t, conversation.Invalid, err)
	require.ErrorContains(t, err, "is no id")
}
