package endtoend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms/iiiengine"
)

// One of two replicas serves; the other takes over when that one goes, and the
// first stands by when it comes back.
func TestIIIReplicas(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraC, iii.EraE} {
		t.Run("era "+era.String(), func(t *testing.T) {
			t.Parallel()
			r := newIIIRig(t, era, &parrot{})
			stop := r.start(t, nil)
			r.ready(t, "ingest")
			first := r.engine.Owner("conversation::send")
			r.start(t, nil)
			require.NoError(t, r.engine.Wait(soon(t), func() bool { // the second has compared twice
				asked := 0
				for _, f := range r.engine.FromWorkers("") {
					if f.WorkerID != first && strings.Contains(string(f.Raw), "engine::functions::list") {
						asked++
					}
				}
				return asked >= 2
			}))
			require.Equal(t, first, r.engine.Owner("conversation::send"))
			for _, f := range r.engine.FromWorkers("") {
				require.False(t, f.WorkerID != first && f.Type == "registerfunction" && !strings.Contains(string(f.Raw), "::watch-"), "the one that stands by has announced %s", f.Raw)
			}
			w := r.caller(t)
			said := mustCall(t, w, "conversation::start", object{"conversationId": "c1", "message": "hello"})
			require.Equal(t, "1: hello", said["reply"])

			stop()
			r.ready(t, "ingest")
			require.NotEqual(t, first, r.engine.Owner("conversation::send"))
			said = mustCall(t, w, "conversation::send", object{"conversationId": "c1", "message": "still there?"})
			require.Equal(t, "3: still there?", said["reply"])
			require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{"conversationId": "c2", "message": "a letter"}))
			rig.Eventually(t, func() bool {
				got, err := call[object](t, w, "conversation::get", object{"conversationId": "c2"})
				return err == nil && got["total"] == 2.0
			})
			require.Empty(t, r.engine.Faults())
		})
	}
}

// slow answers once it may.
type slow struct {
	*parrot
	begun, free chan struct{}
}

func (s *slow) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	s.begun <- struct{}{}
	<-s.free
	return s.parrot.Execute(ctx, req)
}

// A call that waits for a reply while its process stops gets the reply.
func TestIIIDrains(t *testing.T) {
	t.Parallel()
	agent := &slow{parrot: &parrot{}, begun: make(chan struct{}, 1), free: make(chan struct{})}
	r := newIIIRig(t, iii.EraC, agent)
	stop := r.start(t, nil)
	r.ready(t)
	w := r.caller(t)
	answered := make(chan error, 1)
	go func() {
		said, err := call[object](t, w, "conversation::start", object{"conversationId": "c1", "message": "hello"})
		if err == nil && said["reply"] != "1: hello" {
			err = fmt.Errorf("%v", said)
		}
		answered <- err
	}()
	<-agent.begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	require.NoError(t, r.engine.Wait(soon(t), func() bool { return !r.engine.Serves("", "conversation::send") }))
	close(agent.free)
	require.NoError(t, <-answered)
	<-stopped
}

const iiiProcessConfig = `task_queue: %s
platforms:
  %s: {type: iii, url: %s, query: {token: "${ENGINE_TOKEN}"}}
executors:
  agent: {type: scripted, script: parrot.yaml, latency: 30ms}
agents:
  %s: {executor: agent, platform: %s}
`

// A reply that takes longer than a call may wait is to be had by asking again.
func TestIIIReplyTakesLong(t *testing.T) {
	t.Parallel()
	agent := &slow{parrot: &parrot{}, begun: make(chan struct{}, 1), free: make(chan struct{})}
	r := newIIIRig(t, iii.EraC, agent)
	r.start(t, func(c *iiiengine.Config) { c.ReplyTimeout = 300 * time.Millisecond })
	r.ready(t)
	w := r.caller(t)
	mustCall(t, w, "conversation::start", object{"conversationId": "c1"})
	req := object{"conversationId": "c1", "message": "hello", "messageId": "m1"}
	_, err := call[object](t, w, "conversation::send", req)
	requireCode(t, "timeout", err)
	<-agent.begun
	close(agent.free)
	said, err := insist(soon(t), w, "conversation::send", req)
	require.NoError(t, err)
	require.Equal(t, "1: hello", said["reply"])
	require.Equal(t, 1, agent.times("c1", "hello"))
}

