package gemini_test

import (
	"cmp"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/gemini"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/secret"
)

func TestLikeEveryVendor(t *testing.T) {
	t.Parallel()
	modeltest.Run(t, vendor)
}

func fail(w http.ResponseWriter, want executortest.Failure) {
	var details []any
	if want.RetryAfter > 0 {
		details = append(details, retryIn(want.RetryAfter.String()))
	}
	code, status, text := http.StatusBadRequest, "INVALID_ARGUMENT", "no"
	switch want.Kind {
	case conversation.RateLimited:
		code, status, text, details = http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", exhausted, append(details, exceeded(perMinute))
	case conversation.QuotaExhausted:
		code, status, text, details = http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", exhausted, append(details, exceeded(perDay))
	case conversation.Unauthorized:
		text, details = "API key not valid. Please pass a valid API key.", append(details, info("API_KEY_INVALID"))
	case conversation.Unavailable:
		code, status = http.StatusServiceUnavailable, "UNAVAILABLE"
	case conversation.ContextTooLong:
		text = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
	case conversation.Refused:
		modeltest.WriteJSON(w, http.StatusOK, `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}`)
		return
	}
	modeltest.WriteJSON(w, code, apiError(code, status, text, details...))
}

func TestRequest(t *testing.T) {
	t.Parallel()
	warm := 0.5
	for name, change := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := make(chan call, 1)
			server := serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
				calls <- c
				speak(w, c, "ok")
			})
			e := newExecutor(t, server, func(c *gemini.Config) {
				c.Instructions, c.Temperature, c.MaxOutputTokens = "Be kind.", &warm, 300
				c.Extra = map[string]any{
					"generationConfig": map[string]any{"topP": 0.9, "temperature": nil, "thinkingConfig": map[string]any{"thinkingBudget": 0, "x": nil}},
					"safetySettings":   []any{map[string]any{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}},
					"labels":           nil,
				}
				if change != nil {
					change(c)
				}
			})
			req := executortest.Request("c1", "Hi")
			_, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			first := <-calls
			require.Equal(t, name == "Streaming", first.Stream)
			require.Contains(t, first.Path, "/v1beta/models/test-1:")
			require.Equal(t, []string{key}, first.Header.Values("X-Goog-Api-Key"))
			require.Equal(t, headerKey, first.Header.Get("X-Gateway-Key"))
			require.Equal(t, map[string]any{
				"maxOutputTokens": 300.0, "topP": 0.9, "thinkingConfig": map[string]any{"thinkingBudget": 0.0},
			}, first.Body.GenerationConfig, "extra: null takes a field out")
			require.Len(t, first.Body.SafetySettings, 1)
			require.Equal(t, []string{"system: Be kind.", "user: Hi"}, first.lines())

			id := first.Header.Get("Idempotency-Key")
			require.Len(t, id, 32)
			require.NotContains(t, id, "c1")
			req.Attempt = 2
			_, err = e.Execute(t.Context(), req)
			require.NoError(t, err)
			second := <-calls
			require.Equal(t, id, second.Header.Get("Idempotency-Key"), "the same for every attempt")
			require.Equal(t, first.Body, second.Body)
		})
	}
}

func TestVertex(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*gemini.Config)
		path   string
		key    string
		token  string
	}{
		"Project": {func(c *gemini.Config) {
			c.Project, c.Location, c.APIKey = "p-1", "europe-west4", ""
			c.Headers = map[string]secret.String{"Authorization": "Bearer " + headerKey}
		}, "/v1beta1/projects/p-1/locations/europe-west4/publishers/google/models/test-1:streamGenerateContent", "", "Bearer " + headerKey},
		"Express": {func(*gemini.Config) {}, "/v1beta1/publishers/google/models/test-1:streamGenerateContent", key, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := make(chan call, 1)
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
				calls <- c
				speak(w, c, "ok")
			}), func(cfg *gemini.Config) { cfg.API = gemini.VertexAPI; c.change(cfg) })
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.NoError(t, err)
			require.Equal(t, "gcp.vertex_ai", res.Provider)
			got := <-calls
			require.Equal(t, c.path, got.Path)
			require.Equal(t, c.key, got.Header.Get("X-Goog-Api-Key"))
			require.Equal(t, c.token, got.Header.Get("Authorization"))
			require.NoError(t, e.Check(t.Context()))
		})
	}
}

