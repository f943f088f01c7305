package anthropic_test

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
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/internal/secret"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for name, change := range modes {
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

func TestReply(t *testing.T) {
	t.Parallel()
	for name, change := range modes {
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
				Usage:        known,
				Provider:     "anthropic",
				Model:        "test-1-0601",
				FinishReason: executors.FinishStop,
			}, res)
			if name == "Streaming" {
				require.Equal(t, []string{"Hello ", "there. ", "🙂"}, deltas)
			}
		})
	}
}

func TestFinishReasons(t *testing.T) {
	t.Parallel()
	for stop, want := range map[string]executors.FinishReason{
		"end_turn": executors.FinishStop, "stop_sequence": executors.FinishStop, "pause_turn": executors.FinishStop,
		"max_tokens": executors.FinishLength, "model_context_window_exceeded": executors.FinishLength,
		"tool_use": executors.FinishStop, "something_new": executors.FinishStop,
	} {
		t.Run(stop, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ call) {
				modeltest.WriteEvents(w, reply(stop, "Well")...)
			}), nil)
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.NoError(t, err)
			require.Equal(t, want, res.FinishReason)
		})
	}
}

func TestAServerThatDoesNotStream(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ call) {
		modeltest.WriteJSON(w, http.StatusOK, message("Hello", "end_turn"))
	}), nil)
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, "Hello", res.Message.Text())
	require.Equal(t, known, res.Usage)
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
	lookup := func(arguments string) conversation.Message {
		return conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartText, Text: "Let me see."},
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "t:1", Name: "find", Arguments: json.RawMessage(arguments)}},
		}}
	}
	found := func(text string, isError bool) conversation.Message {
		return conversation.Message{Role: conversation.RoleTool, Parts: []conversation.Part{{
			Type: conversation.PartToolResult, ToolResult: &conversation.ToolResult{CallID: "t:1", Content: text, IsError: isError},
		}}}
	}
	type messages = []conversation.Message
	const opening = "user: " + anthropic.DefaultOpening
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
		"WindowNoOrphanCalls": {messages{lookup(""), found("x", false), agent("a"), user("r")}, 3, false, []string{opening, "assistant: a", "user: r"}},
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
	})
	require.Error(t, err)
	require.NotContains(t, err.Error(), key)
	for _, want := range []string{
		"anthropic: ",
		"model: it is empty; name the model to ask",
		"api_key contains a space",
		"base_url is no address of a server: write one like https://api.anthropic.com",
		"base_url contains a user name or password: use api_key or headers",
		"base_url contains a query",
		"base_url contains /v1/messages: leave it out",
		"temperature is 1.5: write 0 to 1",
		"max_output_tokens is -1: write 1 or more, or leave it out",
		"max_history_messages is -1",
		"max_reply_bytes is -1",
		"first_token_timeout is 1m0s, longer than timeout, 1s",
		"gap_timeout is -1ns: write more than 0, or leave it out",
		`headers: "Bad Name" is no name of a header`,
		"headers: x-api-key is what api_key sets",
		"headers: the value of X-Ok contains a line break",
		"extra: system cannot be set here",
		`extra: "a.b" is no name of a field`,
		"extra: odd: json: unsupported type",
	} {
		require.ErrorContains(t, err, want)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 18)

	_, err = anthropic.New(anthropic.Config{Model: "m", BaseURL: "https://host/v1/"})
	require.ErrorContains(t, err, "base_url contains /v1: leave it out, it is added")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   conversation.Kind
		text   string
	}{
		"Works":         {http.StatusOK, `{"type":"model"}`, "", ""},
		"AnyBody":       {http.StatusOK, `whatever`, "", ""},
		"NoList":        {http.StatusNotFound, `404 page not found`, "", ""},
		"MayNotList":    {http.StatusForbidden, apiError("permission_error", "no"), "", ""},
		"WrongKey":      {http.StatusUnauthorized, apiError("authentication_error", "invalid x-api-key "+key), conversation.Unauthorized, "check api_key"},
		"Limited":       {http.StatusTooManyRequests, `{}`, conversation.RateLimited, "429"},
		"OutOfOrder":    {http.StatusBadGateway, `<html>`, conversation.Unavailable, "502 Bad Gateway"},
		"QuotaIsKnown":  {http.StatusBadRequest, apiError("billing_error", "pay"), conversation.QuotaExhausted, "add credit"},
		"ServerMissing": {0, "", conversation.Unavailable, "check base_url, and that the server is running"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/v1/models/test-1" {
					t.Errorf("a check costs nothing, but it asked %s %s", r.Method, r.URL.Path)
				}
				modeltest.WriteJSON(w, c.status, c.body)
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
			require.ErrorContains(t, err, "anthropic: check: ")
			require.ErrorContains(t, err, c.text)
			require.NotContains(t, err.Error(), key)
		})
	}
}

func TestTheOfficialAPI(t *testing.T) {
	t.Parallel()
	t.Run("NeedsAKey", func(t *testing.T) {
		t.Parallel()
		e, err := anthropic.New(anthropic.Config{Model: "m", HTTPClient: &http.Client{Transport: modeltest.NoNetwork{T: t}}})
		require.NoError(t, err, "an executor without a key can be listed as unavailable")
		require.ErrorContains(t, e.Check(t.Context()), "there is no API key (set api_key")
		_, err = e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.True(t, conversation.IsKind(err, conversation.Unauthorized), "%v", err)
	})
	t.Run("KnowsItsModels", func(t *testing.T) {
		t.Parallel()
		e, err := anthropic.New(anthropic.Config{Model: "claude-typo", APIKey: key, HTTPClient: &http.Client{
			Transport: modeltest.RoundTrip(func(req *http.Request) *http.Response {
				return &http.Response{
					StatusCode: http.StatusNotFound, Request: req, Header: http.Header{},
					Body: modeltest.OneByte{Reader: strings.NewReader(apiError("not_found_error", "model: claude-typo"))},
				}
			}),
		}})
		require.NoError(t, err)
		require.ErrorContains(t, e.Check(t.Context()), "404 Not Found, not_found_error: model: claude-typo (check model)")
	})
}
