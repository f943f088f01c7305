package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/openai"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			executortest.Run(t, executortest.Fixture{
				Model:   true,
				Secrets: []string{key, headerKey},
				New: func(t *testing.T) executors.Executor {
					return newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
						speak(w, c, "Good ", "day! ", "Müller here.")
					}), change)
				},
				Stall: func(t *testing.T) executors.Executor {
					return newExecutor(t, serve(t, func(_ http.ResponseWriter, r *http.Request, _ call) {
						<-r.Context().Done()
					}), change)
				},
				Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
					return newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ call) {
						fail(w, want)
					}), change)
				},
			})
		})
	}
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
	writeJSON(w, status, apiError("no", code))
}

func apiError(message, code string) string {
	return toJSON(map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "param": nil, "code": code}})
}

func TestReply(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
				speak(w, c, "Hello ", "there. ", "🙂")
			}), change)
			var deltas []string
			req := executortest.Request("c1", "Hi")
			req.OnDelta = func(text string) { deltas = append(deltas, text) }
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, executors.Result{
				Message:      conversation.Text(conversation.RoleAssistant, "Hello there. 🙂"),
				Usage:        conversation.Usage{InputTokens: 12, OutputTokens: 5, CachedInputTokens: 8, Calls: 1},
				Provider:     "openai",
				Model:        "test-1-0601",
				FinishReason: executors.FinishStop,
			}, res)
			if name == "Streaming" {
				require.Equal(t, []string{"Hello ", "there. ", "🙂"}, deltas)
			}
		})
	}
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
	user := func(text string) conversation.Message { return conversation.Text(conversation.RoleUser, text) }
	agent := func(text string) conversation.Message { return conversation.Text(conversation.RoleAssistant, text) }
	data := func(text, data string) conversation.Message {
		m := conversation.Message{Role: conversation.RoleUser}
		if text != "" {
			m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartText, Text: text})
		}
		m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartData, Data: json.RawMessage(data)})
		return m
	}
	lookup := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{{
		Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "t1", Name: "find"},
	}}}
	found := conversation.Message{Role: conversation.RoleTool, Parts: []conversation.Part{{
		Type: conversation.PartToolResult, ToolResult: &conversation.ToolResult{CallID: "t1", Content: "found"},
	}}}
	const opening = "user: " + openai.DefaultOpening
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
		APIKey:             "two words\n",
		BaseURL:            "ftp://user:" + key + "@host/v1/chat/completions?x=1",
		Organization:       "a\nb",
		Temperature:        &hot,
		MaxOutputTokens:    -1,
		MaxHistoryMessages: -1,
		MaxReplyBytes:      -1,
		Stream:             &stream,
		Timeout:            time.Second,
		FirstTokenTimeout:  time.Minute,
		GapTimeout:         -1,
		Headers:            map[string]secretString{"Bad Name": "x", "Authorization": "y", "X-Ok": "a\nb"},
		Extra:              map[string]any{"messages": 1, "a.b": 2, "odd": func() {}},
	})
	require.Error(t, err)
	require.NotContains(t, err.Error(), key)
	for _, want := range []string{
		"model: it is empty; name the model to ask",
		"api_key contains a space",
		"base_url is no address of a server",
		"base_url contains a user name or password: use api_key or headers",
		"base_url contains a query",
		"base_url contains /chat/completions: leave it out",
		"organization contains a line break",
		"temperature is 3: write 0 to 2",
		"max_output_tokens is -1: write 1 or more, or leave it out",
		"max_history_messages is -1",
		"max_reply_bytes is -1",
		"first_token_timeout is 1m0s, longer than timeout, 1s",
		"gap_timeout is -1ns: write more than 0, or leave it out",
		`headers: "Bad Name" is no name of a header`,
		"headers: Authorization is what api_key sets",
		"headers: the value of X-Ok contains a line break",
		"extra: messages cannot be set here",
		`extra: "a.b" is no name of a field`,
		"extra: odd: json: unsupported type",
	} {
		require.ErrorContains(t, err, want)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 19)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   conversation.Kind
		text   string
	}{
		"Works":         {http.StatusOK, `{"data":[]}`, "", ""},
		"AnyBody":       {http.StatusOK, `whatever`, "", ""},
		"NoList":        {http.StatusNotFound, `404 page not found`, "", ""},
		"MayNotList":    {http.StatusForbidden, apiError("Missing scopes: api.model.read", ""), "", ""},
		"WrongKey":      {http.StatusUnauthorized, apiError("Incorrect API key provided: "+key, "invalid_api_key"), conversation.Unauthorized, "check api_key"},
		"Limited":       {http.StatusTooManyRequests, `{}`, conversation.RateLimited, "429"},
		"OutOfOrder":    {http.StatusBadGateway, `<html>`, conversation.Unavailable, "502 Bad Gateway"},
		"QuotaIsKnown":  {http.StatusTooManyRequests, apiError("pay", "insufficient_quota"), conversation.QuotaExhausted, "add credit"},
		"ServerMissing": {0, "", conversation.Unavailable, "check base_url, and that the server is running"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/v1/models" {
					t.Errorf("a check costs nothing, but it asked %s %s", r.Method, r.URL.Path)
				}
				writeJSON(w, c.status, c.body)
			}))
			e := newExecutor(t, server, nil)
			if c.status == 0 {
				server.Close()
			}
			err := e.Check(t.Context())
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.want, conversation.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
			require.NotContains(t, err.Error(), key)
		})
	}
}

func TestTheOfficialAPINeedsAKey(t *testing.T) {
	t.Parallel()
	e, err := openai.New(openai.Config{Model: "gpt-x", HTTPClient: &http.Client{Transport: noNetwork{t}}})
	require.NoError(t, err, "an executor without a key can be listed as unavailable")
	require.ErrorContains(t, e.Check(t.Context()), "there is no API key (set api_key")
	_, err = e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.True(t, conversation.IsKind(err, conversation.Unauthorized), "%v", err)
}

type noNetwork struct{ t *testing.T }

func (n noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	n.t.Error("no request should be sent")
	return nil, http.ErrUseLastResponse
}
