package anthropic_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/secret"
)

func TestLikeEveryVendor(t *testing.T) {
	t.Parallel()
	modeltest.Run(t, vendor)
}

func fail(w http.ResponseWriter, want executortest.Failure) {
	if want.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(want.RetryAfter.Seconds())))
	}
	status, kind, text := http.StatusBadRequest, "invalid_request_error", "no"
	switch want.Kind {
	case conversation.RateLimited:
		status, kind = http.StatusTooManyRequests, "rate_limit_error"
	case conversation.QuotaExhausted:
		text = "Your credit balance is too low to access the Anthropic API."
	case conversation.Unauthorized:
		status, kind = http.StatusUnauthorized, "authentication_error"
	case conversation.Unavailable:
		status, kind = 529, "overloaded_error"
	case conversation.ContextTooLong:
		text = "prompt is too long: 210000 tokens > 200000 maximum"
	case conversation.Refused:
		text = "Output blocked by content filtering policy"
	}
	modeltest.WriteJSON(w, status, apiError(kind, text))
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
			e := newExecutor(t, server, func(c *anthropic.Config) {
				c.Instructions, c.Temperature, c.MaxOutputTokens = "Be kind.", &warm, 100_000
				c.Extra = map[string]any{"top_p": 0.9, "temperature": nil, "thinking": map[string]any{"type": "adaptive"}}
				if change != nil {
					change(c)
				}
			})
			req := executortest.Request("c1", "Hi")
			_, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			first := <-calls
			require.Equal(t, key, first.Header.Get("X-Api-Key"))
			require.Empty(t, first.Header.Get("Authorization"))
			require.Empty(t, first.Header.Get("Traceparent"))
			require.Equal(t, headerKey, first.Header.Get("X-Gateway-Key"))
			require.Equal(t, "test-1", first.Body.Model)
			require.Equal(t, name == "Streaming", first.Body.Stream)
			require.Nil(t, first.Body.Temperature, "extra: null takes a field out")
			require.InDelta(t, 0.9, *first.Body.TopP, 0)
			require.Equal(t, map[string]any{"type": "adaptive"}, first.Body.Thinking)
			require.Equal(t, 100_000, first.Body.MaxTokens)
			require.Equal(t, []string{"system: Be kind. *", "user: Hi *"}, first.lines())

			id := first.Header.Get("Idempotency-Key")
			require.Len(t, id, 32)
			require.NotContains(t, id, "c1")
			req.Attempt = 2
			_, err = e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, id, (<-calls).Header.Get("Idempotency-Key"), "the same for every attempt")
		})
	}
}

