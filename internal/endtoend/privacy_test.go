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
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	common "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/parley-run/parley"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/pulsetest"
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
	"persona", "story", "reply", "argument", "result", "mishap", "reason", "failure", "refusal", "attach", "pausing", "takeover", "ending",
	"direct", "answer", "order", "report", "params", "outcome", "call", "note", "said",
}

// elsewhere are said too, and do not reach Temporal, also without keys.
var elsewhere = []string{"listing"}

// found are the channels whose mark is in the data: raw, in base64 at each of its three
// positions, or in hexadecimal digits.
func found(data []byte) []string {
	var all []string
	for _, channel := range slices.Concat(channels, elsewhere) {
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
	dir   string
	begun time.Time
	pages []byte // of the worker's health, with its metrics
	spans *tracetest.InMemoryExporter
	// kept are the channels in Temporal's files after the first conversation: a heartbeat
	// is gone when the database has used its place again.
	kept    []string
	pulse   *pulsetest.Server
	engine  *iiitest.Engine
	id      string
	log     *logtest.Buffer
	environ []string
	client  client.Client
}

func converse(t *testing.T, encryption string) privateConversation {
	t.Helper()
	p := privateConversation{dir: t.TempDir(), begun: time.Now(), log: &logtest.Buffer{}, pulse: pulsetest.New(pulsetest.Config{}), engine: iiitest.Start(t, iiitest.Options{})}
	pulses := httptest.NewServer(p.pulse)
	t.Cleanup(pulses.Close)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "tmp"), 0o700))
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
  pulse: {type: pulse, url: %[7]q, poll_interval: 200ms}
  engine: {type: iii, url: %[8]q, inbox: off}
agents:
  support: {platform: %[2]s, project: %[4]q, agent: %[5]q, executor: agent, tools: [box], reply_attempts: 2}
  clerk: {platform: pulse, agent: a-1, executor: agent}
  helper: {platform: direct, executor: agent}
  line: {platform: engine, executor: agent}
%[6]s`, r.TaskQueue, r.Name, r.URL, r.Seeded.ProjectID, r.Seeded.AgentID, encryption, pulses.URL, p.engine.URL()), 0o600))
	// The commands do not have what is given to the worker in Go.
	commands := filepath.Join(p.dir, "commands.yaml")
	require.NoError(t, os.WriteFile(commands, fmt.Appendf(nil, `
task_queue: %s
executors:
  agent: {type: scripted}
agents:
  helper: {executor: agent}
