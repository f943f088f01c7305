package pulse_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
)

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
				receipt, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "1"})
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
					_, errs[i] = b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: fmt.Sprint(i)})
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

// TestAdopt: a worker died after its claim, and Pulse frees nothing.
func TestAdopt(t *testing.T) {
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

			_, err = b.platform.Claim(t.Context(), open[0].Ref, platforms.Claim{Worker: "w"})
			isKind(t, conversation.Claimed, err)
			receipt, err := b.platform.Claim(t.Context(), open[0].Ref, platforms.Claim{Adopt: true, Worker: "w"})
			require.NoError(t, err)
			again, err := b.platform.Claim(t.Context(), open[0].Ref, platforms.Claim{Adopt: true, Worker: "w", Tried: true})
			require.NoError(t, err)
			require.Equal(t, receipt, again)
			_, err = b.platform.Claim(t.Context(), open[0].Ref, platforms.Claim{Adopt: true, Worker: "w2"})
			isKind(t, conversation.Claimed, err)
			require.NoError(t, b.platform.Report(t.Context(), open[0].Ref, report(receipt)))
			require.Equal(t, pulse.StatusCompleted, b.status(t, id))
		})
	}
}

// TestAdoptRace: of those that adopt at once, the first that claimed has it.
func TestAdoptRace(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("After=%t", after), func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{})
			id := b.Add(pulsetest.Schedule{})
			ref := b.due(t)
			b.ClaimAs(id, "dead")
			b.Compete(pulsetest.Rival{Worker: "parley-2", After: after})
			_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Adopt: true, Worker: "1"})
			if after {
				require.NoError(t, err)
				return
			}
			isKind(t, conversation.Claimed, err)
		})
	}
}