const parrotScript = `name: parrot
rules:
  - when: {matches: 'say (?P<n>\d+)'}
    replies: "{{turn}}: heard {{n}}"
fallback: [pardon]
`

// Fifty conversations run over the engine with a real worker process. The worker is
// killed and started, and the engine stopped and started again and again. Whoever asks
// again with the same message id gets the one reply there is.
func TestIIIKills(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraC, iii.EraE} {
		t.Run("era "+era.String(), func(t *testing.T) {
			t.Parallel()
			r := newIIIRig(t, era, &parrot{})
			const conversations, messages, rounds = 50, 6, 3
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "parley.yaml"), fmt.Appendf(nil, iiiProcessConfig,
				r.launcher.TaskQueue, r.name, r.engine.URL(), r.agent(), r.name), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "parrot.yaml"), []byte(parrotScript), 0o600))
			p := &workerProcess{dir: dir, env: []string{
				"TEMPORAL_ADDRESS=" + localstacktest.Address(t), "HOME=" + dir, "PATH=" + os.Getenv("PATH"), "ENGINE_TOKEN=t0p-secret",
			}}
			t.Cleanup(func() { p.kill(t) })
			p.start(t)
			r.ready(t)

			ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
			defer cancel()
			var callers [5]*iii.Worker
			for i := range callers {
				callers[i] = r.caller(t)
			}
			sent := make(chan struct{}, conversations*messages)
			var all errgroup.Group
			for c := range conversations {
				w, id := callers[c%len(callers)], fmt.Sprintf("c%d", c)
				all.Go(func() error {
					if _, err := insist(ctx, w, "conversation::start", object{"conversationId": id}); err != nil {
						return err
					}
					for m := 1; m <= messages; m++ {
						req := object{"conversationId": id, "message": fmt.Sprintf("say %d", m), "messageId": fmt.Sprintf("%s-%d", id, m)}
						first, err := insist(ctx, w, "conversation::send", req)
						if err != nil {
							return err
						}
						again, err := insist(ctx, w, "conversation::send", req)
						if err != nil {
							return err
						}
						if first["reply"] != again["reply"] || first["reply"] != fmt.Sprintf("%d: heard %d", m, m) || first["turn"] != float64(m) || again["turn"] != float64(m) {
							return fmt.Errorf("%s message %d: %v, and asked again %v", id, m, first, again)
						}
						sent <- struct{}{}
					}
					return nil
				})
			}
			for round := range rounds { // once so many messages are through
				for range conversations * messages / (rounds + 2) {
					select {
					case <-sent:
					case <-ctx.Done():
						t.Fatalf("round %d: nothing goes on: %v\n%s", round, all.Wait(), p.log())
					}
				}
				r.engine.Stop()
				if round == 0 { // what it was at is found out by heartbeats, which takes its time
					p.kill(t)
					p.start(t)
				}
				require.NoError(t, r.engine.Start())
			}
			require.NoError(t, all.Wait(), "%s", p.log())
			o := &operate.Operator{Reader: &records.Reader{Client: r.client}}
			for c := range conversations {
				record, err := o.Show(ctx, fmt.Sprintf("direct/%s/c%d", r.agent(), c))
				require.NoError(t, err)
				require.Len(t, record.Messages, 2*messages)
				for m := range messages {
					require.Equal(t, fmt.Sprintf("say %d", m+1), record.Messages[2*m].Text)
					require.Equal(t, fmt.Sprintf("%d: heard %d", m+1, m+1), record.Messages[2*m+1].Text)
				}
			}
			require.Empty(t, r.engine.Faults())
			require.NotContains(t, p.log(), "t0p-secret")
		})
	}
}

// insist asks again with the same ids until there is an answer.
func insist(ctx context.Context, w *iii.Worker, id string, req object) (object, error) {
	for {
		answer, err := w.Invoke(ctx, id, req, iii.Timeout(5*time.Second))
		if err == nil {
			var out object
			return out, json.Unmarshal(answer, &out)
		}
		passing := errors.Is(err, iii.ErrTimeout) || errors.Is(err, iii.ErrConnectionLost)
		for _, code := range []string{iii.CodeFunctionNotFound, iii.CodeInvocationStopped, "unavailable", "timeout", "overloaded"} {
			passing = passing || iii.HasCode(err, code)
		}
		if !passing || ctx.Err() != nil {
			return nil, fmt.Errorf("%s %v: %w", id, req, err)
		}
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%s %v: %w", id, req, err)
		}
	}
}
