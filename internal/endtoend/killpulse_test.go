package endtoend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/runagenttest"
	"github.com/parley-run/parley/workflows"
)

const pulseConfig = `task_queue: %s
platforms:
  %s: {type: pulse, url: %q, poll_interval: 200ms}
executors:
  local: {type: runagent, mode: local, host: %s, port: %d, at_most_once: %t}
agents:
  scheduled: {platform: %s}
callbacks:
  secret: ${CALLBACK_SECRET}
  allow_private: [127.0.0.0/8]
`

// barrier holds whoever passes it for the first time, until it is opened.
type barrier struct {
	reached, open chan struct{}
	passed        atomic.Int64
	once          sync.Once
}

func newBarrier() *barrier { return &barrier{reached: make(chan struct{}), open: make(chan struct{})} }

func (b *barrier) pass(ctx context.Context) {
	if b.passed.Add(1) > 1 {
		return
	}
	close(b.reached)
	select {
	case <-b.open:
	case <-ctx.Done():
	}
}

func (b *barrier) release() { b.once.Do(func() { close(b.open) }) }

// A worker that works for Pulse is killed at the worst moments. What was recorded
// is not done again; what nobody can know is done again under the same key, or not
// at all if the agent is set so.
func TestKilledAmongTask(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		where      string // which of the three stands still while the worker dies
		once       bool
		runs       int
		callbacks  int
		status     conversation.TaskStatus
		outcomeHas string
	}{
		"while the agent runs":                        {where: "run", runs: 2, callbacks: 1, status: conversation.TaskSuccess},
		"while an agent runs that must not run again": {where: "run", once: true, runs: 1, callbacks: 1, status: conversation.TaskFailed, outcomeHas: "it may have run"},
		"between the run and the callback":            {where: "callback", runs: 1, callbacks: 2, status: conversation.TaskSuccess},
		"between the callback and the ack":            {where: "ack", runs: 1, callbacks: 1, status: conversation.TaskSuccess},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run, deliver, ack := newBarrier(), newBarrier(), newBarrier()
			barriers := map[string]*barrier{"run": run, "callback": deliver, "ack": ack}
			for where, b := range barriers {
				t.Cleanup(b.release)
				if where != c.where {
					b.passed.Store(1) // stands open
				}
			}
			agents := runagenttest.Start(t, runagenttest.Agent{ID: "a-1", Entrypoints: map[string]runagenttest.Entrypoint{
				"main": func(ctx context.Context, call runagenttest.Call) (any, error) {
					run.pass(ctx)
					return map[string]any{"told": call.Kwargs}, nil
				},
			}})
			received := newReceiver(t)
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				received.serve(w, req)
				deliver.pass(req.Context())
			}))
			t.Cleanup(front.Close)
			stand := pulsetest.New(pulsetest.Config{})
			pulse := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if filepath.Base(req.URL.Path) == "ack" {
					ack.pass(req.Context()) // it is on its way, and has not arrived
					if req.Context().Err() != nil {
						return
					}
				}
				stand.ServeHTTP(w, req)
			}))
			t.Cleanup(pulse.Close)

			r := newPulseRig(t, pulsetest.Config{}, nil)
			host, port := agents.Address()
			p := &workerProcess{dir: t.TempDir()}
			p.env = []string{
				"TEMPORAL_ADDRESS=" + localstacktest.Address(t), "HOME=" + p.dir, "PATH=" + os.Getenv("PATH"), "CALLBACK_SECRET=shared",
			}
			text := fmt.Sprintf(pulseConfig, r.launcher.TaskQueue, r.name, pulse.URL, host, port, c.once, r.name)
			require.NoError(t, os.WriteFile(filepath.Join(p.dir, "parley.yaml"), []byte(text), 0o600))
			t.Cleanup(func() {
				p.kill(t)
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				_ = r.client.TerminateWorkflow(ctx, workflows.InboxID(r.name, "", ""), "", "test over")
			})
			p.start(t)

			task := r.task("main", map[string]any{"callback_url": front.URL, "webhook_retries": 0})
			task.At = time.Now().Add(3 * time.Second).Truncate(time.Second)
			id := stand.Add(task)
			select {
			case <-barriers[c.where].reached:
			case <-time.After(rig.Patience):
				t.Fatalf("the worker never got to the %s\n%s", c.where, p.log())
			}
			p.kill(t)
			barriers[c.where].release()
			p.start(t)

			out, err := r.outcome(t, id)
			if c.outcomeHas == "" {
				require.NoError(t, err)
				require.Equal(t, c.status, out.Task.Status)
				require.JSONEq(t, `{"told":{"topic":"tides"}}`, string(out.Task.Result))
				require.Equal(t, conversation.DeliveryDelivered, out.Task.Delivery.State)
				require.True(t, out.Task.Acknowledged, out.Task.Fault)
			} else {
				require.ErrorContains(t, err, c.outcomeHas)
			}
			require.Equal(t, c.runs, agents.Runs("a-1"))
			acks := stand.Acks(id)
			require.Len(t, acks, 1)
			want := "success"
			if c.status == conversation.TaskFailed {
				want = "failed"
			}
			require.Equal(t, want, acks[0].Status)
			keys, bodies := received.seen()
			require.Len(t, keys, c.callbacks)
			for i := range keys {
				require.Equal(t, keys[0], keys[i])
				require.Equal(t, bodies[0], bodies[i])
			}
			require.Equal(t, acks[0].ExecutionID, bodies[0]["execution_id"])
		})
	}
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	var body map[string]any
	_ = json.NewDecoder(req.Body).Decode(&body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.bodies = append(r.keys, req.Header.Get("Idempotency-Key")), append(r.bodies, body)
	w.WriteHeader(r.status)
}
