package endtoend_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/temporalproto"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// The keys of the backends, by the environment's names for them. None looks like a
// vendor's: what looks like one is taken out of errors even where nobody knows it.
var testKeys = map[string]string{
	"ONERUN_KEY":    "leak-onerun-61b0d8",
	"OPENAI_KEY":    "leak-openai-5f0c9a",
	"ANTHROPIC_KEY": "leak-anthropic-c2d417",
	"GEMINI_KEY":    "leak-gemini-93e5b1",
	"AGENT_KEY":     "leak-agent-7a44f0",
	"AGENT_HEADER":  "leak-header-0d19ce",
	"AGENT_HMAC":    "leak-hmac-4be7720a",
	"A2A_KEY":       "leak-a2a-b1f923",
	"PROGRAM_KEY":   "leak-program-e83c56",
	"RUNAGENT_KEY":  "leak-runagent-d40b7e",
	"ENGINE_KEY":    "leak-engine-26c9f1",
	"ENGINE_QUERY":  "leak-query-58ae03",
	"TOOL_KEY":      "leak-tool-1c7d92",
	"TOOLS_BEARER":  "leak-bearer-f60a85",
}

const keysConfig = `task_queue: %[1]s
platforms:
  %[2]s: {type: onerun, base_url: "%[3]s", api_key: "${ONERUN_KEY}", settle: 1s}
executors:
  openai: {type: openai, model: standin-1, base_url: "%[6]s/v1", api_key: "${OPENAI_KEY}"}
  anthropic: {type: anthropic, model: standin-1, base_url: "%[7]s", api_key: "${ANTHROPIC_KEY}"}
  gemini: {type: gemini, model: standin-1, base_url: "%[8]s", api_key: "${GEMINI_KEY}"}
  http: {type: http, url: "%[9]s/reply", bearer_token: "${AGENT_KEY}", headers: {X-Api-Key: "${AGENT_HEADER}"}, hmac: {secret: "${AGENT_HMAC}"}}
  a2a: {type: a2a, url: "%[15]s", bearer_token: "${A2A_KEY}"}
  command: {type: command, command: ["%[14]s"], env: {PARLEY_TEST_PROGRAM: agent, AGENT_KEY: "${PROGRAM_KEY}"}}
  openai-fails: {type: openai, model: standin-1, base_url: "%[10]s/v1", api_key: "${OPENAI_KEY}"}
  anthropic-fails: {type: anthropic, model: standin-1, base_url: "%[11]s", api_key: "${ANTHROPIC_KEY}"}
  gemini-fails: {type: gemini, model: standin-1, base_url: "%[12]s", api_key: "${GEMINI_KEY}"}
  http-fails: {type: http, url: "%[13]s/reply", bearer_token: "${AGENT_KEY}", headers: {X-Api-Key: "${AGENT_HEADER}"}, hmac: {secret: "${AGENT_HMAC}"}}
  a2a-fails: {type: a2a, url: "%[16]s", bearer_token: "${A2A_KEY}"}
  command-fails: {type: command, command: ["%[14]s"], env: {PARLEY_TEST_PROGRAM: echoes, AGENT_KEY: "${PROGRAM_KEY}"}}
  runagent: {%[17]s, entrypoint: chat, reply_path: reply}
  runagent-stream: {%[17]s, entrypoint: chat_stream}
  runagent-fails: {%[18]s, entrypoint: chat, reply_path: reply}
  runagent-stream-fails: {%[18]s, entrypoint: chat_stream}
  iii: {%[19]s}
  iii-fails: {%[20]s}
  tools: {type: openai, model: standin-1, base_url: "%[21]s/v1", api_key: "${OPENAI_KEY}"}
  tools-fails: {type: openai, model: standin-1, base_url: "%[21]s/v1", api_key: "${OPENAI_KEY}"}
tools:
  program: {type: mcp, command: ["%[14]s"], env: {PARLEY_TEST_PROGRAM: tools, TOOL_KEY: "${TOOL_KEY}"}}
  server: {type: mcp, url: "%[22]s", headers: {Authorization: "Bearer ${TOOLS_BEARER}"}}
  server-fails: {type: mcp, url: "%[23]s", headers: {Authorization: "Bearer ${TOOLS_BEARER}"}}
agents:
  desk: {project: "%[4]s", agent: "%[5]s", executor: openai}
`

