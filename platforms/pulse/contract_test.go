package pulse_test

import (
	"testing"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/platformtest"
	"github.com/parley-run/parley/platforms/pulse/pulsetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			platformtest.RunTasks(t, func(t testing.TB) platformtest.TasksFixture {
				b := setup(t, pulsetest.Config{Stage: stage})
				return platformtest.TasksFixture{
					Platform: b.platform,
					Fresh: func(t testing.TB) conversation.Ref {
						t.Helper()
						id := b.Add(pulsetest.Schedule{At: b.clock.Now().Add(-time.Second)})
						for _, a := range b.assigned(t) {
							if a.Ref.Simulation == id {
								return a.Ref
							}
						}
						t.Fatalf("task %s is not listed", id)
						return conversation.Ref{}
					},
					Unknown:      conversation.Ref{Platform: "pulse", Simulation: "none", ID: "none@1"},
					Cancel:       func(_ testing.TB, ref conversation.Ref) { b.Cancel(ref.Simulation) },
					Acknowledged: func(_ testing.TB, ref conversation.Ref) int { return counted(b.Acks(ref.Simulation)) },
					Secrets:      []string{testKey},
				}
			})
		})
	}
}

func counted(acks []pulsetest.Ack) (n int) {
	for _, a := range acks {
		if a.Counted {
			n++
		}
	}
	return n
}
