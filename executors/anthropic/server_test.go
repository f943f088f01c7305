package anthropic_test

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
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/secret"
)

const (
	key       = modeltest.Key
	headerKey = modeltest.HeaderKey
)

func TestMain(m *testing.M) { modeltest.Main(m, key, headerKey) }

// vendor is the Messages API.
var vendor = modeltest.Vendor{
	Name: "anthropic", Provider: "anthropic",
	New:       func(s modeltest.Settings) (modeltest.Backend, error) { return anthropic.New(config(s)) },
	KeyHeader: "X-Api-Key", ForeignKey: "sk-ant-api03-abc***********xyz",
	Handler: func(t *testing.T, texts ...string) http.Handler {
		return api(t, func(w http.ResponseWriter, _ *http.Request, c call) { speak(w, c, texts...) })
	},
	Whole:    func(text string) string { return message(text, "end_turn") },
	Begin:    []string{start, ping, blockStart},
	Delta:    delta,
	Thinking: thinking,
	End:      []string{blockStop, messageDelta("end_turn"), messageStop},
	Begun:    begun, Known: known,
	Fail:       fail,
	Error:      func(_ int, text string) string { return apiError(text, text) },
	ErrorEvent: func(text string) string { return "event: error\ndata: " + apiError("api_error", text) },
	ModelPath:  "/v1/models/test-1",
}

// A content block as the server got it.
type content struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	Thinking     string          `json:"thinking"`
	Signature    string          `json:"signature"`
	Data         string          `json:"data"`
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Input        json.RawMessage `json:"input"`
	ToolUseID    string          `json:"tool_use_id"`
	IsError      bool            `json:"is_error"`
	Content      []content       `json:"content"`
	CacheControl map[string]any  `json:"cache_control"`
}

// A call is what the server got.
type call struct {
	Header http.Header
	Body   struct {
		Model    string    `json:"model"`
		System   []content `json:"system"`
		Messages []struct {
			Role    string    `json:"role"`
			Content []content `json:"content"`
		} `json:"messages"`
		Stream      bool           `json:"stream"`
		Temperature *float64       `json:"temperature"`
		MaxTokens   int            `json:"max_tokens"`
		TopP        *float64       `json:"top_p"`
		Thinking    map[string]any `json:"thinking"`
		Tools       []struct {
			Name         string          `json:"name"`
			Description  string          `json:"description"`
			InputSchema  json.RawMessage `json:"input_schema"`
			CacheControl map[string]any  `json:"cache_control"`
		} `json:"tools"`
		ToolChoice map[string]any `json:"tool_choice"`
	}
}

// lines are the system prompt and the messages, a line for each block; a star
// marks those up to which the provider is to cache.
func (c call) lines() []string {
	var out []string
	add := func(role string, blocks []content) {
		for _, b := range blocks {
			line := role + ": " + b.Text
			switch b.Type {
			case "thinking":
				line = role + ": thought " + b.Thinking + " " + b.Signature
			case "redacted_thinking":
				line = role + ": redacted " + b.Data
			case "tool_use":
				line = role + ": call " + b.ID + " " + b.Name + string(b.Input)
			case "tool_result":
				line = role + ": result " + b.ToolUseID
				for _, inner := range b.Content {
					line += " " + inner.Text
				}
				if b.IsError {
					line += " (error)"
				}
			}
			if b.CacheControl["type"] == "ephemeral" {
				line += " *"
			}
			out = append(out, line)
		}
	}
	add("system", c.Body.System)
	for _, m := range c.Body.Messages {
		add(m.Role, m.Content)
	}
	return out
}

// valid reports what the real API would reject.
func (c call) valid() string {
	switch {
	case c.Body.MaxTokens < 1:
		return "max_tokens: Field required"
	case len(c.Body.Messages) == 0:
		return "messages: at least one message is required"
	case c.Body.Messages[0].Role != "user":
		return "messages: first message must use the user role"
	}
	if c.Body.ToolChoice != nil && len(c.Body.Tools) == 0 {
		return "tool_choice: may only be specified while providing tools"
	}
	var open []string
	used := map[string]bool{}
	for i, m := range c.Body.Messages {
		for n, b := range m.Content {
			switch {
			case n < len(open) && (b.Type != "tool_result" || b.ToolUseID != open[n]):
				return "messages: `tool_use` ids were found without `tool_result` blocks immediately after"
			case n >= len(open) && b.Type == "tool_result":
				return "messages: unexpected `tool_use_id` found in `tool_result` blocks"
			case b.Type == "tool_result" && b.IsError && len(b.Content) == 0:
				return "messages: content cannot be empty if `is_error` is true"
			case b.Type == "tool_use" && used[b.ID]:
				return "messages: `tool_use` ids must be unique"
			case b.Type == "tool_use" && len(c.Body.Tools) == 0:
				return "Requests which include `tool_use` or `tool_result` blocks must define tools"
			}
		}
		if len(m.Content) < len(open) {
			return "messages: `tool_use` ids were found without `tool_result` blocks"
		}
		open = nil
		for _, b := range m.Content {
			if b.Type == "tool_use" {
				open, used[b.ID] = append(open, b.ID), true
			}
		}
		last := i == len(c.Body.Messages)-2
		if last && len(open) > 0 && c.Body.Thinking["type"] == "enabled" && !strings.HasSuffix(m.Content[0].Type, "thinking") {
			return "messages: Expected `thinking` or `redacted_thinking`, but found `tool_use`."
		}
		if i > 0 && m.Role == c.Body.Messages[i-1].Role {
			return "messages: roles must alternate"
		}
		for _, b := range m.Content {
			if b.Type == "text" && strings.TrimSpace(b.Text) == "" {
				return "messages: text content blocks must contain non-whitespace text"
			}
		}
	}
	return ""
}