func TestTheEnvironmentIsNotRead(t *testing.T) {
	t.Setenv("ANTHROPIC_API_KEY", "sk-ant-somebody-elses")
	t.Setenv("ANTHROPIC_AUTH_TOKEN", "token-of-somebody-else")
	t.Setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1/")
	t.Setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Foreign: 1")
	calls := make(chan call, 1)
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		calls <- c
		speak(w, c, "ok")
	}), func(c *anthropic.Config) { c.APIKey, c.Headers = "", nil })
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	got := <-calls
	for _, name := range []string{"X-Api-Key", "Authorization", "X-Foreign"} {
		require.Empty(t, got.Header.Get(name))
	}
	require.Equal(t, 4096, got.Body.MaxTokens, "the API requires a limit")
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
	for name, c := range map[string]struct {
		in      messages
		keep    int
		noCache bool
		want    []string
	}{
		"AgentOpens":        {nil, 0, false, []string{opening + " *"}},
		"AgentHasOpened":    {messages{agent("Hello"), user("Hi")}, 0, false, []string{opening, "assistant: Hello", "user: Hi *"}},
		"SystemDoesNotOpen": {messages{conversation.Text(conversation.RoleSystem, "s")}, 0, false, []string{"system: s *", opening + " *"}},
		"Data":              {messages{data("", `{"a":1}`)}, 0, false, []string{`user: {"a":1} *`}},
		"TextAndData":       {messages{data("see", `[1]`)}, 0, false, []string{"user: see\n\n[1] *"}},
		"EmptyOnesAreLeft":  {messages{user(" \n"), user("Hi"), {Role: conversation.RoleAssistant}}, 0, false, []string{"user: Hi *"}},
		"NothingSaid":       {messages{user("Hi"), agent("Hello"), user("")}, 0, false, []string{"user: Hi", "assistant: Hello", "user: (no answer) *"}},
		"TurnsAlternate":    {messages{user("a"), user("b"), agent("c"), agent("d"), user("e")}, 0, false, []string{"user: a", "user: b", "assistant: c", "assistant: d", "user: e *"}},
		"NoCache":           {messages{user("Hi")}, 0, true, []string{"user: Hi"}},
		"Tools": {
			messages{user("q"), lookup(`{"n":1}`), found("yes", false), user("and?")}, 0, false,
			[]string{"user: q", "assistant: Let me see.", `assistant: call t_1 find{"n":1}`, "user: result t_1 yes", "user: and? *"},
		},
		"ToolFails": {
			messages{user("q"), lookup(""), found("broken", true)}, 0, false,
			[]string{"user: q", "assistant: Let me see.", `assistant: call t_1 find{}`, "user: result t_1 broken (error) *"},
		},
		"OddTools": {
			messages{user("q"), lookup("[1]"), found("", false)}, 0, false,
			[]string{"user: q", "assistant: Let me see.", `assistant: call t_1 find{"arguments":[1]}`, "user: result t_1 *"},
		},
		"Window": {
			messages{user("1"), agent("2"), user("3"), agent("4"), user("5")}, 3, false,
			[]string{"user: 1", "assistant: 4", "user: 5"},
		},
		"WindowThatHoldsAll":  {messages{user("1"), agent("2"), user("3")}, 3, false, []string{"user: 1", "assistant: 2", "user: 3 *"}},
		"WindowOfOne":         {messages{user("1"), agent("2"), user("3")}, 1, false, []string{"user: 3"}},
		"WindowNoOrphans":     {messages{user("q"), lookup(""), found("x", false), agent("a"), user("r")}, 4, false, []string{"user: q", "assistant: a", "user: r"}},
		"WindowNoOrphanCalls": {messages{lookup(""), found("x", false), agent("a"), user("r")}, 3, false, []string{"user: r"}},
		"InvalidText":         {messages{user("a\xffb")}, 0, false, []string{"user: a\uFFFDb *"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := make(chan call, 1)
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
				calls <- c
				speak(w, c, "ok")
			}), func(cfg *anthropic.Config) {
				cfg.MaxHistoryMessages = c.keep
				if c.noCache {
					no := false
					cfg.PromptCache = &no
				}
			})
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
	hot := 1.5
	_, err := anthropic.New(anthropic.Config{
		ModelConfig: executors.ModelConfig{
			APIKey:             "two words\n",
			BaseURL:            "ftp://user:" + key + "@host/v1/messages?x=1",
			Temperature:        &hot,
			MaxOutputTokens:    -1,
			MaxHistoryMessages: -1,
			MaxReplyBytes:      -1,
			Timeout:            time.Second,
			FirstTokenTimeout:  time.Minute,
			GapTimeout:         -1,
			Headers:            map[string]secret.String{"Bad Name": "x", "x-api-key": "y", "X-Ok": "a\nb"},
			Extra:              map[string]any{"system": 1, "a.b": 2, "odd": func() {}},
		},
	})
	vendor.RequireFaults(t, err,
		"model is empty: name the model to ask",
		"base_url contains /v1/messages: leave it out",
		"temperature is 1.5: write 0 to 1",
		"headers.x-api-key is what api_key sets",
		"extra.system cannot be set here",
	)
	require.ErrorContains(t, err, "write one like https://api.anthropic.com")

	_, err = anthropic.New(anthropic.Config{ModelConfig: executors.ModelConfig{Model: "m", BaseURL: "https://host/v1/"}})
	require.ErrorContains(t, err, "base_url contains /v1: leave it out, it is added")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]said{
		"MayNotListInWords": {403, nil, apiError("permission_error", "no"), "", 0, ""},
		"WrongKeyInWords":   {401, nil, apiError("authentication_error", "invalid x-api-key "+key), unauth, 0, "check api_key"},
		"QuotaIsKnown":      {400, nil, apiError("billing_error", "pay"), quota, 0, "add credit"},
	} {
		vendor.Checks(t, name, modeltest.Response(c))
	}
}

func TestTheOfficialAPIKnowsItsModels(t *testing.T) {
	t.Parallel()
	e, err := anthropic.New(anthropic.Config{ModelConfig: executors.ModelConfig{Model: "claude-typo", APIKey: key, HTTPClient: &http.Client{
		Transport: modeltest.RoundTrip(func(req *http.Request) *http.Response {
			return &http.Response{
				StatusCode: http.StatusNotFound, Request: req, Header: http.Header{},
				Body: modeltest.OneByte{Reader: strings.NewReader(apiError("not_found_error", "model: claude-typo"))},
			}
		}),
	}}})
	require.NoError(t, err)
	require.ErrorContains(t, e.Check(t.Context()), "404 Not Found, not_found_error: “model: claude-typo” (check model)")
}
