package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
)

func TestResponsesLikeEveryVendor(t *testing.T) {
	t.Parallel()
	modeltest.Run(t, responses)
}

func TestResponsesContract(t *testing.T) {
	t.Parallel()
	for name, change := range responseModes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			executortest.Run(t, executortest.Fixture{
				Model:   true,
				Secrets: []string{key, headerKey},
				New: func(t *testing.T) executors.Executor {
					return newExecutor(t, newProvider(t).Server, change)
				},
				Stall: func(t *testing.T) executors.Executor {
					return newExecutor(t, modeltest.NewServer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice who leaves
						<-r.Context().Done()
					})), change)
				},
				Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
					return newExecutor(t, modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						fail(w, want)
					})), change)
				},
			})
		})
	}
}

func TestResponse(t *testing.T) {
	t.Parallel()
	for name, change := range responseModes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			warm := 0.5
			e := newExecutor(t, p.Server, func(c *openai.Config) {
				change(c)
				c.Instructions, c.Temperature, c.MaxOutputTokens = "Be kind.", &warm, 300
				c.Extra = map[string]any{"reasoning": map[string]any{"effort": "low"}, "tool_choice": "auto"}
			})
			var streamed strings.Builder
			req := executortest.Request("c1", "Hi")
			req.OnDelta = func(text string) { streamed.WriteString(text) }
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, executors.Result{
				Message:      conversation.Text(conversation.RoleAssistant, "Good day! Müller here."),
				State:        json.RawMessage(`{"response":"resp_1"}`),
				Usage:        conversation.Usage{InputTokens: 12, OutputTokens: 5, CachedInputTokens: 8, Calls: 1},
				Provider:     "openai",
				Model:        "test-1-0601",
				FinishReason: executors.FinishStop,
			}, res)
			require.Equal(t, res.Message.Text(), streamed.String())
			body := p.bodies()[0]
			require.Equal(t, "Be kind.", body["instructions"])
			require.InDelta(t, 0.5, body["temperature"], 0)
			require.InDelta(t, 300, body["max_output_tokens"], 0)
			require.Equal(t, true, body["store"])
			require.Equal(t, map[string]any{"effort": "low"}, body["reasoning"])
			require.NotContains(t, body, "tools")
			require.NotContains(t, body, "tool_choice")
			require.Equal(t, []string{"user: Hi"}, inputs(body))
		})
	}
}

// Only what is new travels, as long as the provider remembers the rest.
func TestResponsesState(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	e := newExecutor(t, p.Server, func(c *openai.Config) { viaResponses(c); c.Instructions = "Be kind." })
	last := func() map[string]any { bodies := p.bodies(); return bodies[len(bodies)-1] }
	run := func(req executors.Request) executors.Result {
		t.Helper()
		res, err := e.Execute(t.Context(), req)
		require.NoError(t, err)
		return res
	}
	req := executortest.Request("state", "one")
	res := run(req)
	req = executortest.Next(req, res, "two")
	res = run(req)
	require.Equal(t, "resp_1", last()["previous_response_id"])
	require.Equal(t, []string{"user: two"}, inputs(last()))
	require.Equal(t, "Be kind.", last()["instructions"], "they do not carry over")

	whole := []string{"user: one", "assistant: Good day! Müller here.", "user: two", "assistant: Good day! Müller here.", "user: three"}
	req = executortest.Next(req, res, "three")
	p.forget()
	res = run(req)
	require.Len(t, p.bodies(), 4, "one was refused")
	require.NotContains(t, last(), "previous_response_id")
	require.Equal(t, whole, inputs(last()))
	require.JSONEq(t, `{"response":"resp_4"}`, string(res.State))

	for _, state := range []string{"", "null", "{}", `"x"`, "[", `{"response":1}`} {
		req.State, req.New = json.RawMessage(state), len(req.Messages)
		run(req)
		require.Equal(t, whole, inputs(last()), state)
	}

	bounded := newExecutor(t, p.Server, func(c *openai.Config) { viaResponses(c); c.MaxHistoryMessages = 2 })
	req.State, req.New = res.State, 1
	_, err := bounded.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, []string{"user: three"}, inputs(last()), "a bound is kept")
	require.NotContains(t, last(), "previous_response_id")

	forgetful := newExecutor(t, p.Server, func(c *openai.Config) { c.API = openai.APIResponses })
	res, err = forgetful.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Nil(t, res.State, "other servers need not keep anything")
	require.Equal(t, whole, inputs(last()))
	require.Equal(t, false, last()["store"])
}

