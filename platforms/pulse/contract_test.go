package pulse_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms/platformtest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for _, stage := range allStages {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			platformtest.RunTasks(t, func(t testing.TB) platformtest.TasksFixture {
				b := setup(t, pulsetest.Config{Stage: stage})
				front, bad := &platformtest.Front{}, &atomic.Bool{}
				b.url = serve(t, front.Serve(withBadTask(b.Server, bad)))
				b.platform = b.another(t)
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
					Front:        front,
					BadRow:       func(testing.TB) { bad.Store(true) },
				}
			})
		})
	}
}

// withBadTask adds a task that cannot be read to every list, once it is switched on.
func withBadTask(next http.Handler, on *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !on.Load() || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(answer.Code)
		body := strings.Replace(answer.Body.String(), `"tasks":[`, `"tasks":[{"id":5,"task_id":5,"status":"active"},`, 1)
		_, _ = w.Write([]byte(strings.Replace(body, "},]", "}]", 1)))
	})
}

func counted(acks []pulsetest.Ack) (n int) {
	for _, a := range acks {
		if a.Counted {
			n++
		}
	}
	return n
}
