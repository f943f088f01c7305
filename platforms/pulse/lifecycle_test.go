package pulse_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
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

			receipt := b.claim(t, ref, "w1")
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
			_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w2"})
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
			tt.report.Receipt = b.claim(t, ref, "w")
			require.NoError(t, b.platform.Report(t.Context(), ref, tt.report))
			require.Equal(t, "failed", b.History(id)[0].Status)
			require.Equal(t, tt.text, b.History(id)[0].Error)
			require.Equal(t, pulse.StatusCompleted, b.status(t, id), "a failed run is over too")
		})
	}
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
			b.claim(t, ref, "w")
		})
	}
}

// TestExpiry: no worker claimed it for 60 seconds.
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
		_, err := b.platform.Claim(t.Context(), a.Ref, platforms.Claim{Worker: "w"})
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
			require.NoError(t, b.platform.Report(t.Context(), a.Ref, report(b.claim(t, a.Ref, "w"))))
		}
	}
	task, _ := b.Task(cron)
	require.Equal(t, noon.Add(48*time.Hour), task.Next)
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
		_, claimErr := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
		_, contextErr := b.platform.Context(t.Context(), ref)
		_, cancelledErr := b.platform.Cancelled(t.Context(), ref, platforms.Receipt{})
		for _, err := range []error{
			claimErr, contextErr, cancelledErr,
			b.platform.Report(t.Context(), ref, platforms.Report{}),
		} {
			isKind(t, conversation.Invalid, err)
			require.Less(t, len(err.Error()), 1000)
		}
	}
	_, err := b.platform.Claim(t.Context(), conversation.Ref{ID: "..@5"}, platforms.Claim{})
	isKind(t, conversation.Invalid, err)
	require.ErrorContains(t, err, "is no id")
}