func TestResponsesTools(t *testing.T) {
	t.Parallel()
	for name, change := range responseModes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			p.answer = func(body map[string]any) []any {
				if in := inputs(body); strings.HasPrefix(in[len(in)-1], "function_call_output") {
					return []any{message("On its way.")}
				}
				return []any{
					map[string]any{"type": "reasoning", "summary": []any{}}, message("I look."),
					functionCall("t1", "find_order", `{"order":1}`), functionCall("t2", "today", `{"a`),
				}
			}
			e := newExecutor(t, p.Server, change)
			req := toolRequest("Where is it?")
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, executors.FinishToolCall, res.FinishReason)
			require.Equal(t, "I look.", res.Message.Text())
			require.Equal(t, []string{`t1 find_order {"order":1}`, `t2 today "{\"a"`}, toolCalls(res.Message))
			require.JSONEq(t, `[
				{"type":"function","name":"find_order","description":"Finds an order.","strict":false,"parameters":`+string(findOrder.Schema)+`},
				{"type":"function","name":"today","strict":false,"parameters":{"type":"object","properties":{}}}
			]`, modeltest.JSON(p.bodies()[0]["tools"]))

			next := req
			next.Messages = append(req.Messages[:1:1], res.Message,
				conversation.ToolResultMessage(conversation.ToolResult{CallID: "t1", Content: "on its way"}),
				conversation.ToolResultMessage(conversation.ToolResult{CallID: "t2", Content: "Monday"}))
			next.Round, next.State = 1, res.State
			for _, n := range []int{3, 4} { // the turn's beginning may count as new
				next.New = n
				res, err = e.Execute(t.Context(), next)
				require.NoError(t, err)
				require.Equal(t, "On its way.", res.Message.Text())
				body := p.bodies()[len(p.bodies())-1]
				require.Equal(t, "resp_1", body["previous_response_id"])
				require.Equal(t, []string{"function_call_output: t1", "function_call_output: t2"}, inputs(body))
			}
			next.State = nil
			_, err = e.Execute(t.Context(), next)
			require.NoError(t, err)
			body := p.bodies()[len(p.bodies())-1]
			require.Equal(t, []string{"user: Where is it?", "assistant: I look.", "function_call: t1", "function_call: t2", "function_call_output: t1", "function_call_output: t2"}, inputs(body))
		})
	}
}

