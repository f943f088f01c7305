package iiifunction_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/secret"
)

const (
	limited      = conversation.RateLimited
	spent        = conversation.QuotaExhausted
	unauthorized = conversation.Unauthorized
	down         = conversation.Unavailable
	tooLong      = conversation.ContextTooLong
	refused      = conversation.Refused
	invalid      = conversation.Invalid
)

// What a function's failure means, and whether the agent may have run.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code, message string
		kind          conversation.Kind
		landed        bool
		after         time.Duration
		text          string
	}{
		"NotFound":     {iii.CodeFunctionNotFound, "no such function", down, false, 0, "start the worker that serves it"},
		"NotInvokable": {"function_not_invokable", "m", invalid, false, 0, "check function"},
		"Stopped":      {iii.CodeInvocationStopped, "m", down, true, 0, "invocation_stopped: “m”"},
		"Channel":      {"channel_send_failed", "m", down, true, 0, "channel_send_failed: “m”"},
		"Forbidden":    {iii.CodeForbidden, "m", unauthorized, false, 0, "access rules"},
		"Namespace":    {"INVALID_NAMESPACE", "m", invalid, false, 0, "check namespace"},
		"BadRequest":   {iii.CodeInvalidRequest, "m", invalid, false, 0, "check dialect and request"},
		"HTTP":         {"http_error", "m", down, true, 0, "http_error: “m”"},
		"OwnKind":      {"rate_limited", "slow down, retry after 3", limited, false, 3 * time.Second, "slow down"},
		"Denied":       {"invocation_failed", "handler error: Agent a denied: tool::x", unauthorized, false, 0, "check the agent's permissions"},
		"NoCapability": {"invocation_failed", "Agent a has no capabilities defined", unauthorized, false, 0, "check the agent's permissions"},
		"TokenQuota":   {"invocation_failed", "handler error: Agent a exceeded token quota", spent, false, 0, "raise the agent's budget or quota"},
		"RateLimit":    {"invocation_failed", "Rate limit exceeded for agent a. Retry after 60s.", limited, false, time.Minute, "Rate limit"},
		"Injection":    {"invocation_failed", "handler error: Message rejected: injection risk", refused, false, 0, "Message rejected"},
		"MissingField": {"invocation_failed", "handler error: missing field `agentId`", invalid, false, 0, "check function"},
		"ChatTimeout":  {"invocation_failed", "Chat timeout exceeded", down, true, 0, "Chat timeout exceeded"},
		"Provider":     {"invocation_failed", "Unknown provider: undefined", invalid, false, 0, "check provider and shape"},
		"PageOf403":    {"invocation_failed", "openai API error (403): <!DOCTYPE html><html>", conversation.Unavailable, false, 0, "html"},
		"AccountEmpty": {"invocation_failed", `OpenAI API error (429): {"error":{"message":"You exceeded your current quota, please check your plan and billing details.","code":"insufficient_quota"}}`, spent, false, 0, "add credit"},
		"PlanOfTheDay": {"invocation_failed", `API error 429: {"error":{"message":"Rate limit reached on tokens per day (TPD): Limit 100000. Please try again in 7h12m."}}`, spent, false, 7*time.Hour + 12*time.Minute, "tokens per day"},
		"KeyUnder400":  {"invocation_failed", `API error 400: {"error":{"message":"API key not valid. Please pass a valid API key."}}`, unauthorized, false, 0, "API key not valid"},
		"TooLongOf413": {"invocation_failed", `API error (413): {"error":{"message":"Request too large for gpt-4o on tokens per minute (TPM): Limit 6000, Requested 7000"}}`, tooLong, false, 0, "begin a new conversation"},
		"Status401":    {"invocation_failed", "openai API error 401: bad key", unauthorized, false, 0, "bad key"},
		"Status429":    {"invocation_failed", `429 {"type":"error"}`, limited, false, 0, "429"},
		"Status529":    {"invocation_failed", `529 {"type":"overloaded_error"}`, down, false, 0, "529"},
		"TooLong":      {"invocation_failed", "API error 400: context_length_exceeded", tooLong, false, 0, "begin a new conversation"},
		"Bug":          {"invocation_failed", "cannot read properties of undefined", down, true, 0, "cannot read properties"},
		"OtherCode":    {"E_ODD", "odd", down, true, 0, "odd"},
		"Silent":       {"invocation_failed", "", down, true, 0, "failed without a message"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := on(t, functions{iiifunction.DefaultChat: failsWith(c.code, c.message)}, nil)
			_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, c.kind, ce.Kind, "%v", err)
			require.Equal(t, c.landed, ce.Ambiguous, "%v", err)
			require.Equal(t, c.after, ce.RetryAfter)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "iii: call agent::chat at 127.0.0.1:")
		})
	}
}