// echoing answers 401 with every header it was sent in the error's message.
func echoing(body func(message string) string) modelstandin.Mind {
	return func(asked modelstandin.Asked) modelstandin.Said {
		var keys []string
		for _, values := range asked.Header {
			for _, value := range values {
				if strings.Contains(value, "leak-") {
					keys = append(keys, value)
				}
			}
		}
		return modelstandin.Said{By: modelstandin.Write(http.StatusUnauthorized, body("Incorrect API key provided: "+strings.Join(keys, ", ")))}
	}
}

// A worker process with keys for every backend, talking through each: one
// conversation that works, and two whose provider repeats the key in its 401, of
// which one parks and one ends. Then all that can be read anywhere is read.
func TestKeysAppearNowhere(t *testing.T) {
	t.Parallel()
	backends := []string{"openai", "anthropic", "gemini", "http", "a2a", "command", "runagent", "runagent-stream", "iii", "tools"}
	offered := map[string][]string{"tools": {"program", "server"}, "tools-fails": {"program", "server-fails"}}
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Player: forgetful{}, APIKey: testKeys["ONERUN_KEY"]},
		Setup: sim.Setup{Conversations: 3 * len(backends)},
	})
	at := func(dialect modelstandin.Dialect, mind modelstandin.Mind) string {
		return modelstandin.Start(t, dialect, mind).URL
	}
	p := configured(t, r, fmt.Sprintf(keysConfig, r.TaskQueue, r.Name, r.URL, r.Seeded.ProjectID, r.Seeded.AgentID,
		at(modelstandin.Chat{}, recalls), at(modelstandin.Messages{}, recalls), at(modelstandin.Generate{}, recalls), at(modelstandin.Agent{}, recalls),
		at(modelstandin.Chat{}, echoing(func(m string) string { return modelstandin.OpenAIError(m, "invalid_api_key") })),
		at(modelstandin.Messages{}, echoing(func(m string) string { return modelstandin.AnthropicError(m, "authentication_error") })),
		at(modelstandin.Generate{}, echoing(func(m string) string {
			return modelstandin.GeminiError(http.StatusUnauthorized, "UNAUTHENTICATED", m, "API_KEY_INVALID")
		})),
		at(modelstandin.Agent{}, echoing(func(m string) string { return modelstandin.JSON(map[string]any{"error": m}) })),
		os.Args[0],
		at(modelstandin.A2A{}, recalls),
		at(modelstandin.A2A{}, echoing(func(m string) string { return modelstandin.JSON(map[string]any{"error": m}) })),
		keyedRunAgent(t, false), keyedRunAgent(t, true), keyedEngine(t, false), keyedEngine(t, true),
		at(modelstandin.Chat{}, callsThenRecalls), keyedTools(t, false), keyedTools(t, true)))
	for name, key := range testKeys {
		p.env = append(p.env, name+"="+key)
	}
	bin, err := workerBinary()
	require.NoError(t, err)
	p.bin, p.args = bin, []string{"--no-inbox", "--log-level", "debug", "--health-addr", "127.0.0.1:0"}
	p.start(t)

	read, waiting := reading{t: t, p: p}, r.Waiting(t)
	start := func(executor string, policy conversation.Policy) string {
		ref := waiting[0].Ref
		waiting = waiting[1:]
		policy.Tools = offered[executor]
		policy.Executor = executor
		return r.StartWith(t, workflows.ConversationInput{Ref: ref, Policy: policy})
	}
	type three struct{ works, parks, ends string }
	started := map[string]three{}
	for _, name := range backends {
		started[name] = three{
			works: start(name, conversation.Policy{}),
			parks: start(name+"-fails", conversation.Policy{}),
			ends:  start(name+"-fails", conversation.Policy{OnExhausted: conversation.EndConversation}),
		}
	}
	for name, of := range started {
		requireOutcome(t, r, of.works, "ended by persona")
		status := requireState(t, r, of.parks, workflows.StateNeedsAttention)
		require.Equal(t, conversation.Unauthorized, status.Attention.Kind)
		require.Contains(t, status.Attention.Reason, "[redacted]", "%s: what the provider said is shown, without the key", name)
		_, err := r.Outcome(t, of.ends)
		require.ErrorContains(t, err, "[redacted]")
		for err := err; err != nil; err = errors.Unwrap(err) {
			read.add("error of "+of.ends, fmt.Sprintf("%v %+v %#v", err, err, err))
		}
		for _, id := range []string{of.works, of.parks, of.ends} {
			read.workflow(r, id)
		}
	}
	read.pages()
	for _, of := range started {
		require.NoError(t, r.Update(t, of.parks, workflows.UpdateEnd, workflows.EndRequest{Reason: "seen"}))
		_, err := r.Outcome(t, of.parks)
		require.NoError(t, err)
		read.workflow(r, of.parks)
	}
	p.kill(t)
	read.add("log", p.log())

	// It has read what there is to read.
	read.finds("parley_failures_total", "metrics")
	read.finds("calling the model with [redacted]", "log")
	read.finds("Your word is apricot-17 (4).", "history", "transcript")
	read.finds("Incorrect API key provided: [redacted]", "history", "status", "error")
	read.finds("program was given [redacted]", "history", "transcript", "log")
	read.finds("program refuses [redacted]", "history", "transcript")
	read.finds("server was given [redacted]", "history", "transcript")
	read.finds("server refuses [redacted]", "history", "transcript")
	for name, key := range testKeys {
		read.lacks(name, key)
	}
}