// How a response may end.
func TestResponsesEnds(t *testing.T) {
	t.Parallel()
	incomplete := func(reason string, output ...any) map[string]any {
		r := done("resp_1", "incomplete", output...)
		r["incomplete_details"] = map[string]any{"reason": reason}
		return r
	}
	failed := func(code string) map[string]any {
		r := done("resp_1", "failed")
		r["error"] = map[string]any{"code": code, "message": "it broke"}
		return r
	}
	refusal := map[string]any{"type": "message", "content": []any{map[string]any{"type": "refusal", "refusal": "No, sorry."}}}
	bad := func(kind conversation.Kind, text string) func(*testing.T, executors.Result, error) {
		return func(t *testing.T, _ executors.Result, err error) {
			t.Helper()
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, kind, ce.Kind, "%v", err)
			require.ErrorContains(t, err, text)
			require.Equal(t, int64(1), ce.Usage.Calls)
			require.Equal(t, int64(12), ce.Usage.InputTokens, "it cost all the same")
		}
	}
	for name, c := range map[string]struct {
		response map[string]any
		check    func(*testing.T, executors.Result, error)
	}{
		"Length": {incomplete("max_output_tokens", message("Well, ")), func(t *testing.T, res executors.Result, err error) {
			require.NoError(t, err)
			require.Equal(t, executors.FinishLength, res.FinishReason)
			require.Nil(t, res.State, "nothing follows half an answer")
		}},
		"OnlyReasoned": {incomplete("max_output_tokens"), bad(conversation.Invalid, "raise max_output_tokens")},
		"Filtered":     {incomplete("content_filter", message("Well, ")), bad(conversation.Refused, "content filter")},
		"CutCall":      {incomplete("max_output_tokens", functionCall("t1", "today", "{")), bad(conversation.Invalid, "raise max_output_tokens")},
		"Declined":     {done("resp_1", "completed", refusal), bad(conversation.Refused, "No, sorry.")},
		"Empty":        {done("resp_1", "completed"), bad(conversation.Unavailable, "empty")},
		"ServerError":  {failed("server_error"), bad(conversation.Unavailable, "it broke")},
		"RateLimit":    {failed("rate_limit_exceeded"), bad(conversation.RateLimited, "it broke")},
		"Flagged":      {failed("invalid_prompt"), bad(conversation.Refused, "it broke")},
		"TooLarge":     {done("resp_1", "completed", message(strings.Repeat("x", 1<<20+1))), nil},
		"TwoMessages": {done("resp_1", "completed", message("One", "."), message("Two.")), func(t *testing.T, res executors.Result, err error) {
			require.NoError(t, err)
			require.Equal(t, "One.\n\nTwo.", res.Message.Text())
		}},
	} {
		for mode, change := range map[string]func(*openai.Config){"Streaming": viaResponses, "Whole": func(c *openai.Config) { viaResponses(c); noStream(c) }} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				p := &provider{}
				e := newExecutor(t, modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if mode == "Streaming" {
						p.stream(w, r, c.response, false)
						return
					}
					modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(c.response))
				})), change)
				res, err := e.Execute(t.Context(), toolRequest("Hi"))
				if c.check != nil {
					c.check(t, res, err)
					return
				}
				require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
				require.ErrorContains(t, err, "larger than allowed")
			})
		}
	}
}

func TestResponsesStreams(t *testing.T) {
	t.Parallel()
	const hello = `{"type":"response.output_text.delta","output_index":0,"delta":"Hello"}`
	for name, c := range map[string]struct {
		events []string
		want   conversation.Kind // empty: an answer
		text   string
	}{
		"Complete":     {[]string{hello, `{"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}`}, "", "Hello"},
		"OnlyTheEnd":   {[]string{`{"type":"response.completed","response":` + modeltest.JSON(done("r", "completed", message("Hello"))) + `}`}, "", "Hello"},
		"OddEvents":    {[]string{`{"type":"response.new","delta":{"a":1}}`, hello, `{"type":"response.completed","response":{"id":"r"}}`}, "", "Hello"},
		"CutOff":       {[]string{hello}, conversation.Unavailable, "the stream ended before the answer did"},
		"Error":        {[]string{hello, `{"type":"error","code":"rate_limit_exceeded","message":"slowly","param":null}`}, conversation.RateLimited, "slowly"},
		"NestedError":  {[]string{hello, `{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"pay up"}}`}, conversation.QuotaExhausted, "pay up"},
		"UnknownError": {[]string{`{"type":"error","message":"hm ` + key + `"}`}, conversation.Unavailable, "hm [redacted]"},
		"InvalidUTF8":  {[]string{strings.Replace(hello, "Hello", "He\xffo", 1)}, conversation.Unavailable, "not valid UTF-8"},
		"TooLarge":     {modeltest.Repeat(`{"type":"response.output_text.delta","delta":"`+strings.Repeat("x", 1<<18)+`"}`, 5), conversation.Invalid, "larger than allowed"},
		"LargeCall":    {modeltest.Repeat(`{"type":"response.function_call_arguments.delta","delta":"`+strings.Repeat("x", 1<<18)+`"}`, 5), conversation.Invalid, "larger than allowed"},
		"NotStreaming": {nil, "", "Hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.events == nil {
					modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(done("r", "completed", message("Hello"))))
					return
				}
				modeltest.WriteEvents(w, modeltest.Events(c.events...)...)
			})), viaResponses)
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, c.text, res.Message.Text())
				return
			}
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, c.want, ce.Kind, "%v", err)
			require.ErrorContains(t, err, c.text)
			require.Equal(t, int64(1), ce.Usage.Calls)
		})
	}
}

var errShutdown = errors.New("the worker shuts down")

