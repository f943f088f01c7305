package openai_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/internal/secret"
)

const (
	key       = "pk-very-secret-key-0123456789"
	headerKey = "hk-other-secret-9876543210"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A call is what the server got.
type call struct {
	Header http.Header
	Path   string
	All    map[string]any // the body with all its fields
	Body   struct {
		Model    string `json:"model"`
		Messages []struct {
			Role       string            `json:"role"`
			Content    any               `json:"content"`
			ToolCallID string            `json:"tool_call_id"`
			ToolCalls  []json.RawMessage `json:"tool_calls"`
		} `json:"messages"`
		Stream              bool           `json:"stream"`
		StreamOptions       map[string]any `json:"stream_options"`
		Temperature         *float64       `json:"temperature"`
		MaxTokens           int            `json:"max_tokens"`
		MaxCompletionTokens int            `json:"max_completion_tokens"`
		TopP                *float64       `json:"top_p"`
	}
}

// lines are the messages as "role: content".
func (c call) lines() []string {
	var out []string
	for _, m := range c.Body.Messages {
		content, _ := m.Content.(string)
		out = append(out, m.Role+": "+content)
	}
	return out
}

// serve starts a server that answers calls for completions with handle, and
// lists its models.
func serve(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, c call)) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		c := call{Header: r.Header, Path: r.URL.Path}
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if err := json.Unmarshal(data, &c.Body); err != nil {
			t.Errorf("the request is no JSON: %v", err)
		}
		_ = json.Unmarshal(data, &c.All)
		handle(w, r, c)
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
	})
	return newServer(t, mux)
}

func newServer(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

type secretString = secret.String

// newExecutor makes an executor for the server, with secrets.
func newExecutor(t *testing.T, server *httptest.Server, change func(*openai.Config)) *openai.Executor {
	t.Helper()
	cfg := openai.Config{
		Model: "test-1", APIKey: key, BaseURL: server.URL + "/v1",
		Headers:    map[string]secret.String{"X-Gateway-Key": headerKey},
		HTTPClient: server.Client(),
	}
	if change != nil {
		change(&cfg)
	}
	e, err := openai.New(cfg)
	require.NoError(t, err)
	return e
}

func noStream(c *openai.Config) { stream := false; c.Stream = &stream }

// speak answers as the real API does, streaming if asked to.
func speak(w http.ResponseWriter, c call, texts ...string) {
	if !c.Body.Stream {
		all := ""
		for _, text := range texts {
			all += text
		}
		writeJSON(w, http.StatusOK, completion(all, "stop"))
		return
	}
	chunks := []string{chunk(map[string]any{"role": "assistant", "content": ""}, "")}
	for _, text := range texts {
		chunks = append(chunks, chunk(map[string]any{"content": text}, ""))
	}
	writeEvents(w, append(chunks, chunk(map[string]any{}, "stop"), usageChunk, "[DONE]")...)
}

const (
	usageJSON  = `{"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17, "prompt_tokens_details": {"cached_tokens": 8}}`
	usageChunk = `{"id":"c1","object":"chat.completion.chunk","created":1,"model":"test-1-0601","choices":[],"usage":` + usageJSON + `}`
)

func chunk(delta map[string]any, finish string) string {
	var reason any
	if finish != "" {
		reason = finish
	}
	return toJSON(map[string]any{
		"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "test-1-0601",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": reason}},
	})
}

func completion(text, finish string) string {
	return toJSON(map[string]any{
		"id": "c1", "object": "chat.completion", "created": 1, "model": "test-1-0601",
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": finish,
			"message": map[string]any{"role": "assistant", "content": text, "refusal": nil},
		}},
		"usage": json.RawMessage(usageJSON),
	})
}

func toJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func writeEvents(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for _, event := range events {
		if !strings.HasPrefix(event, ":") { // a comment
			event = "data: " + event
		}
		_, _ = fmt.Fprintf(w, "%s\n\n", event)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
}