%s`, r.TaskQueue, encryption), 0o600))
	p.environ = []string{
		"TEMPORAL_ADDRESS=" + stack.Address, "ONERUN_API_KEY=" + rig.APIKey, "PARLEY_CONFIG=" + commands, "HOME=" + p.dir, "PATH=" + os.Getenv("PATH"),
		"TMPDIR=" + filepath.Join(p.dir, "tmp"),
	}
	p.spans = tracetest.NewInMemoryExporter()
	gate := rig.NewGate()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- parley.Run(ctx, parley.Options{
			Executors: map[string]executors.Executor{"agent": gate},
			Tools:     map[string]parley.Tools{"box": {Set: box{}, Rules: tools.Rules{Ask: []string{"pay"}}}},
			Config:    config, Environ: p.environ, HealthAddress: "127.0.0.1:0", Drain: time.Second,
			TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(p.spans), sdktrace.WithIDGenerator(parley.SpanIDs())),
			TracedText:     encryption == "",
			Logger:         slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug - 8})),
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
	p.kept = found(p.database(t))
	p.talkDirectly(t, gate)
	p.work(t, gate)
	p.talkOverEngine(t, gate)
	for _, page := range []string{"/metrics", "/readyz", "/healthz"} {
		p.pages = append(p.pages, get(t, p.healthURL(t)+page)...)
	}
	require.Contains(t, string(p.pages), "parley_polls_total")
	if encryption != "" {
		require.Empty(t, found(p.temporary(t)), "temporary files")
	}
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
	ask := gate.Asked(t)
	id := workflows.ConversationID(ask.Conversation)
	tools, err := json.Marshal(ask.Tools)
	require.NoError(t, err)
	require.Equal(t, elsewhere, found(tools), "the executor is told")
	ask.Answer(t, call("look"))
	gate.Asked(t).Answer(t, call("fail"))
	ask = gate.Asked(t)
	p.starter(t, 0, "pause", id, "--reason", marked("pausing"))
	p.starter(t, 0, "resume", id)
	ask.Answer(t, call("pay"))
	p.await(t, id, workflows.StateNeedsApproval)
	p.starter(t, 0, "approve", id, "--deny", "--reason", marked("reason"), "--as", "operator@example.com")
	gate.Asked(t).Answer(t, saying("reply"))

	ask = gate.Asked(t)
	ask.OnAttach(json.RawMessage(fmt.Sprintf(`{"run":%q}`, marked("attach"))))
	ask.Fail(t, &conversation.Error{Kind: conversation.Unavailable, Op: "agent", Err: errors.New(conversation.Quote(marked("failure"))), Remedy: conversation.Quote(marked("failure"))})
	ask = gate.Asked(t)
	require.Contains(t, string(ask.Attach), mark, "heartbeats are read again")
	ask.Fail(t, &conversation.Error{Kind: conversation.Refused, Op: "agent", Err: errors.New(conversation.Quote(marked("refusal")))})
	p.await(t, id, workflows.StateNeedsAttention)
	require.Contains(t, p.starter(t, 0, "list"), mark, "the list has the persona")
	p.starter(t, 0, "takeover", id, "--text", marked("takeover"))
	gate.Asked(t).Answer(t, saying("reply"))
	gate.Asked(t)
	p.starter(t, 0, "end", id, "--reason", marked("ending"))
	return id
}

func saying(channel string) executors.Result {
	return executors.Result{Message: conversation.Text(conversation.RoleAssistant, marked(channel)), Usage: conversation.Usage{Calls: 1}}
}

// talkDirectly has a conversation without a platform.
func (p privateConversation) talkDirectly(t *testing.T, gate *rig.Gate) {
	t.Helper()
	reply := p.begin(t, "send", "helper", "--id", "d-1", "--message-id", "m-1", marked("direct"))
	gate.Asked(t).Answer(t, saying("answer"))
	require.Contains(t, found([]byte(reply())), "answer")
}

// work has a run of a schedule and a task of Pulse.
func (p privateConversation) work(t *testing.T, gate *rig.Gate) {
	t.Helper()
	p.starter(t, 0, "schedule", "create", "nightly", "--agent", "helper", "--at", "in 5 hours", "--message", marked("order"))
	run := p.begin(t, "schedule", "run", "nightly", "--wait")
	gate.Asked(t).Answer(t, saying("report"))
	run()
	task := p.pulse.Add(pulsetest.Schedule{At: time.Now(), Payload: map[string]any{
		"agent_id": "a-1", "entrypoint_tag": "main", "params": map[string]any{"topic": marked("params")},
	}})
	gate.Asked(t).Answer(t, saying("outcome"))
	rig.Eventually(t, func() bool { return len(p.pulse.Acks(task)) == 1 })
}

// talkOverEngine has a conversation by the functions of an iii engine.
func (p privateConversation) talkOverEngine(t *testing.T, gate *rig.Gate) {
	t.Helper()
	require.NoError(t, p.engine.Wait(t.Context(), func() bool { return p.engine.Serves("", "conversation::start") }))
	caller, err := iii.Connect(t.Context(), iii.Options{URL: p.engine.URL(), Name: "caller"})
	require.NoError(t, err)
	t.Cleanup(caller.Close)
	answered := make(chan object, 1)
	go func() {
		answer, err := call[object](t, caller, "conversation::start", object{
			"conversationId": "e-1", "agentId": "line", "message": marked("call"), "metadata": object{"note": marked("note")},
		})
		if err != nil {
			answer = object{"error": err.Error()}
		}
		answered <- answer
	}()
	gate.Asked(t).Answer(t, saying("said"))
	require.Equal(t, marked("said"), (<-answered)["reply"])
}

// begin runs the command while the test goes on. The result waits for its output.
func (p privateConversation) begin(t *testing.T, args ...string) (output func() string) {
	t.Helper()
	bin, err := starterBinary()
	require.NoError(t, err)
	var out, stderr bytes.Buffer
	cmd := exec.Command(bin, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.environ, p.dir, &out, &stderr
	require.NoError(t, cmd.Start())
	return func() string {
		require.NoError(t, cmd.Wait(), "starter %v\n%s%s", args, &out, &stderr)
		return out.String()
	}
}

// largestTemporary is above any file of a conversation, and below programs.
const largestTemporary = 8 << 20

// temporary is what stands in files: those below the conversation's folder, which is also
// the home and has the folder for temporary files of the commands; what the worker, which is
// this process, left in its folder for temporary files; and all that this process and its
// children have open, deleted or not. The database is read apart from them.
func (p privateConversation) temporary(t *testing.T) []byte {
	t.Helper()
	var all []byte
	take := func(path string) {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > largestTemporary {
			return
		}
		if data, err := os.ReadFile(path); err == nil { // it may be gone
			all = append(append(all, path...), data...)
		}
	}
	walk := func(root string, wanted func(fs.DirEntry) bool) {
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || path == root:
				return nil
			case d.IsDir() && !wanted(d):
				return filepath.SkipDir
			case d.Type().IsRegular() && wanted(d):
				take(path)
			}
			return nil
		}))
	}
	walk(p.dir, func(d fs.DirEntry) bool { return !strings.HasPrefix(d.Name(), "temporal.db") })
	walk(os.TempDir(), func(d fs.DirEntry) bool {
		info, err := d.Info()
		others := strings.HasPrefix(d.Name(), "Test") || strings.HasPrefix(d.Name(), "go-build") // of other tests
		return err == nil && !others && info.ModTime().After(p.begun)
	})
	opened, err := filepath.Glob("/proc/[0-9]*/fd/*")
	require.NoError(t, err)
	for _, fd := range opened {
		target, err := os.Readlink(fd)
		inTest := strings.Contains(target, "/Test") && !strings.HasPrefix(target, p.dir) || strings.HasPrefix(filepath.Base(target), "temporal.db")
		if err == nil && strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "/proc/") && !strings.HasPrefix(target, "/dev/") && !inTest && p.isOurs(fd) {
			take(fd)
		}
	}
	require.Contains(t, string(all), "task_queue", "the configuration is one of the files")
	return all
}

// isOurs reports whether a descriptor is of this process or of one that it started.
func (privateConversation) isOurs(fd string) bool {
	process := filepath.Dir(filepath.Dir(fd))
	self := strconv.Itoa(os.Getpid())
	stat, err := os.ReadFile(filepath.Join(process, "stat"))
	_, after, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	return filepath.Base(process) == self || err == nil && ok && len(fields) > 1 && fields[1] == self
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
	about := marked("listing")
	return []conversation.Tool{
		{Name: "look", Description: about, Schema: schema}, {Name: "fail", Description: about, Schema: schema}, {Name: "pay", Description: about, Schema: schema},
	}, nil
}

func (box) Call(_ context.Context, call tools.Call) (tools.Result, error) {
	if call.Name == "fail" {
		return tools.Result{}, &conversation.Error{Kind: conversation.Invalid, Op: "box", Err: errors.New(conversation.Quote(marked("mishap")))}
	}
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

// With keys, no word of a person reaches Temporal's files, the log, the metrics or, if texts
// are not asked for, the spans; without,
// each does, which shows that the conversation uses every channel.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	t.Run("Plain", func(t *testing.T) {
		t.Parallel()
		p := converse(t, "")
		require.Contains(t, p.attributes(t), "ParleyPersona")
		require.ElementsMatch(t, channels, union(p.kept, found(p.database(t))))
		require.Subset(t, found(p.traced(t)), []string{"persona", "reply", "argument", "result", "direct", "answer"}, "texts are asked for")
	})
	t.Run("Encrypted", func(t *testing.T) {
		t.Parallel()
		p := converse(t, `
