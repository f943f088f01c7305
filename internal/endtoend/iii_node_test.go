//go:build conformance

package endtoend_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	iiinode "github.com/parley-run/parley/conformance/iii_node"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
)

// The example for Node, with the SDK from npm and the configuration beside it, as
// docs/iii.md has it.
func TestIIINode(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"node", "npm"} {
		_, err := exec.LookPath(program)
		require.NoError(t, err, "this test needs Node 18 or newer with npm; on Debian: apt-get install nodejs npm")
	}
	example := filepath.Join("..", "..", "examples", "iii")
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "talk.mjs", "worker.yaml"} {
		data, err := os.ReadFile(filepath.Join(example, name))
		require.NoError(t, err)
		if name == "worker.yaml" {
			name = "parley.yaml"
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = dir
	out, err := install.CombinedOutput()
	require.NoError(t, err, "iii-sdk could not be installed: check the network, or set npm's registry to your mirror.\n%s", out)

	for _, era := range []iii.Era{iii.EraC, iii.EraE} {
		t.Run("era "+era.String(), func(t *testing.T) {
			r := newIIIRig(t, era, &parrot{})
			home := t.TempDir()
			require.NoError(t, os.Symlink(filepath.Join(dir, "parley.yaml"), filepath.Join(home, "parley.yaml")))
			p := &workerProcess{dir: home, env: []string{
				"TEMPORAL_ADDRESS=" + localstacktest.Address(t), "HOME=" + home, "PATH=" + os.Getenv("PATH"), "ENGINE_URL=" + r.engine.URL(),
			}}
			t.Cleanup(func() { p.kill(t) })
			p.start(t)
			r.ready(t)
			ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
			defer cancel()
			talk := exec.CommandContext(ctx, "node", "talk.mjs", r.engine.URL())
			talk.Dir = dir
			talk.Env = append(os.Environ(), "OTEL_ENABLED=false", "NO_PROXY=127.0.0.1")
			said, err := talk.CombinedOutput()
			require.NoError(t, err, "%s\n%s", said, p.log())
			for _, line := range []string{
				"> It is number 1234.\n< ", "asked twice, answered once: true", "3 turns, 6 messages, listening",
				"event 1: started", "event 2: replied", "ended by persona after 5 messages",
			} {
				require.Contains(t, string(said), line)
			}
			require.Empty(t, r.engine.Faults())
			t.Log(strings.TrimSpace(string(said)))
		})
	}
}

// The published SDKs, old and new, call conversation::*, and our executor calls an
// agent of theirs, before and after the engine is restarted.
func TestIIISDKs(t *testing.T) {
	t.Parallel()
	home := iiinode.Install(t)
	for _, sdk := range iiinode.SDKs() {
		for _, era := range []iii.Era{iii.EraA, iii.EraC, iii.EraE} {
			t.Run(sdk+" era "+era.String(), func(t *testing.T) {
				t.Parallel()
				r := newIIIRig(t, era, &parrot{})
				r.start(t, nil)
				r.ready(t)
				w := r.caller(t)
				dialect, err := w.Dialect(soon(t))
				require.NoError(t, err)
				iiinode.Start(t, home, sdk, r.engine.URL(), dialect.QueueTrigger)
				r.ready(t, "node::call", "agent::chat")
				agent, err := iiifunction.New(iiifunction.Config{URL: r.engine.URL(), AgentID: "support"})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, agent.Close()) })

				through := func(id string, data object) object {
					t.Helper()
					out := mustCall(t, w, "node::call", object{"id": "conversation::" + id, "data": data})
					require.NotContains(t, out, "code", "%v", out)
					result, _ := out["result"].(map[string]any)
					return result
				}
				talk := func(n int) {
					t.Helper()
					say := object{"conversationId": "sdk", "message": fmt.Sprintf("message %d", n), "messageId": fmt.Sprint(n)}
					if n == 1 {
						require.Equal(t, true, through("start", object{"conversationId": "sdk"})["started"])
					}
					for range 2 { // the second time it is a retry
						said := through("send", say)
						require.Equal(t, fmt.Sprintf("%d: message %d", 2*n-1, n), said["reply"])
						require.EqualValues(t, n, said["turn"])
					}
					require.Len(t, through("get", object{"conversationId": "sdk"})["messages"], 2*n)
					res, err := agent.Execute(soon(t), executors.Request{
						Conversation: launch.DirectRef("support", "c-1"), Turn: n, Attempt: 1, IdempotencyKey: fmt.Sprint(n), New: 1,
						Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "hello")},
					})
					require.NoError(t, err)
					require.Contains(t, res.Message.Text(), "heard: hello")
					require.Equal(t, sdk, res.Model)
				}
				talk(1)
				r.engine.Stop()
				require.NoError(t, r.engine.Start())
				r.ready(t, "node::call", "agent::chat")
				talk(2)
				require.Equal(t, true, through("end", object{"conversationId": "sdk", "reason": "enough"})["ended"])
				require.Empty(t, r.engine.Faults())
			})
		}
	}
}
