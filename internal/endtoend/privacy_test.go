package endtoend_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	common "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/parley-run/parley"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/workflows"
)

// mark is in everything that the test says. No id has it.
const mark = "xq7wzjk"

// marked is a text of a channel, with characters that JSON escapes.
func marked(channel string) string { return fmt.Sprintf("%s-%s says \"1 < 2\"", mark, channel) }

// channels are the ways a person's words take to Temporal.
var channels = []string{
	"persona", "story", "reply", "argument", "result", "reason", "failure", "refusal", "attach", "takeover", "ending",
}

// found are the channels whose mark is in the data: raw, in base64 at each of its three
// positions, or in hexadecimal digits.
func found(data []byte) []string {
	var all []string
	for _, channel := range channels {
		word := []byte(mark + "-" + channel)
		spellings := [][]byte{word, []byte(hex.EncodeToString(word))}
		for shift := range 3 {
			// Without what the neighbours change.
			text := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), word...))
			spellings = append(spellings, []byte(text[4:len(text)-4]))
		}
		if slices.ContainsFunc(spellings, func(s []byte) bool { return bytes.Contains(data, s) }) {
			all = append(all, channel)
		}
	}
	return all
}

// chatty says a marked text.
type chatty struct{}

func (chatty) Reply(context.Context, sim.PersonaTurn) (string, bool, error) {
	return marked("persona"), false, nil
}

// privateConversation has a conversation that uses every channel, by a worker with that
// addition to parley.yaml, on a server of its own.
type privateConversation struct {
	dir     string
	id      string
	log     *logtest.Buffer
	metrics []byte
	environ []string
	client  client.Client
}

