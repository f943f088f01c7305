//go:build linux

package endtoend_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/runagenttest"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/internal/testhook"
	"github.com/parley-run/parley/workflows"
)

// posts stands in front of a server and counts what writes to it, by the last
// element of the path.
type posts struct {
	url string
	mu  sync.Mutex
	n   map[string]int
}

func newPosts(t *testing.T, of string) *posts {
	t.Helper()
	target, err := url.Parse(of)
	require.NoError(t, err)
	c := &posts{n: make(map[string]int)}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			c.mu.Lock()
			c.n[path.Base(r.URL.Path)]++
			c.mu.Unlock()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *posts) of(action string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[action]
}

// awaitFrozen waits until the process has stopped itself.
func (p *workerProcess) awaitFrozen(t *testing.T) {
	t.Helper()
	rig.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			return false
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(after, "T")
	}, "it did not come to the hook\n%s", &p.out)
}

// thaw lets a frozen process go on, and waits until it has found out that it may not.
func (p *workerProcess) thaw(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
	rig.Eventually(t, func() bool { return strings.Contains(p.log(), "The attempt must not act: nothing was done") }, "it does not go on\n%s", &p.out)
}

// A worker is frozen between its decision on an effect and the effect, for longer than
// the heartbeat timeout. Another one takes over. What the frozen one does when it thaws
// must have no effect: each peer counts what it was asked.
func TestFrozenBeforeEffect(t *testing.T) {
	t.Parallel()
	for effect, hook := range map[string]string{
		"claim":    "claim=stop",
		"exchange": "exchange=stop@2", // the first asks the persona to open
		"reply":    "reply=stop",
		"tool":     "tool=stop",
		"end":      "end=stop",
	} {
		t.Run(effect, func(t *testing.T) {
			t.Parallel()
			tools := newToolServer(t)
			model := modelstandin.StartLenient(t, modelstandin.Lenient{Load: true}, modelstandin.Chat{}, func(a modelstandin.Asked) modelstandin.Said {
				if len(a.Known) == 1 {
					return modelstandin.Said{Text: "Let me see.", Calls: calls}
				}
				return modelstandin.Said{Text: fmt.Sprintf("reply after %d", len(a.Known))}
			})
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 50},
			})
			front := newPosts(t, r.URL)
			text := fmt.Sprintf(`task_queue: %s
platforms:
  %s: {type: onerun, base_url: %s, api_key: "${ONERUN_API_KEY}", settle: 1s, poll_interval: 200ms}
executors:
  model: {type: openai, model: standin-1, base_url: %s/v1, api_key: "${MODEL_KEY}"}
agents:
  desk: {project: %s, agent: %s, executor: model, tools: [desk], max_turns: 2, on_ambiguous: resend}
`, r.TaskQueue, r.Name, front.url, model.URL, r.Seeded.ProjectID, r.Seeded.AgentID)
			env := []string{"ONERUN_API_KEY=" + rig.APIKey, "MODEL_KEY=test-key", asProgram + "=worker", "TOOLS=" + tools.url}
			frozen := configured(t, r, text, append(env, testhook.Variable+"="+hook)...)
			other := configured(t, r, text, env...)
			frozen.bin, other.bin = os.Args[0], os.Args[0]
			ref := r.Waiting(t)[0].Ref
			id := workflows.ConversationID(ref)

			frozen.start(t)
			frozen.awaitFrozen(t)
			other.start(t)
			requireOutcome(t, r, id, "budget spent")
			frozen.thaw(t)

			require.Never(t, func() bool {
				return front.of("start") > 1 || front.of("responses") > 3 || front.of("end") > 1
			}, 2*time.Second, 50*time.Millisecond, "it goes on where another has been")
			require.Equal(t, 1, front.of("start"), "claims")
			require.Equal(t, 3, front.of("responses"), "the opening and two messages")
			require.Equal(t, 1, front.of("end"), "ends")
			require.Equal(t, []int{1, 1, 1}, byKey(model.Asked()), "the model was asked")
			for call, attempts := range tools.attempts(t) {
				// The process freezes at one call of the round, while the other may be on its way:
				// look may be called again if its answer is lost, book may not.
				most := 1
				if effect == "tool" && strings.HasPrefix(call, "look") {
					most = 2
				}
				require.LessOrEqual(t, len(attempts), most, "%s was called: %v", call, attempts)
			}
			require.Equal(t, []string{"assistant: reply after 6", "assistant: reply after 8"}, spoken(texts(t, r, ref)))
		})
	}
}

// The same for what a task ends with.
func TestFrozenBeforeEffectOfTask(t *testing.T) {
	t.Parallel()
	for _, effect := range []string{"reply", "callback", "report"} {
		t.Run(effect, func(t *testing.T) {
			t.Parallel()
			agents := runagenttest.Start(t, runagenttest.Agent{ID: "a-1", Entrypoints: map[string]runagenttest.Entrypoint{
				"main": func(_ context.Context, call runagenttest.Call) (any, error) {
					return map[string]any{"told": call.Kwargs}, nil
				},
			}})
			received := newReceiver(t)
			receiver := httptest.NewServer(http.HandlerFunc(received.serve))
			t.Cleanup(receiver.Close)
			stand := pulsetest.New(pulsetest.Config{})
			pulse := httptest.NewServer(stand)
			t.Cleanup(pulse.Close)
			front := newPosts(t, pulse.URL)

			r := newPulseRig(t, pulsetest.Config{}, nil)
			host, port := agents.Address()
			text := fmt.Sprintf(pulseConfig, r.launcher.TaskQueue, r.name, front.url, host, port, true, r.name)
			processOf := func(env ...string) *workerProcess {
				p := &workerProcess{dir: t.TempDir()}
				p.env = append([]string{
					"TEMPORAL_ADDRESS=" + localstacktest.Address(t), "HOME=" + p.dir, "PATH=" + os.Getenv("PATH"), "CALLBACK_SECRET=shared",
				}, env...)
				require.NoError(t, os.WriteFile(filepath.Join(p.dir, "parley.yaml"), []byte(text), 0o600))
				t.Cleanup(func() { p.kill(t) })
				return p
			}
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				_ = r.client.TerminateWorkflow(ctx, workflows.InboxID(r.name, "", ""), "", "test over")
			})
			frozen, other := processOf(testhook.Variable+"="+effect+"=stop"), processOf()
			frozen.start(t)
			task := r.task("main", map[string]any{"callback_url": receiver.URL, "webhook_retries": 2})
			task.At = time.Now().Add(3 * time.Second).Truncate(time.Second)
			id := stand.Add(task)
			frozen.awaitFrozen(t)
			other.start(t)
			out, err := r.outcome(t, id)
			if effect == "reply" { // the agent must not run twice, and nothing shows that it has not run
				require.ErrorContains(t, err, "it may have run")
				require.Zero(t, agents.Runs("a-1"))
			} else {
				require.NoError(t, err)
				require.Equal(t, conversation.TaskSuccess, out.Task.Status)
				require.Equal(t, 1, agents.Runs("a-1"))
			}
			frozen.thaw(t)
			require.LessOrEqual(t, agents.Runs("a-1"), 1)
			require.Len(t, stand.Acks(id), 1)
			require.Equal(t, 1, front.of("ack"), "acknowledgements")
			keys, _ := received.seen()
			require.Len(t, keys, 1, "callbacks")
		})
	}
}
