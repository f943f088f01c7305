package examples_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/openai"
)

// foreign is a stand-in for the servers of other projects: it repeats the last message,
// in their formats.
func foreign(t *testing.T) *url.URL {
	t.Helper()
	// read returns the last message of those at messages.
	read := func(r *http.Request) (text string, ok bool) {
		data, _ := io.ReadAll(r.Body)
		var body struct {
			AssistantID string `json:"assistant_id"`
			Input       struct {
				Messages []struct{ Type, Role, Content string } `json:"messages"`
			} `json:"input"`
			Messages []struct{ Role, Content string } `json:"messages"`
		}
		if err := json.Unmarshal(data, &body); err != nil {
			t.Errorf("%s: %v: %s", r.URL.Path, err, data)
			return "", false
		}
		text = "nothing"
		for _, m := range body.Input.Messages {
			if m.Type == "" && m.Role == "" {
				t.Errorf("%s: a message without its role: %s", r.URL.Path, data)
			}
			text = m.Content
		}
		for _, m := range body.Messages {
			text = m.Content
		}
		return "You said: " + text, true
	}
	mux := http.NewServeMux()
	handle := func(pattern, media string, answer func(text string) string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if text, ok := read(r); ok {
				w.Header().Set("Content-Type", media)
				_, _ = io.WriteString(w, answer(text))
			}
		})
	}
	quote := func(s string) string { data, _ := json.Marshal(s); return string(data) }
	const whole, events = "application/json", "text/event-stream"
	handle("POST /agent/invoke", whole, func(text string) string {
		return `{"output":{"content":` + quote(text) + `,"type":"ai","usage_metadata":{"input_tokens":12,"output_tokens":5},"response_metadata":{"model_name":"m-1"},"id":"run-1"},"metadata":{"run_id":"4bb5d3dd","feedback_tokens":[]}}`
	})
	handle("POST /agent/stream", events, func(text string) string {
		return "event: metadata\ndata: {\"run_id\": \"1\"}\n\n" +
			"event: data\ndata: {\"content\":" + quote(text[:4]) + ",\"type\":\"AIMessageChunk\"}\n\n" +
			": ping - 2026-01-01 00:00:00\n\n" +
			"event: data\ndata: {\"content\":" + quote(text[4:]) + ",\"type\":\"AIMessageChunk\"}\n\nevent: end\n\n"
	})
	handle("POST /runs/wait", whole, func(text string) string {
		return `{"messages":[{"content":"Hi","type":"human"},{"content":` + quote(text) + `,"type":"ai","usage_metadata":{"input_tokens":12,"output_tokens":5},"response_metadata":{"model_name":"m-1"}}]}`
	})
	handle("POST /runs/stream", events, func(text string) string {
		return "event: metadata\ndata: {\"run_id\":\"1\",\"attempt\":1}\n\n" +
			"event: values\ndata: {\"messages\":[{\"content\":\"Hi\",\"type\":\"human\"}]}\n\n" +
			"event: values\ndata: {\"messages\":[{\"content\":\"Hi\",\"type\":\"human\"},{\"content\":" + quote(text) + ",\"type\":\"ai\"}]}\n\n"
	})
	handle("POST /v1/chat/completions", events, func(text string) string {
		return `data: {"id":"1","object":"chat.completion.chunk","model":"llama3.2","choices":[{"index":0,"delta":{"role":"assistant","content":` + quote(text) + `},"finish_reason":null}]}` + "\n\n" +
			`data: {"id":"1","object":"chat.completion.chunk","model":"llama3.2","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	})
	for _, path := range []string{"/docs", "/ok", "/v1/models"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":[]}`) })
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return u
}

// Agents behind servers of other projects are reached by configuration alone.
func TestForeignServers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"langserve", "langserve-stream", "langgraph", "langgraph-stream"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := foreign(t)
			cfg := configured[agent.Config](t, "langserve", name)
			executortest.Run(t, executortest.Fixture{
				// The executor notices the end of a connection; the stand-in does not wait
				// for it.
				New: func(t *testing.T) executors.Executor { return moved(t, cfg, u) },
			})
			res, err := moved(t, cfg, u).Execute(t.Context(), executortest.Request("c1", `Hello "you"`))
			require.NoError(t, err)
			require.Equal(t, `You said: Hello "you"`, res.Message.Text())
			want := executors.Result{
				Message: res.Message, Usage: conversation.Usage{Calls: 1},
				Provider: strings.TrimSuffix(name, "-stream"), FinishReason: executors.FinishStop,
			}
			if !cfg.Stream {
				want.Model, want.Usage = "m-1", conversation.Usage{InputTokens: 12, OutputTokens: 5, Calls: 1}
			}
			require.Equal(t, want, res)
		})
	}
}

// Errors of those servers.
func TestForeignErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		executor string
		status   int
		media    string
		body     string
		want     conversation.Kind
		text     string
	}{
		"LangServeInput":  {"langserve", 422, "application/json", `{"detail":[{"type":"model_type","loc":[],"msg":"Input should be a valid dictionary"}]}`, conversation.Invalid, "Input should be a valid dictionary"},
		"LangServeBroken": {"langserve", 500, "text/plain", "Internal Server Error", conversation.Unavailable, "500 Internal Server Error"},
		"LangServeStream": {"langserve-stream", 200, "text/event-stream", "event: error\ndata: {\"status_code\": 500, \"message\": \"Internal Server Error\"}\n\n", conversation.Unavailable, "Internal Server Error"},
		"LangServeCutOff": {"langserve-stream", 200, "text/event-stream", "event: data\ndata: {\"content\": \"Hel\"}\n\n", conversation.Unavailable, "the stream ended before the answer did"},
		"LangGraphError":  {"langgraph", 200, "application/json", `{"__error__": {"error": "ValueError", "message": "boom"}}`, conversation.Unavailable, "the agent reports: “boom”"},
		"LangGraphStream": {"langgraph-stream", 200, "text/event-stream", "event: error\ndata: {\"error\": \"ValueError\", \"message\": \"boom\"}\n\n", conversation.Unavailable, "boom"},
		"LangGraphKey":    {"langgraph", 403, "application/json", `{"detail":"Invalid token"}`, conversation.Unauthorized, "Invalid token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.media)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			t.Cleanup(server.Close)
			u, err := url.Parse(server.URL)
			require.NoError(t, err)
			_, err = moved(t, configured[agent.Config](t, "langserve", c.executor), u).Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.Equal(t, c.want, conversation.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
		})
	}
}

func TestOllama(t *testing.T) {
	t.Parallel()
	u := foreign(t)
	cfg := configured[openai.Config](t, "ollama", "ollama")
	cfg.BaseURL = strings.Replace(cfg.BaseURL, "localhost:11434", u.Host, 1)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.HTTPClient = &http.Client{Transport: transport}
	e, err := openai.New(cfg)
	require.NoError(t, err)
	require.NoError(t, e.Check(t.Context()))
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, "You said: Hi", res.Message.Text())
	require.Equal(t, "ollama", res.Provider)
}
