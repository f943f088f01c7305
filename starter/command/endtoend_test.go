package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// house is a simulator, a Temporal server, and the command configured for both.
type house struct {
	*rig.Rig
	t       *testing.T
	environ []string
	stdin   string
}

func newHouse(t *testing.T, conversations int, speaker ...executors.Executor) *house {
	t.Helper()
	options := rig.Options{Setup: sim.Setup{Conversations: conversations, MaxTurns: 4}}
	if len(speaker) > 0 {
		options.Executor = speaker[0]
	}
	r := rig.New(t, localstacktest.Client(t), options)
	path := filepath.Join(t.TempDir(), "parley.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
task_queue: %q
platforms:
  %s: {type: onerun, base_url: %q, api_key: "${KEY}"}
executors:
  %s: {type: scripted}
agents:
  support: {platform: %[2]s, project: %[5]q, agent: %[6]q, platform_attempts: 1}
`, r.TaskQueue, r.Name, r.URL, rig.ExecutorName, r.Seeded.ProjectID, r.Seeded.AgentID), 0o600))
	return &house{Rig: r, t: t, environ: []string{
		"KEY=rig-key", "PARLEY_CONFIG=" + path, "TEMPORAL_ADDRESS=" + localstacktest.Address(t),
	}}
}

// starter runs the command and expects an exit code.
func (h *house) starter(code int, args ...string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), rig.Patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	got := run(ctx, args, h.environ, strings.NewReader(h.stdin), &stdout, &stderr)
	require.Equal(h.t, code, got, "starter %v\n%s%s", args, &stdout, &stderr)
	return stdout.String()
}

// json runs the command for its JSON document.
func (h *house) json(into any, code int, args ...string) {
	h.t.Helper()
	out := h.starter(code, append(args, "--output", "json")...)
	require.NoError(h.t, json.Unmarshal([]byte(out), into), out)
}

type runDocument struct {
	Conversations []begun `json:"conversations"`
	Started       int     `json:"started"`
	NeedsOperator int     `json:"needs_operator"`
}

func TestConversationsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 3)
	h.StartWorker(t)
	h.starter(0, "doctor")

	var ran runDocument
	h.json(&ran, 0, "run", "--simulation", h.Seeded.SimulationIDs[0], "--wait")
	require.Equal(t, 3, ran.Started)
	require.Len(t, ran.Conversations, 3)
	require.NotEmpty(t, ran.Conversations[0].Result.Outcome)
	h.WaitDone(t, rig.Patience)
	h.RequireOnce(t)

	// Nothing is left to start, and starting a named one twice is harmless.
	h.json(&ran, 0, "run", "--agent", "support")
	require.Zero(t, ran.Started)
	id := closedOne(t, h)
	h.json(&ran, 0, "run", id, "--simulation", h.Seeded.SimulationIDs[0])
	require.Zero(t, ran.Started)

	// The worker's record equals the history's.
	bare := id[strings.LastIndex(id, "/")+1:]
	var first, second records.Record
	h.json(&first, 0, "show", bare)
	h.StopWorkers()
	h.json(&second, 0, "show", id)
	require.NotEmpty(t, first.Messages)
	require.Equal(t, first.Messages, second.Messages)
	require.Equal(t, first.Turns, second.Turns)
	require.Contains(t, h.starter(0, "show", bare), "#1 persona")
	require.Contains(t, h.starter(0, "watch", bare), "outcome")

	// What has ended cannot be paused, and the error says so.
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, run(ctx, []string{"pause", bare}, h.environ, strings.NewReader(""), &stdout, &stderr))
	require.Contains(t, stderr.String(), "it has ended: ended")
}

// closedOne is one of the conversations that list shows, once it shows all.
func closedOne(t *testing.T, h *house) string {
	t.Helper()
	var page records.Page
	rig.Eventually(t, func() bool {
		h.json(&page, 0, "list", "--agent", "support", "--status", "closed")
		return page.Counts.Total == 3 && page.Counts.Completed == 3
	})
	require.Len(t, page.Conversations, 3)
	require.Equal(t, "closed", page.Conversations[0].Status)
	require.NotEmpty(t, page.Conversations[0].Persona)
	return page.Conversations[0].ID
}

func TestParkedConversationsGoOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2)
	var ran runDocument
	h.json(&ran, 0, "run", "--agent", "support")
	require.Equal(t, 2, ran.Started)
	h.starter(0, "inbox", "start")

	// The key is revoked: all conversations need attention.
	h.Sim.SetAPIKey("another")
	h.StartWorker(t)
	ids := []string{ran.Conversations[0].ID, ran.Conversations[1].ID}
	record := records.Record{}
	rig.Eventually(t, func() bool {
		h.json(&record, 0, "show", ids[0])
		return record.Attention != nil
	})
	require.NotEmpty(t, record.Attention.Remedy)
	require.Contains(t, h.starter(0, "show", ids[0]), "remedy")
	var page records.Page
	rig.Eventually(t, func() bool {
		h.json(&page, 0, "list", "--agent", "support", "--status", "needs-attention")
		return page.Counts.NeedAttention == 2
	})
	var inboxes struct {
		Inboxes []operate.Inbox `json:"inboxes"`
	}
	rig.Eventually(t, func() bool {
		h.json(&inboxes, 0, "inbox", "status", "support")
		return inboxes.Inboxes[0].State == "needs_attention"
	})
	found := h.starter(1, "doctor")
	require.Regexp(t, `✗ inbox of agent support on \S+: has stopped claiming since .+`, found)
	require.Contains(t, found, "starter inbox resume support")
	require.Regexp(t, `✗ conversations: 2 need an operator \(2 unauthorized\); the newest: .+`, found)
	require.Contains(t, found, "starter resume --all resumes them")

	// The key is restored: all continue, the inbox too.
	h.Sim.SetAPIKey("rig-key")
	var done struct {
		Results []operate.Result `json:"results"`
	}
	h.json(&done, 0, "resume", "--all", "--agent", "support", "--yes")
	require.Len(t, done.Results, 3)
	require.Contains(t, h.starter(0, "watch", ids[0]), "outcome")
	h.starter(0, "watch", ids[1], "--output", "json")
	h.WaitDone(t, rig.Patience)
	h.RequireOnce(t)
	h.json(&inboxes, 0, "inbox", "status")
	h.starter(0, "inbox", "pause", "support", "--reason", "testing")
	h.starter(1, "inbox", "pause", "support")
	h.starter(0, "inbox", "resume", "support")
	h.starter(0, "inbox", "stop", "support")
	rig.Eventually(t, func() bool {
		h.json(&inboxes, 0, "inbox", "status", "support")
		return inboxes.Inboxes[0].State == "stopped"
	})
}

func TestAnOperatorSteers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1)
	var ran runDocument
	h.json(&ran, 0, "run", "--agent", "support", "--limit", "1")
	id := ran.Conversations[0].ID
	h.Sim.SetAPIKey("another")
	h.StartWorker(t)
	rig.Eventually(t, func() bool {
		var r records.Record
		h.json(&r, 0, "show", id)
		return r.Attention != nil
	})
	// It stays parked until an operator resumes it, even without its cause.
	h.Sim.SetAPIKey("rig-key")
	h.starter(3, "run", id, "--simulation", h.Seeded.SimulationIDs[0], "--wait")
	h.starter(0, "end", id, "--reason", "enough", "--as", "ada")
	h.starter(0, "watch", id)
	var r records.Record
	h.json(&r, 0, "show", id)
	require.Equal(t, "ended by operator", r.Result())
	require.Equal(t, "ended by ada; enough", r.Detail)
}

// stuck is an executor whose key is wrong.
type stuck struct{}

func (stuck) Execute(context.Context, executors.Request) (executors.Result, error) {
	return executors.Result{}, &conversation.Error{Kind: conversation.Unauthorized, Op: "model", Remedy: "set another key"}
}

func TestAPersonAnswers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, stuck{})
	h.StartWorker(t)
	var ran runDocument
	h.json(&ran, 3, "run", "--agent", "support", "--wait")
	require.Equal(t, 1, ran.NeedsOperator)
	id := ran.Conversations[0].ID
	require.Contains(t, h.starter(0, "show", id), "set another key")

	h.stdin = "I take over.\nGood bye.\n"
	require.Equal(t, "taking over "+id+"\n", h.starter(0, "takeover", id, "--text", "-", "--end"))
	h.starter(0, "watch", id)
	var r records.Record
	h.json(&r, 0, "show", id)
	require.Equal(t, "ended by agent", r.Result())
	require.Equal(t, "I take over.\nGood bye.", r.Messages[1].Text)
}

func TestMany(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 3, stuck{})
	h.StartWorker(t)
	h.starter(3, "run", "--agent", "support", "--wait")
	rig.Eventually(t, func() bool {
		var page records.Page
		h.json(&page, 0, "list", "--agent", "support", "--status", "needs_attention")
		return page.Counts.Total == 3
	})

	h.starter(2, "end", "--all", "--agent", "support") // no terminal to ask at
	h.stdin = "n\n"
	h.starter(1, "end", "--all", "--agent", "support")
	h.stdin = "y\n"
	require.Equal(t, 3, strings.Count(h.starter(0, "end", "--all", "--agent", "support"), "ending "))
	h.WaitDone(t, rig.Patience)
}

// TestInterrupt: Ctrl-C ends a watch, without an error.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr bytes.Buffer
	w := cancelOnWrite{&stdout, cancel}
	h.starter(0, "run", "--agent", "support")
	rig.Eventually(t, func() bool {
		var page records.Page
		h.json(&page, 0, "list", "--agent", "support", "--status", "open")
		return page.Counts.Open == 1
	})
	code := run(ctx, []string{"watch", "--agent", "support"}, h.environ, strings.NewReader(""), w, &stderr)
	require.Equal(t, 130, code)
	require.Contains(t, stdout.String(), "stranded, 0 turns", "there is no worker")
	require.Empty(t, stderr.String())
}

// cancelOnWrite interrupts as soon as there is output.
type cancelOnWrite struct {
	buffer *bytes.Buffer // not embedded: its WriteString would go past Write
	cancel context.CancelFunc
}

func (w cancelOnWrite) Write(p []byte) (int, error) {
	w.cancel()
	return w.buffer.Write(p)
}