// A reading is all that was read, by where.
type reading struct {
	t     *testing.T
	p     *workerProcess
	texts []struct{ where, text string }
}

func (r *reading) add(where, text string) {
	r.texts = append(r.texts, struct{ where, text string }{where, text})
}

// workflow reads all that Temporal gives of a workflow: its history, in the form of
// the API and as JSON, its description and its answers to queries.
func (r *reading) workflow(rig *rig.Rig, id string) {
	r.t.Helper()
	message := func(where string, m proto.Message) {
		raw, err := proto.Marshal(m)
		require.NoError(r.t, err)
		r.add(where, string(raw)) // payloads are as they are here, and in base64 as JSON
		text, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(m)
		require.NoError(r.t, err)
		r.add(where+" as JSON", string(text))
	}
	events := rig.Client.GetWorkflowHistory(r.t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(r.t, err)
		message("history of "+id, event)
	}
	desc, err := rig.Client.DescribeWorkflowExecution(r.t.Context(), id, "")
	require.NoError(r.t, err)
	message("description of "+id, desc)
	for name, query := range map[string]any{workflows.QueryStatus: nil, workflows.QueryTranscript: workflows.TranscriptQuery{}} {
		args := []any{query}
		if query == nil {
			args = nil
		}
		value, err := rig.Client.QueryWorkflow(r.t.Context(), id, "", name, args...)
		require.NoError(r.t, err)
		var answer any
		require.NoError(r.t, value.Get(&answer))
		r.add(name+" of "+id, modelstandin.JSON(answer))
	}
	_, err = rig.Client.QueryWorkflow(r.t.Context(), id, "", "no such query")
	require.Error(r.t, err)
	r.add("error of a query", err.Error())
}

var pagesAt = regexp.MustCompile(`url=(http://\S+)/readyz`)

// pages reads the worker's own.
func (r *reading) pages() {
	r.t.Helper()
	found := pagesAt.FindStringSubmatch(r.p.log())
	require.NotNil(r.t, found, r.p.log())
	for page, where := range map[string]string{"/metrics": "metrics", "/readyz": "readiness"} {
		client := http.Client{Timeout: time.Minute}
		res, err := client.Get(found[1] + page)
		require.NoError(r.t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(r.t, err)
		require.NoError(r.t, res.Body.Close())
		client.CloseIdleConnections()
		r.add(where, string(body))
	}
}

// finds requires the text in each of the places.
func (r *reading) finds(text string, places ...string) {
	r.t.Helper()
	for _, place := range places {
		found := false
		for _, it := range r.texts {
			found = found || strings.HasPrefix(it.where, place) && strings.Contains(it.text, text)
		}
		require.True(r.t, found, "%q is not in any %s", text, place)
	}
}

// lacks requires that no text has the key, nor the key as it may be written.
func (r *reading) lacks(name, key string) {
	r.t.Helper()
	for _, form := range []string{key, url.QueryEscape(key), base64.StdEncoding.EncodeToString([]byte(key)), key[len("leak-"):]} {
		for _, it := range r.texts {
			require.NotContains(r.t, it.text, form, "%s is in the %s", name, it.where)
		}
	}
}