// An attempt that dies after the run has begun leaves a token. The next one takes
// the run over, and pays nothing.
func TestAttach(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"BackgroundStreaming", "BackgroundWhole"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			p.hold = make(chan struct{})
			e := newExecutor(t, p.Server, responseModes()[mode])
			ctx, kill := context.WithCancelCause(t.Context())
			req := executortest.Request("attach", "Hi")
			var tokens []json.RawMessage
			req.OnAttach = func(token json.RawMessage) {
				tokens = append(tokens, token)
				kill(errShutdown)
			}
			_, err := e.Execute(ctx, req)
			require.ErrorIs(t, err, context.Canceled)
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Zero(t, ce.Usage, "the attempt that gets the answer counts it")
			require.Len(t, tokens, 1)
			require.Contains(t, string(tokens[0]), "resp_1")

			close(p.hold)
			req.Attempt, req.Attach = 2, tokens[0]
			var streamed strings.Builder
			req.OnDelta = func(text string) { streamed.WriteString(text) }
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, "Good day! Müller here.", res.Message.Text())
			require.Equal(t, res.Message.Text(), streamed.String())
			require.Equal(t, conversation.Usage{InputTokens: 12, OutputTokens: 5, CachedInputTokens: 8, Calls: 1}, res.Usage)
			require.JSONEq(t, `{"response":"resp_1"}`, string(res.State))
			require.Len(t, p.bodies(), 1, "bought once")
			require.Len(t, tokens, 1)
			require.Empty(t, p.cancelled, "a later attempt was to continue it")
		})
	}
}

// A run that gives no answer any more is replaced.
func TestAttachToNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*provider){
		"Forgotten": func(p *provider) { p.forget() },
		"Failed": func(p *provider) {
			p.set("resp_1", map[string]any{"status": "failed", "error": map[string]any{"code": "server_error", "message": "m"}})
		},
		"Cancelled": func(p *provider) { p.set("resp_1", map[string]any{"status": "cancelled", "output": []any{}}) },
		"Empty":     func(p *provider) { p.set("resp_1", map[string]any{"output": []any{}}) },
	} {
		for _, mode := range []string{"BackgroundStreaming", "BackgroundWhole"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				p := newProvider(t)
				e := newExecutor(t, p.Server, responseModes()[mode])
				req := executortest.Request("attach", "Hi")
				var tokens []json.RawMessage
				req.OnAttach = func(token json.RawMessage) { tokens = append(tokens, token) }
				_, err := e.Execute(t.Context(), req)
				require.NoError(t, err)
				change(p)
				req.Attempt, req.Attach = 2, tokens[0]
				res, err := e.Execute(t.Context(), req)
				require.NoError(t, err)
				require.Equal(t, "Good day! Müller here.", res.Message.Text())
				require.Len(t, p.bodies(), 2)
				require.Len(t, tokens, 2)
				require.Contains(t, string(tokens[1]), "resp_2")
			})
		}
	}
}

// A run goes on when its stream breaks off.
func TestBackgroundStreamBreaksOff(t *testing.T) {
	t.Parallel()
	creates := make(chan struct{}, 3)
	e := newExecutor(t, modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(done("r1", "completed", message("Good ", "day!"))))
			return
		}
		creates <- struct{}{}
		modeltest.WriteEvents(w, modeltest.Events(`{"type":"response.created","response":{"id":"r1","status":"queued"}}`, `{"type":"response.output_text.delta","output_index":0,"delta":"Good "}`)...)
		panic(http.ErrAbortHandler)
	})), viaBackground)
	var streamed []string
	req := executortest.Request("c1", "Hi")
	req.OnDelta = func(text string) { streamed = append(streamed, text) }
	res, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "Good day!", res.Message.Text())
	require.Equal(t, []string{"Good ", "day!"}, streamed)
	require.Len(t, creates, 1)
}

func TestCancelledRunsAreCancelled(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"BackgroundStreaming", "BackgroundWhole"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			p.hold = make(chan struct{})
			e := newExecutor(t, p.Server, responseModes()[mode])
			ctx, cancel := context.WithCancel(t.Context())
			req := executortest.Request("cancel", "Hi")
			req.OnAttach = func(json.RawMessage) { cancel() }
			_, err := e.Execute(ctx, req)
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, []string{"resp_1"}, p.cancelled)
		})
	}
}

