package gemini_test

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
	"github.com/parley-run/parley/executors/gemini"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/secret"
)

const (
	key       = modeltest.Key
	headerKey = modeltest.HeaderKey
)

func TestMain(m *testing.M) { modeltest.Main(m, key, headerKey) }

// vendor is the Gemini API. Nothing comes before the first piece of an answer.
var vendor = modeltest.Vendor{
	Name: "gemini", Provider: "gcp.gemini",
	New:       func(s modeltest.Settings) (modeltest.Backend, error) { return gemini.New(config(s)) },
	KeyHeader: "X-Goog-Api-Key", ForeignKey: "AIzaSyA-abc***********xyz",
	Handler: func(t *testing.T, texts ...string) http.Handler {
		return api(t, func(w http.ResponseWriter, _ *http.Request, c call) { speak(w, c, texts...) })
	},
	Whole:    func(text string) string { return piece(text, "STOP") },
	Delta:    func(text string) string { return event(unfinished(text)) },
	Thinking: func(text string) string { return event(thinking(text)) },
	End:      []string{event(piece("", "STOP"))},
	Begun:    begun, Known: known,
	Fail:       fail,
	Error:      func(status int, text string) string { return apiError(status, text, text, info(text), exceeded(text)) },
	ErrorEvent: func(text string) string { return event(apiError(500, "INTERNAL", text)) },
	ModelPath:  "/v1beta/models/test-1",
}

type content struct {
	Role  string `json:"role"`
	Parts []struct {
		Text             string         `json:"text"`
		ThoughtSignature []byte         `json:"thoughtSignature"`
		FunctionCall     map[string]any `json:"functionCall"`
		FunctionResponse map[string]any `json:"functionResponse"`
	} `json:"parts"`
}

// A call is what the server got.
type call struct {
	Header http.Header
	Path   string
	Stream bool
	Body   struct {
		SystemInstruction *content         `json:"systemInstruction"`
		Contents          []content        `json:"contents"`
		GenerationConfig  map[string]any   `json:"generationConfig"`
		SafetySettings    []map[string]any `json:"safetySettings"`
		Tools             []map[string]any `json:"tools"`
		ToolConfig        map[string]any   `json:"toolConfig"`
	}
}

// lines are the system prompt and the messages, a line for each part.
func (c call) lines() []string {
	var out []string
	add := func(role string, c content) {
		for _, p := range c.Parts {
			switch {
			case p.FunctionCall != nil:
				out = append(out, role+": call "+modeltest.JSON(p.FunctionCall)+" "+string(p.ThoughtSignature))
			case p.FunctionResponse != nil:
				out = append(out, role+": result "+modeltest.JSON(p.FunctionResponse))
			default:
				out = append(out, role+": "+p.Text)
			}
		}
	}
	if s := c.Body.SystemInstruction; s != nil {
		add("system", *s)
	}
	for _, m := range c.Body.Contents {
		add(m.Role, m)
	}
	return out
}

// valid reports what the real API would reject.
func (c call) valid() string {
	n := len(c.Body.Contents)
	switch {
	case n == 0:
		return "* GenerateContentRequest.contents: contents is not specified"
	case c.Body.Contents[0].Role != "user" || c.Body.Contents[n-1].Role != "user":
		return "Please ensure that multiturn requests begin and end with a user turn"
	}
	calls := 0 // in the content before
	for i, m := range c.Body.Contents {
		if m.Role != "user" && m.Role != "model" {
			return "Please use a valid role: user, model."
		}
		made, results := 0, 0
		for _, p := range m.Parts {
			if p.FunctionCall != nil {
				if made == 0 && len(p.ThoughtSignature) == 0 {
					return "Function call is missing a thought_signature in functionCall parts."
				}
				made++
			}
			if p.FunctionResponse != nil {
				results++
			}
		}
		if made > 0 && c.Body.Contents[i-1].Role != "user" {
			return "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
		}
		if results != calls {
			return "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."
		}
		calls = made
	}
	return ""
}

// serve starts a server of the [api].
func serve(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, c call)) *httptest.Server {
	t.Helper()
	return modeltest.NewServer(t, api(t, handle))
}