// AgentOS's texts mean nothing in another function, but its codes can
// be given a meaning.
func TestErrorsOfPlainFunctions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code, message string
		want          conversation.Kind
	}{
		"Words": {"invocation_failed", "Message rejected", down},
		"Named": {"E42", "m", spent},
		"Kind":  {"Refused", "m", refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := on(t, functions{"f": failsWith(c.code, c.message)}, func(cfg *iiifunction.Config) {
				cfg.AgentID, cfg.Function = "", "f"
				cfg.Response.ErrorKinds = map[string]conversation.Kind{"E42": conversation.QuotaExhausted}
			})
			_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.Equal(t, c.want, conversation.KindOf(err), "%v", err)
		})
	}
}

// A function that must not run twice has run if its answer cannot be used, and has
// not if it says what kept it from it.
func TestMayHaveRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler iii.Handler
		landed  bool
	}{
		"Empty":          {always(`{"message": ""}`), true},
		"Odd":            {always(`{"odd": 1}`), true},
		"Nothing":        {always(`null`), true},
		"SaysLimited":    {always(`{"error": {"kind": "RateLimited", "message": "m"}}`), false},
		"SaysBroken":     {always(`{"error": "broken"}`), true},
		"FailsLimited":   {failsWith("RateLimited", "m"), false},
		"FailsUnknowing": {failsWith("Unavailable", "m"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := on(t, functions{"f": c.handler}, func(cfg *iiifunction.Config) { cfg.AgentID, cfg.Function = "", "f" })
			_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, c.landed, ce.Ambiguous, "%v", err)
			require.True(t, ce.Answered)
		})
	}
}

// No worker serves the function: one may be back in a moment.
func TestFunctionNotThere(t *testing.T) {
	t.Parallel()
	e := practice(t, iii.EraC)
	x := made(t, e, func(c *iiifunction.Config) { c.Guard = &iiifunction.Guard{Fail: iiifunction.FailOpen} })
	_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, down, ce.Kind)
	require.False(t, ce.Ambiguous)
	require.ErrorContains(t, err, "start the worker that serves it, or check function and namespace")
	serve(t, e, iii.Options{}, functions{iiifunction.DefaultChat: always(chatTS)})
	_, err = x.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
}

// started is an execution that is under way, and its error.
func started(x *iiifunction.Executor) <-chan error {
	failed := make(chan error, 1)
	go func() {
		_, err := x.Execute(context.Background(), executortest.Request("c1", "Hi"))
		failed <- err
	}()
	return failed
}

// The function's worker goes while it runs.
func TestWorkerGone(t *testing.T) {
	t.Parallel()
	e := practice(t, iii.EraC)
	var calls heard
	w := serve(t, e, iii.Options{}, functions{iiifunction.DefaultChat: calls.by(stalls)})
	x := made(t, e, nil)
	failed := started(x)
	calls.wait(t)
	w.Close()
	err := <-failed
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, down, ce.Kind)
	require.True(t, ce.Ambiguous)
	require.Equal(t, int64(1), ce.Usage.Calls)
	require.ErrorContains(t, err, "invocation_stopped")
}

