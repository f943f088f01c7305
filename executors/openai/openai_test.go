package openai_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/secret"
)

func TestChatLikeEveryVendor(t *testing.T) {
	t.Parallel()
	modeltest.Run(t, chat)
}

func fail(w http.ResponseWriter, want executortest.Failure) {
	if want.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(want.RetryAfter.Seconds())))
	}
	status, code := http.StatusBadRequest, ""
	switch want.Kind {
	case conversation.RateLimited:
		status, code = http.StatusTooManyRequests, "rate_limit_exceeded"
	case conversation.QuotaExhausted:
		status, code = http.StatusTooManyRequests, "insufficient_quota"
	case conversation.Unauthorized:
		status, code = http.StatusUnauthorized, "invalid_api_key"
	case conversation.Unavailable:
		status, code = http.StatusServiceUnavailable, ""
	case conversation.ContextTooLong:
		code = "context_length_exceeded"
	case conversation.Refused:
		code = "content_filter"
	}
	modeltest.WriteJSON(w, status, apiError("no", code))
}

func apiError(message, code string) string {
	return modeltest.JSON(map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "param": nil, "code": code}})
}

func TestRequest(t *testing.T) {
	t.Parallel()
	warm := 0.5
	calls := make(chan call, 1)
	server := serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		calls <- c
		speak(w, c, "ok")
	})
	e := newExecutor(t, server, func(c *openai.Config) {
		c.Organization, c.Project, c.Instructions = "org-1", "proj-1", "Be kind."
		c.Temperature, c.MaxOutputTokens = &warm, 300
		c.Extra = map[string]any{"top_p": 0.9, "stream_options": nil}
	})
	req := executortest.Request("c1", "Hi")
	_, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	first := <-calls
	require.Equal(t, "Bearer "+key, first.Header.Get("Authorization"))
	require.Equal(t, headerKey, first.Header.Get("X-Gateway-Key"))
	require.Equal(t, "org-1", first.Header.Get("Openai-Organization"))
	require.Equal(t, "proj-1", first.Header.Get("Openai-Project"))
	require.Equal(t, "test-1", first.Body.Model)
	require.True(t, first.Body.Stream)
	require.Nil(t, first.Body.StreamOptions, "extra: null takes a field out")
	require.InDelta(t, 0.5, *first.Body.Temperature, 0)
	require.InDelta(t, 0.9, *first.Body.TopP, 0)
	require.Equal(t, 300, first.Body.MaxTokens, "compatible servers know the old name")
	require.Zero(t, first.Body.MaxCompletionTokens)
	require.Equal(t, []string{"system: Be kind.", "user: Hi"}, first.lines())

	id := first.Header.Get("Idempotency-Key")
	require.Len(t, id, 32)
	require.NotContains(t, id, "c1")
	req.Attempt = 2
	_, err = e.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, id, (<-calls).Header.Get("Idempotency-Key"), "the same for every attempt")
}

func TestTheEnvironmentIsNotRead(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-somebody-elses")
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/")
	t.Setenv("OPENAI_ORG_ID", "org-of-somebody-else")
	calls := make(chan call, 1)
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		calls <- c
		speak(w, c, "ok")
	}), func(c *openai.Config) { c.APIKey, c.Headers = "", nil })
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	got := <-calls
	require.Empty(t, got.Header.Get("Authorization"))
	require.Empty(t, got.Header.Get("Openai-Organization"))
}

func TestMessages(t *testing.T) {
	t.Parallel()
	user, agent, data := modeltest.User, modeltest.Agent, modeltest.Data
	lookup := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{modeltest.Call("t1", "find", "")}}
	found := conversation.ToolResultMessage(conversation.ToolResult{CallID: "t1", Content: "found"})
	const opening = "user: " + executors.DefaultOpening
	for name, c := range map[string]struct {
		in   []conversation.Message
		keep int
		want []string
	}{
		"AgentOpens":        {nil, 0, []string{opening}},
		"AgentHasOpened":    {[]conversation.Message{agent("Hello"), user("Hi")}, 0, []string{opening, "assistant: Hello", "user: Hi"}},
		"SystemDoesNotOpen": {[]conversation.Message{conversation.Text(conversation.RoleSystem, "s")}, 0, []string{"system: s", opening}},
		"Data":              {[]conversation.Message{data("", `{"a":1}`)}, 0, []string{`user: {"a":1}`}},
		"TextAndData":       {[]conversation.Message{data("see", `[1]`)}, 0, []string{"user: see\n\n[1]"}},
		"EmptyOnesAreLeft":  {[]conversation.Message{user(""), user("Hi"), {Role: conversation.RoleAssistant}}, 0, []string{"user: Hi"}},
		"Tools": {
			[]conversation.Message{user("q"), lookup, found, agent("a"), user("r")}, 0,
			[]string{"user: q", "assistant: ", "tool: found", "assistant: a", "user: r"},
		},
		"Window": {
			[]conversation.Message{user("1"), agent("2"), user("3"), agent("4"), user("5")}, 3,
			[]string{"user: 1", "assistant: 4", "user: 5"},
		},
		"WindowOfOne": {[]conversation.Message{user("1"), agent("2"), user("3")}, 1, []string{"user: 3"}},
		"WindowLeavesNoOrphans": {
			[]conversation.Message{user("q"), lookup, found, agent("a"), user("r")}, 4,
			[]string{"user: q", "assistant: a", "user: r"},
		},
		"InvalidText": {[]conversation.Message{user("a\xffb")}, 0, []string{"user: a\uFFFDb"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := make(chan call, 1)
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
				calls <- c
				speak(w, c, "ok")
			}), func(cfg *openai.Config) { cfg.MaxHistoryMessages = c.keep })
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
	hot, stream := 3.0, true
	_, err := openai.New(openai.Config{
		ModelConfig: executors.ModelConfig{
			APIKey:             "two words\n",
			BaseURL:            "ftp://user:" + key + "@host/v1/chat/completions?x=1",
			Temperature:        &hot,
			MaxOutputTokens:    -1,
			MaxHistoryMessages: -1,
			MaxReplyBytes:      -1,
			Stream:             &stream,
			Timeout:            time.Second,
			FirstTokenTimeout:  time.Minute,
			GapTimeout:         -1,
			Headers:            map[string]secret.String{"Bad Name": "x", "Authorization": "y", "X-Ok": "a\nb"},
			Extra:              map[string]any{"messages": 1, "a.b": 2, "odd": func() {}},
		},
		Organization: "a\nb",
	})
	chat.RequireFaults(t, err,
		"model is empty: name the model to ask",
		"base_url contains /chat/completions: leave it out",
		"organization contains a line break",
		"temperature is 3: write 0 to 2",
		"headers.Authorization is what api_key sets",
		"extra.messages cannot be set here",
	)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]said{
		"MayNotListInWords": {403, nil, apiError("Missing scopes: api.model.read", ""), "", 0, ""},
		"WrongKeyInWords":   {401, nil, apiError("Incorrect API key provided: "+key, "invalid_api_key"), unauth, 0, "check api_key"},
		"QuotaIsKnown":      {429, nil, apiError("pay", "insufficient_quota"), quota, 0, "add credit"},
	} {
		chat.Checks(t, name, modeltest.Response(c))
	}
}