// api answers calls for content with handle, and knows its models.
func api(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, c call)) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			modeltest.WriteJSON(w, http.StatusOK, `{"name":"models/test-1","version":"1"}`)
			return
		}
		c := call{Header: r.Header, Path: r.URL.Path, Stream: strings.HasSuffix(r.URL.Path, ":streamGenerateContent")}
		if c.Stream != (r.URL.Query().Get("alt") == "sse") {
			t.Errorf("asked %s", r.URL)
		}
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if err := json.Unmarshal(data, &c.Body); err != nil {
			t.Errorf("the request is not JSON: %v", err)
		}
		if fault := c.valid(); fault != "" {
			modeltest.WriteJSON(w, http.StatusBadRequest, apiError(400, "INVALID_ARGUMENT", fault))
			return
		}
		handle(w, r, c)
	})
}

func config(s modeltest.Settings) gemini.Config {
	cfg := gemini.Config{
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
func newExecutor(t *testing.T, server *httptest.Server, change func(*gemini.Config)) *gemini.Executor {
	t.Helper()
	cfg := config(modeltest.At(server))
	if change != nil {
		change(&cfg)
	}
	e, err := gemini.New(cfg)
	require.NoError(t, err)
	return e
}

func noStream(c *gemini.Config) { stream := false; c.Stream = &stream }

// modes are the two ways to ask.
var modes = map[string]func(*gemini.Config){"Streaming": nil, "Whole": noStream}

// speak answers as the real API does, streaming if asked to.
func speak(w http.ResponseWriter, c call, texts ...string) {
	if !c.Stream {
		modeltest.WriteJSON(w, http.StatusOK, piece(strings.Join(texts, ""), "STOP"))
		return
	}
	modeltest.WriteEvents(w, reply(texts...)...)
}

// reply is a whole stream.
func reply(texts ...string) []string {
	var events []string
	for _, text := range texts[:len(texts)-1] {
		events = append(events, event(unfinished(text)))
	}
	return append(events, event(piece(texts[len(texts)-1], "STOP")))
}

func event(data string) string { return "data: " + data }

// begun is what is known of the cost once an answer has begun, known at its end.
var (
	begun = conversation.Usage{InputTokens: 12, CachedInputTokens: 8, Calls: 1}
	known = conversation.Usage{InputTokens: 12, OutputTokens: 5, CachedInputTokens: 8, Calls: 1}
)

// piece is the end of an answer, or the whole.
func piece(text, finish string) string {
	return modeltest.JSON(map[string]any{
		"candidates": []any{map[string]any{
			"index": 0, "finishReason": finish,
			"content": map[string]any{"role": "model", "parts": []any{
				map[string]any{"text": "hm", "thought": true}, map[string]any{"text": text, "thoughtSignature": "c2ln"},
			}},
		}},
		"usageMetadata": map[string]any{
			"promptTokenCount": 12, "cachedContentTokenCount": 8, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 17,
		},
		"modelVersion": "test-1-0601", "responseId": "r1",
	})
}

func unfinished(text string) string { return parts(map[string]any{"text": text}) }

func thinking(text string) string { return parts(map[string]any{"text": text, "thought": true}) }

func parts(part map[string]any) string {
	return modeltest.JSON(map[string]any{
		"candidates":    []any{map[string]any{"index": 0, "content": map[string]any{"role": "model", "parts": []any{part}}}},
		"usageMetadata": map[string]any{"promptTokenCount": 12, "cachedContentTokenCount": 8, "totalTokenCount": 12},
		"modelVersion":  "test-1-0601", "responseId": "r1",
	})
}

func apiError(code int, status, message string, details ...any) string {
	return modeltest.JSON(map[string]any{"error": map[string]any{"code": code, "status": status, "message": message, "details": details}})
}

func info(reason string) any {
	return map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
}

func retryIn(delay string) any {
	return map[string]any{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
}

func exceeded(ids ...string) any {
	var violations []any
	for _, id := range ids {
		violations = append(violations, map[string]any{
			"quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests", "quotaId": id, "quotaValue": "20",
		})
	}
	return map[string]any{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}
}

const (
	perMinute = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
	perDay    = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
)

const exhausted = "You exceeded your current quota, please check your plan and billing details."