// serve starts a server of the [api].
func serve(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, c call)) *httptest.Server {
	t.Helper()
	return modeltest.NewServer(t, api(t, handle))
}

// api answers calls for messages with handle, and knows its models.
func api(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, c call)) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) {
		c := call{Header: r.Header}
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if err := json.Unmarshal(data, &c.Body); err != nil {
			t.Errorf("the request is not JSON: %v", err)
		}
		if r.Header.Get("Anthropic-Version") == "" {
			t.Error("the request names no version of the API")
		}
		if fault := c.valid(); fault != "" {
			modeltest.WriteJSON(w, http.StatusBadRequest, apiError("invalid_request_error", fault))
			return
		}
		handle(w, r, c)
	})
	mux.HandleFunc("GET /v1/models/{model}", func(w http.ResponseWriter, r *http.Request) {
		modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(map[string]any{"type": "model", "id": r.PathValue("model")}))
	})
	return mux
}

func config(s modeltest.Settings) anthropic.Config {
	cfg := anthropic.Config{
		ModelConfig: executors.ModelConfig{
			Model: "test-1", APIKey: key, BaseURL: s.BaseURL, HTTPClient: s.Client,
			Headers: map[string]secret.String{"X-Gateway-Key": headerKey},
			Timeout: s.Timeout, FirstTokenTimeout: s.FirstTokenTimeout,
		},
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
func newExecutor(t *testing.T, server *httptest.Server, change func(*anthropic.Config)) *anthropic.Executor {
	t.Helper()
	cfg := config(modeltest.At(server))
	if change != nil {
		change(&cfg)
	}
	e, err := anthropic.New(cfg)
	require.NoError(t, err)
	return e
}

func noStream(c *anthropic.Config) { stream := false; c.Stream = &stream }

// modes are the two ways to ask.
var modes = map[string]func(*anthropic.Config){"Streaming": nil, "Whole": noStream}

// speak answers as the real API does, streaming if asked to.
func speak(w http.ResponseWriter, c call, texts ...string) {
	if !c.Body.Stream {
		modeltest.WriteJSON(w, http.StatusOK, message(strings.Join(texts, ""), "end_turn"))
		return
	}
	modeltest.WriteEvents(w, reply("end_turn", texts...)...)
}

// reply is a whole stream.
func reply(stop string, texts ...string) []string {
	events := []string{start, ping, blockStart}
	for _, text := range texts {
		events = append(events, delta(text))
	}
	return append(events, blockStop, messageDelta(stop), messageStop)
}

var (
	start = event("message_start", map[string]any{"message": map[string]any{
		"id": "msg_1", "type": "message", "role": "assistant", "model": "test-1-0601", "content": []any{},
		"stop_reason": nil, "stop_sequence": nil,
		"usage": map[string]any{"input_tokens": 3, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 8, "output_tokens": 1},
	}})
	ping        = event("ping", nil)
	blockStart  = event("content_block_start", map[string]any{"index": 0, "content_block": map[string]any{"type": "text", "text": ""}})
	blockStop   = event("content_block_stop", map[string]any{"index": 0})
	messageStop = event("message_stop", nil)

	// begun is what is known of the cost once an answer has begun, known at its end.
	begun = conversation.Usage{InputTokens: 12, OutputTokens: 1, CachedInputTokens: 8, CacheWriteTokens: 1, Calls: 1}
	known = conversation.Usage{InputTokens: 12, OutputTokens: 5, CachedInputTokens: 8, CacheWriteTokens: 1, Calls: 1}
)

func delta(text string) string {
	return event("content_block_delta", map[string]any{"index": 0, "delta": map[string]any{"type": "text_delta", "text": text}})
}

func thinking(text string) string {
	return event("content_block_delta", map[string]any{"index": 0, "delta": map[string]any{"type": "thinking_delta", "thinking": text}})
}

func messageDelta(stop string) string {
	return event("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": stop, "stop_sequence": nil},
		"usage": map[string]any{"output_tokens": 5},
	})
}

func event(name string, fields map[string]any) string {
	all := map[string]any{"type": name}
	for k, v := range fields {
		all[k] = v
	}
	return "event: " + name + "\ndata: " + modeltest.JSON(all)
}

func message(text, stop string) string {
	return modeltest.JSON(map[string]any{
		"id": "msg_1", "type": "message", "role": "assistant", "model": "test-1-0601",
		"content":     []any{map[string]any{"type": "thinking", "thinking": "hm", "signature": "s"}, map[string]any{"type": "text", "text": text}},
		"stop_reason": stop, "stop_sequence": nil,
		"usage": map[string]any{"input_tokens": 3, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 8, "output_tokens": 5},
	})
}

func apiError(kind, message string) string {
	return modeltest.JSON(map[string]any{
		"type": "error", "error": map[string]any{"type": kind, "message": message}, "request_id": "req_1",
	})
}
