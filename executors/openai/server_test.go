package openai_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/secret"
)

const (
	key       = modeltest.Key
	headerKey = modeltest.HeaderKey
)

func TestMain(m *testing.M) { modeltest.Main(m, key, headerKey) }

// chat is the Chat Completions API.
var chat = modeltest.Vendor{
	Name: "openai", Provider: "openai",
	New:       func(s modeltest.Settings) (modeltest.Backend, error) { return openai.New(config(s, openai.APIChat)) },
	KeyHeader: "Authorization", ForeignKey: "sk-proj-abc***********xyz",
	Handler: func(t *testing.T, texts ...string) http.Handler {
		return api(t, func(w http.ResponseWriter, _ *http.Request, c call) { speak(w, c, texts...) })
	},
	Whole:    func(text string) string { return completion(text, "stop") },
	Begin:    begin,
	Delta:    delta,
	Thinking: func(text string) string { return "data: " + chunk(map[string]any{"reasoning_content": text}, "") },
	End:      end,
	Begun:    once, Known: known,
	Fail:       fail,
	Error:      everywhere,
	ErrorEvent: func(text string) string { return "data: " + everywhere(0, text) },
	ModelPath:  "/v1/models",
}

// once is what a call costs of which no more is known, known what the tests'
// servers count.
var (
	once  = conversation.Usage{Calls: 1}
	known = conversation.Usage{InputTokens: 12, OutputTokens: 5, CachedInputTokens: 8, Calls: 1}
)

// everywhere is the body of an error that has the text in every field.
func everywhere(_ int, text string) string {
	return modeltest.JSON(map[string]any{"error": map[string]any{"message": text, "type": text, "code": text, "param": text}})
}

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

// serve starts a server of the [api].
func serve(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, c call)) *httptest.Server {
	t.Helper()
	return modeltest.NewServer(t, api(t, handle))
}

// api answers calls for completions with handle, and lists its models.
func api(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, c call)) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		c := call{Header: r.Header, Path: r.URL.Path}
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if err := json.Unmarshal(data, &c.Body); err != nil {
			t.Errorf("the request is not JSON: %v", err)
		}
		_ = json.Unmarshal(data, &c.All)
		handle(w, r, c)
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		modeltest.WriteJSON(w, http.StatusOK, `{"object":"list","data":[]}`)
	})
	return mux
}

func config(s modeltest.Settings, api string) openai.Config {
	cfg := openai.Config{
		ModelConfig: executors.ModelConfig{
			Model: "test-1", APIKey: key, HTTPClient: s.Client,
			Headers: map[string]secret.String{"X-Gateway-Key": headerKey},
			Timeout: s.Timeout, FirstTokenTimeout: s.FirstTokenTimeout,
		},
		API: api,
	}
	if s.BaseURL != "" {
		cfg.BaseURL = s.BaseURL + "/v1"
	}
	if s.NoKey {
		cfg.APIKey = ""
	}
	if s.Whole {
		noStream(&cfg)
	}
	return cfg
}

// newExecutor makes an executor for the server, with secrets.
func newExecutor(t *testing.T, server *httptest.Server, change func(*openai.Config)) *openai.Executor {
	t.Helper()
	cfg := config(modeltest.At(server), "")
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
		modeltest.WriteJSON(w, http.StatusOK, completion(strings.Join(texts, ""), "stop"))
		return
	}
	events := begin[:len(begin):len(begin)]
	for _, text := range texts {
		events = append(events, delta(text))
	}
	modeltest.WriteEvents(w, append(events, end...)...)
}

// What a stream begins and ends with.
var (
	begin = modeltest.Events(chunk(map[string]any{"role": "assistant", "content": ""}, ""))
	end   = modeltest.Events(chunk(nil, "stop"), usageChunk, "[DONE]")
)

func delta(text string) string { return "data: " + chunk(map[string]any{"content": text}, "") }

const (
	usageJSON  = `{"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17, "prompt_tokens_details": {"cached_tokens": 8}}`
	usageChunk = `{"id":"c1","object":"chat.completion.chunk","created":1,"model":"test-1-0601","choices":[],"usage":` + usageJSON + `}`
)

func chunk(delta map[string]any, finish string) string {
	var reason any
	if finish != "" {
		reason = finish
	}
	return modeltest.JSON(map[string]any{
		"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "test-1-0601",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": reason}},
	})
}

func completion(text, finish string) string {
	return modeltest.JSON(map[string]any{
		"id": "c1", "object": "chat.completion", "created": 1, "model": "test-1-0601",
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": finish,
			"message": map[string]any{"role": "assistant", "content": text, "refusal": nil},
		}},
		"usage": json.RawMessage(usageJSON),
	})
}
