package endtoend_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	traceotlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/workflows"
)

// tracedConfig has a model with a tool.
const tracedConfig = `task_queue: %s
platforms:
  %s: {type: onerun, base_url: %s, api_key: "${ONERUN_API_KEY}", settle: 1s, poll_interval: 200ms}
executors:
  model: {type: openai, model: standin-1, base_url: %s/v1, api_key: "${MODEL_KEY}"}
tools:
  bank: {type: mcp, url: "%s"}
agents:
  desk: {project: %s, agent: %s, executor: model, tools: [bank]}
`

// A conversation of three turns with one tool call is one trace, and each span is in it
// once: over gRPC and HTTP, also when the worker is killed in the middle, when the
// workflow continues as new, and when an attempt fails.
func TestTraceOfAConversation(t *testing.T) {
	t.Parallel()
	const turns = `conversation
  claim
  exchange
  invoke_agent Fernhill support
    chat standin-1
    execute_tool rate
    chat standin-1
  exchange
  invoke_agent Fernhill support
%s  exchange
  invoke_agent Fernhill support
    chat standin-1
  exchange
`
	const second = 3 // the number of the request for the second turn's reply
	for name, row := range map[string]struct {
		http, kill, fail, text bool
		runTurns               int
		second                 string // what is below the second turn
	}{
		"grpc":                      {second: "    chat standin-1\n"},
		"http, with texts":          {http: true, text: true, second: "    chat standin-1\n"},
		"killed during a reply":     {kill: true, second: "    chat standin-1 attempt 2\n"},
		"a run for each turn":       {http: true, runTurns: 1, second: "    chat standin-1\n"},
		"a failed attempt":          {fail: true, second: "    chat standin-1 error Unavailable\n    chat standin-1 attempt 2\n"},
		"killed, with several runs": {kill: true, runTurns: 1, second: "    chat standin-1 attempt 2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, bank := newCollector(t), newBank(t, nil)
			asked := make(chan struct{}, 10)
			var requests atomic.Int32
			model := modelstandin.StartLenient(t, modelstandin.Lenient{Load: true}, modelstandin.Chat{}, func(a modelstandin.Asked) modelstandin.Said {
				number := requests.Add(1)
				switch {
				case len(a.Known) == 1:
					return modelstandin.Said{Text: "Let me see.", Calls: []modelstandin.Call{{ID: "t1", Name: "rate", Arguments: `{"n":1}`}}}
				case row.kill && number == second:
					return modelstandin.Said{By: func(_ http.ResponseWriter, r *http.Request) {
						asked <- struct{}{}
						<-r.Context().Done()
					}}
				case row.fail && number == second:
					return modelstandin.Said{By: func(w http.ResponseWriter, _ *http.Request) {
						http.Error(w, `{"error":{"message":"the persona said: Let me see."}}`, http.StatusServiceUnavailable)
					}}
				}
				return modelstandin.Said{Text: fmt.Sprintf("reply after %d", len(a.Known))}
			})
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 7},
			})
			platform := newWiretap(t, r.URL)
			env := []string{
				"ONERUN_API_KEY=" + rig.APIKey, "MODEL_KEY=test-key", "OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_SERVICE_NAME=desk",
				"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=" + c.grpc,
			}
			if row.http {
				env = append(env, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT="+c.http)
			}
			if row.text {
				env = append(env, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=span_only")
			}
			p := configured(t, r, fmt.Sprintf(tracedConfig, r.TaskQueue, r.Name, platform.url, model.URL, bank.url, r.Seeded.ProjectID, r.Seeded.AgentID), env...)
			ref := r.Waiting(t)[0].Ref
			id := workflows.ConversationID(ref)
			if row.runTurns > 0 {
				r.StartWith(t, workflows.ConversationInput{Ref: ref, Policy: conversation.Policy{
					Executor: "model", Tools: []string{"bank"}, RunTurns: row.runTurns,
				}})
			}
			p.start(t)
			if row.kill {
				requireTold(t, asked)
				// What has ended before is exported within the delay; what is killed with the worker is lost.
				rig.Eventually(t, func() bool { return strings.Count(names(c.received()), tracing.SpanExchange) == 2 })
				p.kill(t)
				p.start(t)
			}
			rig.Eventually(t, func() bool { _, ok := c.root(); return ok }, "no root")
			requireOutcome(t, r, id, "ended by turn limit")
			p.stop(t)

			root, _ := c.root()
			require.Equal(t, fmt.Sprintf(turns, row.second), c.tree(t, root.GetTraceId()))
			first := firstRun(t, r, id)
			require.Equal(t, tracing.TraceID(first).String(), hex.EncodeToString(root.GetTraceId()))
			require.Equal(t, id, attribute(root.GetAttributes(), "gen_ai.conversation.id"))
			require.Equal(t, "ended", attribute(root.GetAttributes(), "parley.outcome"))
			require.Equal(t, "turn_limit", attribute(root.GetAttributes(), "parley.ended_by"))
			require.Contains(t, c.names, "desk")
			if row.runTurns == 0 {
				requireLinked(t, c, root)
			}
			requireModelSpans(t, c, row.text)
			requirePropagated(t, c, model, platform)
			if text := c.text(t); !row.text {
				for _, said := range []string{"Let me see", "reply after", "persona message", "rate done"} {
					require.NotContains(t, text, said)
				}
			}
		})
	}
}

func names(spans []*traceotlp.Span) string {
	var all []string
	for _, s := range spans {
		all = append(all, s.GetName())
	}
	return strings.Join(all, "\n")
}

// firstRun is the id of the first run of a workflow.
func firstRun(t *testing.T, r *rig.Rig, id string) string {
	t.Helper()
	d, err := r.Client.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	return d.GetWorkflowExecutionInfo().GetFirstRunId()
}