func TestGooglesOwnServers(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]gemini.Config{
		"https://generativelanguage.googleapis.com/v1beta/models/m":                                       {},
		"https://aiplatform.googleapis.com/v1beta1/publishers/google/models/m":                            {API: gemini.VertexAPI},
		"https://aiplatform.eu.rep.googleapis.com/v1beta1/publishers/google/models/m":                     {API: gemini.VertexAPI, Project: "p", Location: "eu"},
		"https://europe-west4-aiplatform.googleapis.com/v1beta1/publishers/google/models/m":               {API: gemini.VertexAPI, Project: "p", Location: "europe-west4"},
		"https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/x/models/other": {ModelConfig: executors.ModelConfig{Model: "projects/p/locations/global/publishers/x/models/other"}, API: gemini.VertexAPI, Project: "p", Location: "global"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			asked := ""
			cfg.Model, cfg.APIKey = cmp.Or(cfg.Model, "m"), key
			cfg.HTTPClient = &http.Client{Transport: modeltest.RoundTrip(func(req *http.Request) *http.Response {
				asked = req.URL.String()
				return &http.Response{StatusCode: http.StatusOK, Request: req, Header: http.Header{}, Body: http.NoBody}
			})}
			e, err := gemini.New(cfg)
			require.NoError(t, err)
			require.NoError(t, e.Check(t.Context()))
			require.Equal(t, want, asked)
		})
	}
}