// Cancelling an abandoned run takes two seconds at most.
func TestCancellingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := cancelHangs{modeltest.Slow{Steps: []modeltest.Step{
			modeltest.After(0, `data: {"type":"response.created","response":{"id":"r1","status":"queued"}}`),
		}}}
		e, err := openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: key, HTTPClient: &http.Client{Transport: server}}, Background: true})
		require.NoError(t, err)
		req := executortest.Request("c1", "Hi")
		req.OnAttach = func(json.RawMessage) { cancel() }
		begun := time.Now()
		_, err = e.Execute(ctx, req)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 2*time.Second, time.Since(begun))
	})
}

type cancelHangs struct{ http.RoundTripper }

func (c cancelHangs) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/cancel") {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return c.RoundTripper.RoundTrip(r)
}

func TestResponsesTimers(t *testing.T) {
	t.Parallel()
	const (
		created = `data: {"type":"response.created","response":{"id":"r1","status":"in_progress"}}`
		hello   = `data: {"type":"response.output_text.delta","output_index":0,"delta":"Hello"}`
		ended   = `data: {"type":"response.completed","response":{"id":"r1","status":"completed"}}`
	)
	type steps = []modeltest.Step
	at := modeltest.After
	var forever steps
	for range 100 {
		forever = append(forever, at(20*time.Second, hello))
	}
	for name, c := range map[string]struct {
		server modeltest.Slow
		after  time.Duration
		want   string // part of the error; empty: an answer
	}{
		"NoResponse":    {modeltest.Slow{Header: time.Hour}, 90 * time.Second, "first_token_timeout"},
		"OnlyCreated":   {modeltest.Slow{Steps: steps{at(time.Second, created)}}, 90 * time.Second, "first_token_timeout"},
		"Stalls":        {modeltest.Slow{Steps: steps{at(0, created), at(10*time.Second, hello)}}, 40 * time.Second, "gap_timeout"},
		"NeverEnds":     {modeltest.Slow{Steps: forever}, 4 * time.Minute, "(timeout)"},
		"LateButInTime": {modeltest.Slow{Steps: steps{at(89*time.Second, hello), at(29*time.Second, ended)}}, 118 * time.Second, ""},
	} {
		for mode, background := range map[string]bool{"Plain": false, "Background": true} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				modeltest.Takes(t, c.after, c.want, func(t *testing.T) executors.Executor {
					e, err := openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: key, HTTPClient: &http.Client{Transport: c.server}}, Background: background})
					require.NoError(t, err)
					return e
				})
			})
		}
	}
}

// A run that is not streamed has no pieces, and so no gaps between them.
func TestBackgroundPollsAreNoPieces(t *testing.T) {
	t.Parallel()
	polls := 0
	server := modeltest.RoundTrip(func(req *http.Request) *http.Response {
		status := "in_progress"
		if polls++; polls > 5 {
			status = "completed"
		}
		return &http.Response{
			StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(modeltest.JSON(done("r1", status, message("Hello"))))),
		}
	})
	synctest.Test(t, func(t *testing.T) {
		cfg := openai.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: key, GapTimeout: time.Millisecond, HTTPClient: &http.Client{Transport: server}}, Background: true}
		noStream(&cfg)
		e, err := openai.New(cfg)
		require.NoError(t, err)
		res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.NoError(t, err)
		require.Equal(t, "Hello", res.Message.Text())
		require.Equal(t, 6, polls)
	})
}

func TestAPIFaults(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for want, cfg := range map[string]openai.Config{
		"api is \"smoke\": write chat or responses": {API: "smoke"},
		"store is for the Responses API":            {API: openai.APIChat, Store: &yes},
		"background is for the Responses API":       {ModelConfig: executors.ModelConfig{BaseURL: "http://localhost/v1"}, Background: true},
		"store is false, and background needs it":   {Background: true, Store: &no},
		"extra.input cannot be set here":            {ModelConfig: executors.ModelConfig{Extra: map[string]any{"input": 1}}},
		"base_url contains /responses":              {ModelConfig: executors.ModelConfig{BaseURL: "http://localhost/v1/responses"}},
	} {
		cfg.Model = "m"
		_, err := openai.New(cfg)
		require.ErrorContains(t, err, want)
	}
}