// The engine is restarted while the function runs, and is away for a while.
func TestEngineRestarted(t *testing.T) {
	t.Parallel()
	e := practice(t, iii.EraD)
	var calls heard
	h := calls.by(func(ctx context.Context, call iii.Invocation) (any, error) {
		if len(calls.all()) == 1 {
			return stalls(ctx, call)
		}
		return always(chatTS)(ctx, call)
	})
	serve(t, e, iii.Options{}, functions{iiifunction.DefaultChat: h})
	x := made(t, e, func(c *iiifunction.Config) { c.ConnectTimeout = 10 * time.Second })
	failed := started(x)
	calls.wait(t)
	e.Stop()
	var ce *conversation.Error
	require.ErrorAs(t, <-failed, &ce)
	require.Equal(t, down, ce.Kind)
	require.True(t, ce.Ambiguous)

	away := made(t, e, func(c *iiifunction.Config) { c.ConnectTimeout = 50 * time.Millisecond })
	_, err := away.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.ErrorAs(t, err, &ce)
	require.Equal(t, down, ce.Kind)
	require.False(t, ce.Ambiguous)
	require.ErrorContains(t, err, "no connection to the engine")
	require.ErrorContains(t, err, "check url, and that the engine is running")

	require.NoError(t, e.Start())
	require.NoError(t, e.Wait(soon(t), func() bool { return e.Serves("", iiifunction.DefaultChat) }))
	_, err = x.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
}

// Whoever waits for a connection returns at once when nobody wants the answer any
// more.
func TestCancelledWithoutEngine(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{})
	e.Stop()
	x := made(t, e, func(c *iiifunction.Config) { c.ConnectTimeout = time.Hour })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := x.Execute(ctx, executortest.Request("c1", "Hi"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(begun), time.Minute)
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.False(t, ce.Ambiguous)
}

// A broken connection is no answer.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	e := practice(t, iii.EraC)
	var calls heard
	serve(t, e, iii.Options{}, functions{iiifunction.DefaultChat: calls.by(stalls)})
	x := made(t, e, nil)
	failed := started(x)
	calls.wait(t)
	e.KillConnections()
	var ce *conversation.Error
	require.ErrorAs(t, <-failed, &ce)
	require.Equal(t, down, ce.Kind)
	require.True(t, ce.Ambiguous)
}

// An engine that turns the credentials down says so, and they stay secret.
func TestCredentials(t *testing.T) {
	t.Parallel()
	const wrong = "Bearer iii-wrong-secret-0123456789"
	e := practice(t, iii.EraC)
	var logged bytes.Buffer
	x := made(t, e, func(c *iiifunction.Config) {
		c.Headers = map[string]secret.String{"Authorization": wrong}
		c.ConnectTimeout = 200 * time.Millisecond
		c.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	})
	_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.Equal(t, unauthorized, conversation.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "check headers and query")
	require.NotContains(t, err.Error(), "wrong-secret")
	err = x.Check(t.Context())
	require.Equal(t, unauthorized, conversation.KindOf(err), "%v", err)
	require.NotContains(t, err.Error(), "wrong-secret")
	require.NoError(t, x.Close()) // nothing is logged any more
	require.Contains(t, logged.String(), "unknown key")
	require.NotContains(t, logged.String(), "wrong-secret")

	var got http.Header
	var query string
	seen := iiitest.Start(t, iiitest.Options{Authorize: func(r *http.Request) error {
		if r.Header.Get("Authorization") != "" {
			got, query = r.Header, r.URL.Query().Get("api_key")
		}
		return nil
	}})
	serve(t, seen, iii.Options{}, functions{iiifunction.DefaultChat: always(chatTS)})
	_, err = made(t, seen, nil).Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, token, got.Get("Authorization"))
	require.Equal(t, queryKey, query)
}

// lost is an attempt that may not act any more.
type lost struct{}

func (lost) Hold(context.Context) error {
	return &conversation.Error{Kind: conversation.Unavailable, Op: "lease", Err: errors.New("another attempt has taken over")}
}

// Nothing is written for an attempt that is not the current one any more.
func TestWithoutALeaseTheFunctionIsNotCalled(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{})
	x, err := iiifunction.New(iiifunction.Config{URL: e.URL(), Function: "shop::agent"})
	require.NoError(t, err)
	defer func() { _ = x.Close() }()
	_, err = x.Execute(lease.With(t.Context(), lost{}), executors.Request{})
	var said *conversation.Error
	require.ErrorAs(t, err, &said)
	require.Equal(t, conversation.Unavailable, said.Kind)
	require.False(t, said.Ambiguous)
	require.Zero(t, said.Usage)
	require.ErrorContains(t, err, "another attempt has taken over")
	for _, f := range e.FromWorkers("") {
		require.NotContains(t, string(f.Raw), "shop::agent\"")
	}
}