func TestTheEnvironmentIsNotRead(t *testing.T) {
	for name, value := range map[string]string{
		"GOOGLE_API_KEY": "AIza-somebody-elses", "GOOGLE_GENAI_USE_VERTEXAI": "true",
		"GOOGLE_CLOUD_PROJECT": "foreign", "GOOGLE_CLOUD_LOCATION": "mars",
		"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:1/", "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:1/",
	} {
		t.Setenv(name, value)
	}
	for _, api := range []gemini.API{gemini.GeminiAPI, gemini.VertexAPI} {
		calls := make(chan call, 1)
		e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
			calls <- c
			speak(w, c, "ok")
		}), func(c *gemini.Config) { c.APIKey, c.Headers, c.API = "", nil, api })
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.NoError(t, err)
		got := <-calls
		require.Empty(t, got.Header.Get("X-Goog-Api-Key"))
		require.Empty(t, got.Header.Get("Authorization"))
		require.NotContains(t, got.Path, "foreign")
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	user, agent, data := modeltest.User, modeltest.Agent, modeltest.Data
	lookup := func(arguments string) conversation.Message {
		return conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			modeltest.TextPart("Let me see."), modeltest.Call("t:1", "find", arguments),
		}}
	}
	found := func(text string, isError bool) conversation.Message {
		return conversation.ToolResultMessage(conversation.ToolResult{CallID: "t:1", Content: text, IsError: isError})
	}
	type messages = []conversation.Message
	const opening = "user: " + executors.DefaultOpening
	const signed = " skip_thought_signature_validator"
	for name, c := range map[string]struct {
		in   messages
		keep int
		want []string
	}{
		"AgentOpens":        {nil, 0, []string{opening}},
		"AgentHasOpened":    {messages{agent("Hello"), user("Hi")}, 0, []string{opening, "model: Hello", "user: Hi"}},
		"SystemDoesNotOpen": {messages{conversation.Text(conversation.RoleSystem, "s")}, 0, []string{"system: s", opening}},
		"Data":              {messages{data("", `{"a":1}`)}, 0, []string{`user: {"a":1}`}},
		"TextAndData":       {messages{data("see", `[1]`)}, 0, []string{"user: see\n\n[1]"}},
		"EmptyOnesAreLeft":  {messages{user(" \n"), user("Hi"), {Role: conversation.RoleAssistant}}, 0, []string{"user: Hi"}},
		"NothingSaid":       {messages{user("Hi"), agent("Hello"), user("")}, 0, []string{"user: Hi", "model: Hello", "user: (no answer)"}},
		"Tools": {
			messages{user("q"), lookup(`{"n":1}`), found("yes", false), user("and?")}, 0,
			[]string{
				"user: q", "model: Let me see.", `model: call {"args":{"n":1},"id":"t:1","name":"find"}` + signed,
				`user: result {"id":"t:1","name":"find","response":{"output":"yes"}}`, "user: and?",
			},
		},
		"ToolFails": {
			messages{user("q"), lookup(""), found("broken", true)}, 0,
			[]string{
				"user: q", "model: Let me see.", `model: call {"id":"t:1","name":"find"}` + signed,
				`user: result {"id":"t:1","name":"find","response":{"error":"broken"}}`,
			},
		},
		"ResultOfUnknownCall": {messages{found("x", false)}, 0, []string{opening}},
		"Window": {
			messages{user("1"), agent("2"), user("3"), agent("4"), user("5")}, 3,
			[]string{"user: 1", "model: 4", "user: 5"},
		},
		"WindowOfOne":     {messages{user("1"), agent("2"), user("3")}, 1, []string{"user: 3"}},
		"WindowNoOrphans": {messages{user("q"), lookup(""), found("x", false), agent("a"), user("r")}, 4, []string{"user: q", "model: a", "user: r"}},
		"InvalidText":     {messages{user("a\xffb")}, 0, []string{"user: a\uFFFDb"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := make(chan call, 1)
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
				calls <- c
				speak(w, c, "ok")
			}), func(cfg *gemini.Config) { cfg.MaxHistoryMessages = c.keep })
			_, err := e.Execute(t.Context(), executors.Request{Turn: 1, Attempt: 1, Messages: c.in, New: len(c.in)})
			require.NoError(t, err)
			got := <-calls
			require.Equal(t, c.want, got.lines())
			require.Empty(t, got.Header.Get("Idempotency-Key"), "none given, none sent")
		})
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	hot := 2.5
	_, err := gemini.New(gemini.Config{
		ModelConfig: executors.ModelConfig{
			Model:              "a?b=c",
			APIKey:             "two words\n",
			BaseURL:            "ftp://user:" + key + "@host/v1beta/models?x=1",
			Temperature:        &hot,
			MaxOutputTokens:    -1,
			MaxHistoryMessages: -1,
			MaxReplyBytes:      -1,
			Timeout:            time.Second,
			FirstTokenTimeout:  time.Minute,
			GapTimeout:         -1,
			Headers:            map[string]secret.String{"Bad Name": "x", "x-goog-api-key": "y", "X-Ok": "a\nb"},
			Extra:              map[string]any{"contents": 1, "a.b": 2, "odd": func() {}},
		},
		API: "other",
	})
	vendor.RequireFaults(t, err,
		`model is "a?b=c", which cannot be part of an address`,
		`api is "other": write gemini or vertex`,
		"base_url contains /models: leave it out",
		"temperature is 2.5: write 0 to 2",
		"headers.x-goog-api-key is what api_key sets",
		"extra.contents cannot be set here",
	)
	require.ErrorContains(t, err, "write one like https://generativelanguage.googleapis.com")

	for want, cfg := range map[string]gemini.Config{
		"model is empty":                      {},
		"is for api: vertex":                  {ModelConfig: executors.ModelConfig{Model: "m"}, Project: "p"},
		"belong together: give both or none":  {ModelConfig: executors.ModelConfig{Model: "m"}, API: gemini.VertexAPI, Location: "eu"},
		"contains a character that none has":  {ModelConfig: executors.ModelConfig{Model: "m"}, API: gemini.VertexAPI, Project: "a/b", Location: "eu"},
		"base_url contains /v1beta: leave it": {ModelConfig: executors.ModelConfig{Model: "m", BaseURL: "https://host/v1beta/"}},
	} {
		_, err := gemini.New(cfg)
		require.ErrorContains(t, err, want)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]said{
		"MayNotListInWords": {403, nil, apiError(403, "PERMISSION_DENIED", "no", info("IAM_PERMISSION_DENIED")), "", 0, ""},
		"Disabled":          {403, nil, apiError(403, "PERMISSION_DENIED", "no", info("SERVICE_DISABLED")), unauth, 0, "SERVICE_DISABLED"},
		"WrongKeyInWords":   {400, nil, apiError(400, "INVALID_ARGUMENT", "API key not valid: "+key, info("API_KEY_INVALID")), unauth, 0, "check api_key"},
		"QuotaIsKnown":      {429, nil, apiError(429, "RESOURCE_EXHAUSTED", "no", exceeded(perDay)), quota, 0, perDay},
	} {
		vendor.Checks(t, name, modeltest.Response(c))
	}
}

func TestTheOfficialAPIKnowsItsModels(t *testing.T) {
	t.Parallel()
	e, err := gemini.New(gemini.Config{ModelConfig: executors.ModelConfig{Model: "gemini-typo", APIKey: key, HTTPClient: &http.Client{
		Transport: modeltest.RoundTrip(func(req *http.Request) *http.Response {
			return &http.Response{
				StatusCode: http.StatusNotFound, Request: req, Header: http.Header{},
				Body: modeltest.OneByte{Reader: strings.NewReader(apiError(404, "NOT_FOUND", "models/gemini-typo is not found for API version v1beta"))},
			}
		}),
	}}})
	require.NoError(t, err)
	require.ErrorContains(t, e.Check(t.Context()), "404 Not Found, NOT_FOUND: “models/gemini-typo is not found for API version v1beta” (check model")
}