encryption:
  key: k1
  keys: {k1: {command: [echo, 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f]}}
`)
		require.Empty(t, union(p.kept, found(p.database(t))), "Temporal's files")
		attributes := p.attributes(t)
		require.NotContains(t, attributes, "ParleyPersona")
		require.Contains(t, attributes, "ParleyExecutor")
		require.Empty(t, found([]byte(p.log.String())), "the log")
		require.Empty(t, found(p.pages), "metrics and health")
		require.Empty(t, found(p.traced(t)), "spans")
		shown := p.starter(t, 0, "show", p.id)
		for _, channel := range []string{"persona", "reply", "takeover", "ending"} {
			require.Contains(t, found([]byte(shown)), channel, shown)
		}
		recorded := slices.DeleteFunc(slices.Clone(channels[:slices.Index(channels, "direct")]), func(c string) bool { return c == "attach" }) // a heartbeat is no event
		require.Equal(t, recorded, found(p.decoded(t)), "by the codec server")
		require.Subset(t, found([]byte(p.starter(t, 0, "show", "direct/helper/d-1"))), []string{"direct", "answer"})
		require.Subset(t, found([]byte(p.starter(t, 0, "schedule", "show", "nightly", "-o", "json"))), []string{"order", "report"})
	})
}

// traced are the spans of the conversations, some of which have failed attempts.
func (p privateConversation) traced(t *testing.T) []byte {
	t.Helper()
	data, err := json.Marshal(p.spans.GetSpans())
	require.NoError(t, err)
	for _, part := range []string{`"conversation"`, `"execute_tool look"`, `"execute_tool fail"`, `"parked"`, `"approval pay"`, `"error.type"`} {
		require.Contains(t, string(data), part)
	}
	return data
}

func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// attributes are the search attributes of the first conversation.
func (p privateConversation) attributes(t *testing.T) map[string]*common.Payload {
	t.Helper()
	described, err := p.client.DescribeWorkflowExecution(t.Context(), p.id, "")
	require.NoError(t, err)
	return described.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()
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