func converse(t *testing.T, encryption string) privateConversation {
	t.Helper()
	p := privateConversation{dir: t.TempDir(), log: &logtest.Buffer{}}
	stack, err := localstack.Start(t.Context(), localstack.Options{
		Port: localstack.AnyPort, SearchAttributes: workflows.SearchAttributes(), DBFile: filepath.Join(p.dir, "temporal.db"),
	})
	require.NoError(t, err)
	t.Cleanup(stack.Close)
	p.client = localstacktest.Dial(t, stack)
	scenario := sim.Scenario{
		Name: "privacy", Description: marked("story"), Agent: sim.AgentProfile{Name: "agent", Description: "helps"},
		Personas: []sim.Persona{{Key: "p1", Summary: marked("persona"), Story: marked("story"), Purpose: marked("story"),
			Openings: []string{marked("persona")}, Fallback: sim.Reaction{Say: []string{marked("persona")}}}},
	}
	r := rig.New(t, p.client, rig.Options{Sim: sim.Config{Player: chatty{}, Scenario: &scenario}, Setup: sim.Setup{Conversations: 1, MaxTurns: 20}})
	config := filepath.Join(p.dir, "parley.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
task_queue: %s
platforms:
  %s: {type: onerun, base_url: %q, api_key: "${ONERUN_API_KEY}", poll_interval: 200ms}
agents:
  support: {platform: %[2]s, project: %[4]q, agent: %[5]q, executor: agent, tools: [box], reply_attempts: 2}
%[6]s`, r.TaskQueue, r.Name, r.URL, r.Seeded.ProjectID, r.Seeded.AgentID, encryption), 0o600))
	p.environ = []string{
		"TEMPORAL_ADDRESS=" + stack.Address, "ONERUN_API_KEY=" + rig.APIKey, "PARLEY_CONFIG=" + config, "HOME=" + p.dir, "PATH=" + os.Getenv("PATH"),
	}
	gate := rig.NewGate()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- parley.Run(ctx, parley.Options{
			Executors: map[string]executors.Executor{"agent": gate},
			Tools:     map[string]parley.Tools{"box": {Set: box{}, Rules: tools.Rules{Ask: []string{"pay"}}}},
			Config:    config, Environ: p.environ, HealthAddress: "127.0.0.1:0", Drain: time.Second,
			Logger: slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug - 8})),
		})
	}()
	stopped := false
	t.Cleanup(func() {
		if stop(); !stopped {
			if err := <-done; err != nil {
				t.Log(err)
			}
		}
	})
	p.id = p.talk(t, gate)
	p.metrics = get(t, p.healthURL(t)+"/metrics")
	stop()
	require.NoError(t, <-done, p.log.String())
	stopped = true
	return p
}

// talk goes through the channels.
func (p privateConversation) talk(t *testing.T, gate *rig.Gate) string {
	t.Helper()
	call := func(name string) executors.Result {
		result := rig.CallsTools(name)
		result.Message.Parts[0].ToolCall.Arguments = json.RawMessage(fmt.Sprintf(`{"text":%q}`, marked("argument")))
		return result
	}
	say := func(channel string) executors.Result {
		return executors.Result{Message: conversation.Text(conversation.RoleAssistant, marked(channel)), Usage: conversation.Usage{Calls: 1}}
	}
	ask := gate.Asked(t)
	id := workflows.ConversationID(ask.Conversation)
	ask.Answer(t, call("look"))
	gate.Asked(t).Answer(t, call("pay"))
	p.await(t, id, workflows.StateNeedsApproval)
	p.starter(t, 0, "approve", id, "--deny", "--reason", marked("reason"), "--as", "operator@example.com")
	gate.Asked(t).Answer(t, say("reply"))

	ask = gate.Asked(t)
	ask.OnAttach(json.RawMessage(fmt.Sprintf(`{"run":%q}`, marked("attach"))))
	ask.Fail(t, &conversation.Error{Kind: conversation.Unavailable, Op: "agent", Err: errors.New(conversation.Quote(marked("failure"))), Remedy: conversation.Quote(marked("failure"))})
	ask = gate.Asked(t)
	require.Contains(t, string(ask.Attach), mark, "heartbeats are read again")
	ask.Fail(t, &conversation.Error{Kind: conversation.Refused, Op: "agent", Err: errors.New(conversation.Quote(marked("refusal")))})
	p.await(t, id, workflows.StateNeedsAttention)
	require.Contains(t, p.starter(t, 0, "list"), mark, "the list has the persona")
	p.starter(t, 0, "takeover", id, "--text", marked("takeover"))
	gate.Asked(t).Answer(t, say("reply"))
	gate.Asked(t)
	p.starter(t, 0, "end", id, "--reason", marked("ending"))
	return id
}

// await waits for a state, as the starter shows it.
func (p privateConversation) await(t *testing.T, id string, want workflows.State) {
	t.Helper()
	shown := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if shown = p.starter(t, 0, "show", id, "--output", "json"); strings.Contains(shown, `"`+string(want)+`"`) {
			return
		}
	}
	require.FailNow(t, "never "+string(want), shown)
}

// box has two tools, which answer with marked texts.
type box struct{}

func (box) List(context.Context) ([]conversation.Tool, error) {
	schema := json.RawMessage(`{"type":"object"}`)
	return []conversation.Tool{{Name: "look", Description: "looks", Schema: schema}, {Name: "pay", Description: "pays", Schema: schema}}, nil
}

func (box) Call(context.Context, tools.Call) (tools.Result, error) {
	return tools.Result{Content: marked("result")}, nil
}

// healthURL is where the worker's pages are, as its log says.
func (p privateConversation) healthURL(t *testing.T) string {
	t.Helper()
	_, after, ok := strings.Cut(p.log.String(), `msg="health pages" url=`)
	require.True(t, ok, p.log.String())
	url, _, _ := strings.Cut(after, "/readyz")
	return url
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return data
}

// starter runs the command of that name.
func (p privateConversation) starter(t *testing.T, code int, args ...string) string {
	t.Helper()
	bin, err := starterBinary()
	require.NoError(t, err)
	cmd := exec.Command(bin, args...)
	cmd.Env, cmd.Dir = p.environ, p.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit)
	}
	require.Equal(t, code, cmd.ProcessState.ExitCode(), "starter %v\n%s%s", args, out, stderr.String())
	return string(out)
}

var starterBinary = sync.OnceValues(func() (string, error) { return built("starter") })

// With keys, no word of a person reaches Temporal's files, the log or the metrics; without,
// each does, which shows that the conversation uses every channel.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	t.Run("Plain", func(t *testing.T) {
		t.Parallel()
		p := converse(t, "")
		require.Equal(t, channels, found(p.database(t)))
	})
	t.Run("Encrypted", func(t *testing.T) {
		t.Parallel()
		p := converse(t, `
encryption:
  key: k1
  keys: {k1: {command: [echo, 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f]}}
`)
		require.Empty(t, found(p.database(t)), "Temporal's files")
		require.Empty(t, found([]byte(p.log.String())), "the log")
		require.Empty(t, found(p.metrics), "metrics")
		shown := p.starter(t, 0, "show", p.id)
		for _, channel := range []string{"persona", "reply", "takeover", "ending"} {
			require.Contains(t, found([]byte(shown)), channel, shown)
		}
		recorded := slices.DeleteFunc(slices.Clone(channels), func(c string) bool { return c == "attach" }) // a heartbeat is no event
		require.Equal(t, recorded, found(p.decoded(t)), "by the codec server")
	})
}

// decoded is what the codec server makes of all payloads of the history.
func (p privateConversation) decoded(t *testing.T) []byte {
	t.Helper()
	var all common.Payloads
	events := p.client.GetWorkflowHistory(t.Context(), p.id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		require.NoError(t, proxy.VisitPayloads(t.Context(), event, proxy.VisitPayloadsOptions{
			SkipSearchAttributes: true,
			Visitor: func(_ *proxy.VisitPayloadsContext, found []*common.Payload) ([]*common.Payload, error) {
				all.Payloads = append(all.Payloads, found...)
				return found, nil
			},
		}))
	}
	body, err := protojson.Marshal(&all)
	require.NoError(t, err)
	bin, err := starterBinary()
	require.NoError(t, err)
	cmd := exec.Command(bin, "codec-server", "--listen", "127.0.0.1:0")
	cmd.Env, cmd.Dir = p.environ, p.dir
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stderr).ReadString('\n')
	require.NoError(t, err)
	_, url, _ := strings.Cut(line, "codec server at ")
	url, _, _ = strings.Cut(url, ",")
	res, err := http.Post(url+"/decode", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, errors.Join(err, res.Body.Close(), cmd.Process.Signal(os.Interrupt)))
	_ = cmd.Wait()
	require.NoError(t, protojson.Unmarshal(answer, &all))
	var texts []byte
	for _, payload := range all.GetPayloads() {
		texts = append(texts, payload.GetData()...)
	}
	return texts
}

// database is what Temporal's SQLite files have.
func (p privateConversation) database(t *testing.T) []byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, "temporal.db*"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	var all []byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		all = append(all, data...)
	}
	require.Contains(t, string(all), p.id)
	return all
}