// requireLinked: the conversation and the poll that started it link to each other.
func requireLinked(t *testing.T, c *collector, root *traceotlp.Span) {
	t.Helper()
	for _, s := range c.received() {
		if s.GetName() != tracing.SpanStart {
			continue
		}
		require.NotEqual(t, root.GetTraceId(), s.GetTraceId(), "a poll has a trace of its own")
		require.Len(t, s.GetLinks(), 1)
		require.Equal(t, root.GetSpanId(), s.GetLinks()[0].GetSpanId())
		require.Equal(t, root.GetTraceId(), s.GetLinks()[0].GetTraceId())
		require.Len(t, root.GetLinks(), 1)
		require.Equal(t, s.GetSpanId(), root.GetLinks()[0].GetSpanId())
		return
	}
	require.Fail(t, "no span of the start")
}

// requireModelSpans checks the attributes of the conventions.
func requireModelSpans(t *testing.T, c *collector, text bool) {
	t.Helper()
	chats := 0
	for _, s := range c.received() {
		is := func(key string) string { return attribute(s.GetAttributes(), key) }
		switch {
		case strings.HasPrefix(s.GetName(), "chat "):
			chats++
			require.Equal(t, traceotlp.Span_SPAN_KIND_CLIENT, s.GetKind())
			require.Equal(t, "chat", is("gen_ai.operation.name"))
			require.Equal(t, "standin-1", is("gen_ai.request.model"))
			if s.GetStatus().GetCode() == traceotlp.Status_STATUS_CODE_ERROR {
				require.Contains(t, s.GetStatus().GetMessage(), "503")
				continue
			}
			require.Equal(t, "openai", is("gen_ai.provider.name"))
			require.NotEmpty(t, is("gen_ai.response.model"))
			require.NotEmpty(t, is("gen_ai.usage.input_tokens"))
			require.NotEmpty(t, is("gen_ai.usage.output_tokens"))
			require.Regexp(t, "stop|tool_call", is("gen_ai.response.finish_reasons"))
			require.NotEmpty(t, is("parley.turn"))
		case strings.HasPrefix(s.GetName(), "execute_tool "):
			require.Equal(t, "execute_tool", is("gen_ai.operation.name"))
			require.Equal(t, "rate", is("gen_ai.tool.name"))
			require.Equal(t, "t1", is("gen_ai.tool.call.id"))
		case strings.HasPrefix(s.GetName(), "invoke_agent "):
			require.Equal(t, "invoke_agent", is("gen_ai.operation.name"))
			require.Equal(t, traceotlp.Span_SPAN_KIND_INTERNAL, s.GetKind())
			require.NotEmpty(t, is("gen_ai.usage.input_tokens"))
		}
		for _, key := range []string{"gen_ai.input.messages", "gen_ai.output.messages"} {
			value := is(key)
			require.Equal(t, text && strings.HasPrefix(s.GetName(), "chat "), value != "", key)
			if value != "" {
				var messages []struct {
					Role  string           `json:"role"`
					Parts []map[string]any `json:"parts"`
				}
				require.NoError(t, json.Unmarshal([]byte(value), &messages))
				require.NotEmpty(t, messages)
				require.Contains(t, []string{"user", "assistant", "tool"}, messages[0].Role)
			}
		}
		if strings.HasPrefix(s.GetName(), "execute_tool ") && text {
			require.Equal(t, "rate done", is("gen_ai.tool.call.result"))
		}
	}
	require.GreaterOrEqual(t, chats, 4)
}

// requirePropagated: what was sent names its span, unless that was lost with its worker.
func requirePropagated(t *testing.T, c *collector, model *modelstandin.Service, platform *wiretap) {
	t.Helper()
	spans := map[string]string{}
	for _, s := range c.received() {
		spans[traceparent(s)] = s.GetName()
	}
	lost := 0
	for _, a := range model.Asked() {
		if name := spans[a.Header.Get("Traceparent")]; name == "" {
			lost++
		} else {
			require.Contains(t, name, "chat ")
		}
	}
	require.LessOrEqual(t, lost, 1)
	require.Contains(t, platform.spans(spans), tracing.SpanClaim)
	require.Contains(t, platform.spans(spans), tracing.SpanExchange)
}

// A wiretap passes requests on and keeps their trace contexts.
type wiretap struct {
	url  string
	mu   sync.Mutex
	seen []string
}

func newWiretap(t *testing.T, target string) *wiretap {
	t.Helper()
	u, err := url.Parse(target)
	require.NoError(t, err)
	w := &wiretap{}
	proxy := httputil.NewSingleHostReverseProxy(u)
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r.Header.Get("Traceparent"))
		w.mu.Unlock()
		proxy.ServeHTTP(out, r)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// spans are the names of those that requests were made in.
func (w *wiretap) spans(by map[string]string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, header := range w.seen {
		if name := by[header]; name != "" {
			all = append(all, name)
		}
	}
	return all
}

// stop ends the process as an operator does.
func (p *workerProcess) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.gone:
	case <-time.After(rig.Patience):
		require.FailNow(t, "the worker does not stop", p.log())
	}
	p.cmd = nil
}

// A collector that is away holds up nothing: the conversation ends as it would without, and
// the worker says once what it has lost.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{Setup: sim.Setup{Conversations: 2, MaxTurns: 7}})
	p := newProcess(t, r)
	p.env = append(p.env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_BSP_EXPORT_TIMEOUT=200")
	p.start(t)
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
	p.stop(t)
	require.Equal(t, 2, strings.Count(p.log(), "spans were not exported"), "once, and at the end\n%s", p.log())
}
