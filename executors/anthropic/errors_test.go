package anthropic_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

const (
	limited = conversation.RateLimited
	quota   = conversation.QuotaExhausted
	unauth  = conversation.Unauthorized
	down    = conversation.Unavailable
	long    = conversation.ContextTooLong
	refused = conversation.Refused
	invalid = conversation.Invalid
)

// What a server may say instead of an answer, and what that means.
func TestErrorsByStatus(t *testing.T) {
	t.Parallel()
	bad := func(message string) string { return apiError("invalid_request_error", message) }
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		want   conversation.Kind
		after  time.Duration
		text   string // part of the error
	}{
		"RateLimit":           {429, http.Header{"Retry-After": {"20"}}, apiError("rate_limit_error", "This request would exceed the rate limit"), limited, 20 * time.Second, "429 Too Many Requests, rate_limit_error: This request"},
		"RateLimitNoBody":     {429, nil, "", limited, 0, "429"},
		"RetryAfterMs":        {429, http.Header{"Retry-After": {"20"}, "Retry-After-Ms": {"250"}}, "{}", limited, 250 * time.Millisecond, ""},
		"RetryAfterNonsense":  {429, http.Header{"Retry-After": {"soon"}}, "{}", limited, 0, ""},
		"Overloaded":          {529, http.Header{"Retry-After": {"3"}}, apiError("overloaded_error", "Overloaded"), down, 3 * time.Second, "529 Overloaded, overloaded_error: Overloaded"},
		"OverloadedNoBody":    {529, nil, "", down, 0, "529 Overloaded"},
		"Credit":              {400, nil, bad("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."), quota, 0, "add credit"},
		"UsageLimits":         {400, nil, bad("You have reached your specified API usage limits. You will regain access on 2026-01-01 at 00:00 UTC."), quota, 0, "raise the limit"},
		"UsageLimitsAs429":    {429, nil, apiError("rate_limit_error", "You have reached your specified workspace API usage limits."), quota, 0, ""},
		"Billing":             {402, nil, apiError("billing_error", "Please check your payment method"), quota, 0, "402 Payment Required"},
		"BillingByStatus":     {402, nil, "{}", quota, 0, ""},
		"PaymentTemporary":    {402, http.Header{"Retry-After": {"30"}}, "{}", limited, 30 * time.Second, ""},
		"WrongKey":            {401, nil, apiError("authentication_error", "invalid x-api-key"), unauth, 0, "check api_key"},
		"Permission":          {403, nil, apiError("permission_error", "Your API key does not have permission"), unauth, 0, ""},
		"Forbidden":           {403, nil, "<html>", unauth, 0, "403 Forbidden"},
		"Disabled":            {400, nil, bad("This organization has been disabled."), unauth, 0, ""},
		"PromptTooLong":       {400, nil, bad("prompt is too long: 208310 tokens > 200000 maximum"), long, 0, "max_history_messages"},
		"WithAnswerTooLong":   {400, nil, bad("input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000, decrease input length or `max_tokens` and try again"), long, 0, ""},
		"TooLarge":            {413, nil, apiError("request_too_large", "Request exceeds the maximum size"), long, 0, "413"},
		"TooLargeByStatus":    {413, nil, "<html>", long, 0, "413"},
		"OutputBlocked":       {400, nil, bad("Output blocked by content filtering policy"), refused, 0, "content filtering policy"},
		"BadTemperature":      {400, nil, bad("temperature: range: 0..1"), invalid, 0, "(check temperature)"},
		"BadTokens":           {400, nil, bad("max_tokens: 9000 > 4096, which is the maximum allowed number of output tokens"), invalid, 0, "(check max_output_tokens)"},
		"BadSomething":        {400, nil, bad("top_k: no"), invalid, 0, "400 Bad Request, invalid_request_error: top_k: no (check model, extra"},
		"UnknownModel":        {404, nil, apiError("not_found_error", "model: claude-typo"), invalid, 0, "(check model)"},
		"NotFound":            {404, nil, "404 page not found", invalid, 0, "without the /v1"},
		"Unprocessable":       {422, nil, `{"detail":"no"}`, invalid, 0, "422 Unprocessable Entity: no"},
		"Redirect":            {302, http.Header{"Location": {"http://127.0.0.1:1/"}}, "", invalid, 0, "set base_url to where the server redirects"},
		"ServerError":         {500, nil, apiError("api_error", "Internal server error"), down, 0, "Internal server error"},
		"TimeoutError":        {504, nil, apiError("timeout_error", "Request timed out"), down, 0, "timeout_error"},
		"Timeout":             {408, nil, "", down, 0, "408"},
		"Conflict":            {409, nil, "", down, 0, ""},
		"BadGatewayPage":      {502, nil, "<html><body>Bad Gateway</body></html>", down, 0, "502 Bad Gateway"},
		"CloudflareTimeout":   {524, nil, "", down, 0, "524"},
		"TextInPlaceOfError":  {400, nil, `{"error":"unknown field"}`, invalid, 0, "unknown field"},
		"HugeErrorBody":       {500, nil, `{"error":{"message":"` + strings.Repeat("x", 1<<20) + `"}}`, down, 0, "500"},
		"LongMessage":         {500, nil, apiError("api_error", strings.Repeat("é", 1000)), down, 0, "é…"},
		"ErrorWithGoodStatus": {200, nil, apiError("overloaded_error", "Overloaded"), down, 0, "error in the answer, overloaded_error: Overloaded"},
		"QuotaWithGoodStatus": {200, nil, bad("Your credit balance is too low"), quota, 0, "credit"},
		"BadWithGoodStatus":   {200, nil, bad("no"), invalid, 0, ""},
		"WebPage":             {200, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "<html>", invalid, 0, "base_url"},
		"NoContent":           {200, nil, `{"type":"message","content":[],"stop_reason":"end_turn"}`, down, 0, "the answer is empty"},
		"EmptyAnswer":         {200, nil, message("", "end_turn"), down, 0, "the answer is empty"},
		"BlankAnswer":         {200, nil, message(" \n", "end_turn"), down, 0, "the answer is empty"},
		"OnlyReasoned":        {200, nil, message("", "max_tokens"), invalid, 0, "raise max_output_tokens"},
		"NoRoomLeft":          {200, nil, message("", "model_context_window_exceeded"), long, 0, "max_history_messages"},
		"Refused":             {200, nil, message("Well, ", "refusal"), refused, 0, "the model declined"},
		"RefusedWithReason":   {200, nil, strings.Replace(message("", "refusal"), `"stop_sequence"`, `"stop_details":{"type":"refusal","category":"bio","explanation":"Not this."},"stop_sequence"`, 1), refused, 0, "the model declined: Not this."},
		"InvalidUTF8":         {200, nil, strings.Replace(message("a?b", "end_turn"), "?", "\xff\xfe", 1), down, 0, "not valid UTF-8"},
		"BrokenOffUTF8":       {200, nil, message("a", "end_turn") + "\xe2\x82", down, 0, "not valid UTF-8"},
		"NoJSON":              {200, nil, "{]", down, 0, ""},
		"BrokenOffJSON":       {200, nil, message("a", "end_turn")[:40], down, 0, ""},
		"TwentyMegabytes":     {200, nil, message(strings.Repeat("x", 20<<20), "end_turn"), invalid, 0, "larger than allowed (bound the reply with max_output_tokens, or raise max_reply_bytes)"},
		"SlightlyTooLarge":    {200, nil, message(strings.Repeat("x", 1<<20+1), "end_turn"), invalid, 0, "larger than allowed"},
	} {
		for mode, change := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				e := newExecutor(t, modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					for k, v := range c.header {
						w.Header()[k] = v
					}
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
				})), change)
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				var ce *conversation.Error
				require.ErrorAs(t, err, &ce)
				require.Equal(t, c.want, ce.Kind, "%v", err)
				require.Equal(t, c.after, ce.RetryAfter)
				require.ErrorContains(t, err, c.text)
				require.Less(t, len(err.Error()), 700)
				if c.want == invalid || c.want == unauth || c.want == quota || c.want == long {
					require.NotEmpty(t, ce.Remedy)
				}
				if c.status != 200 {
					require.Zero(t, ce.Usage, "nothing was generated")
				}
			})
		}
	}
}

// What may come of a stream.
func TestErrorsInStreams(t *testing.T) {
	t.Parallel()
	hello := []string{start, blockStart, delta("Hello")}
	then := func(events ...string) []string { return append(hello[:3:3], events...) }
	once := conversation.Usage{Calls: 1}
	refusal := event("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": "refusal", "stop_details": map[string]any{"type": "refusal", "category": "cyber", "explanation": "Not this."}},
		"usage": map[string]any{"output_tokens": 5},
	})
	oops := func(kind, message string) string {
		return "event: error\ndata: " + apiError(kind, message)
	}
	for name, c := range map[string]struct {
		events []string
		want   conversation.Kind // empty: an answer
		text   string
		usage  conversation.Usage
	}{
		"Complete":         {reply("end_turn", "Hello"), "", "Hello", known},
		"NoMessageStop":    {then(messageDelta("end_turn")), "", "Hello", known},
		"OddEnd":           {then(messageDelta("end_turn"), "event: message_stop\ndata: {]"), "", "Hello", known},
		"ErrorAfterTheEnd": {then(messageDelta("end_turn"), oops("api_error", "late")), "", "Hello", known},
		"UnknownEvents":    {then(event("something_new", map[string]any{"x": 1}), ": a comment", messageDelta("end_turn")), "", "Hello", known},
		"Nothing":          {nil, down, "the stream ended before the answer did", once},
		"OnlyStarted":      {[]string{start}, down, "the stream ended before the answer did", begun},
		"CutOff":           {hello, down, "the stream ended before the answer did", begun},
		"Empty":            {reply("end_turn"), down, "the answer is empty", known},
		"Reasoned":         {[]string{start, thinking("hm"), messageDelta("max_tokens")}, invalid, "raise max_output_tokens", known},
		"NoRoomLeft":       {[]string{start, messageDelta("model_context_window_exceeded")}, long, "no room", known},
		"Refused":          {then(refusal), refused, "the model declined: Not this.", known},
		"Overloaded":       {then(oops("overloaded_error", "Overloaded")), down, "error in the answer, overloaded_error: Overloaded", begun},
		"OverloadedAtOnce": {[]string{oops("overloaded_error", "Overloaded")}, down, "Overloaded", once},
		"RateLimited":      {[]string{oops("rate_limit_error", "slow down")}, limited, "slow down", once},
		"Credit":           {then(oops("invalid_request_error", "Your credit balance is too low")), quota, "add credit", begun},
		"OddError":         {then("event: error\ndata: {]"), down, "", begun},
		"InvalidJSON":      {then("event: content_block_delta\ndata: {]"), down, "", begun},
		"InvalidUTF8":      {[]string{start, strings.Replace(delta("Hello"), "Hello", "He\xffo", 1)}, down, "not valid UTF-8", begun},
		"OneHugeEvent":     {[]string{start, delta(strings.Repeat("x", 20<<20))}, invalid, "larger than allowed", begun},
		"EventWithoutEnd":  {[]string{start, strings.Repeat("data: x\n", 2<<20)}, invalid, "larger than allowed", begun},
		"ManyLargeEvents":  {append([]string{start}, modeltest.Repeat(delta(strings.Repeat("x", 1<<18)), 80)...), invalid, "larger than allowed", begun},
		"LargeButAllowed":  {append(append([]string{start}, modeltest.Repeat(delta(strings.Repeat("x", 1<<18)), 4)...), messageDelta("end_turn")), "", "x", known},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ call) {
				modeltest.WriteEvents(w, c.events...)
			}), nil)
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			if c.want == "" {
				require.NoError(t, err)
				require.Contains(t, res.Message.Text(), c.text)
				require.Equal(t, c.usage, res.Usage)
				return
			}
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, c.want, ce.Kind, "%v", err)
			require.ErrorContains(t, err, c.text)
			require.Equal(t, c.usage, ce.Usage)
		})
	}
}

// A connection that breaks says nothing about the answer: another try may help.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"BeforeTheAnswer": modeltest.Abort(),
		"Midway":          modeltest.Abort(start, blockStart, delta("Hello")),
	} {
		for mode, change := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				e := newExecutor(t, modeltest.NewServer(t, handler), change)
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				require.True(t, conversation.IsKind(err, down), "%v", err)
				require.NotContains(t, err.Error(), "http://", "no addresses: they may hold secrets")
			})
		}
	}
	t.Run("NobodyListens", func(t *testing.T) {
		t.Parallel()
		server := modeltest.NewServer(t, http.NotFoundHandler())
		e := newExecutor(t, server, nil)
		server.Close()
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.True(t, conversation.IsKind(err, down), "%v", err)
		require.ErrorContains(t, err, "connection refused (check base_url, and that the server is running)")
	})
	t.Run("UntrustedCertificate", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		e := newExecutor(t, server, func(c *anthropic.Config) { c.HTTPClient = &http.Client{Transport: transport} })
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.True(t, conversation.IsKind(err, invalid), "%v", err)
		require.ErrorContains(t, err, "trusts the server's certificate")
	})
}

// Nothing is tried twice: the caller does that.
func TestNoRetries(t *testing.T) {
	t.Parallel()
	modeltest.NoRetries(t, modeltest.Modes(newExecutor, modes))
}

// Go's own client sends again what failed on a connection that it kept, if an
// Idempotency-Key says that no harm is done.
func TestNoRetryOnAKeptConnection(t *testing.T) {
	t.Parallel()
	calls := make(chan struct{}, 10)
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		calls <- struct{}{}
		if len(calls) > 1 {
			panic(http.ErrAbortHandler)
		}
		speak(w, c, "ok")
	}), noStream)
	req := executortest.Request("c1", "Hi")
	_, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	_, err = e.Execute(t.Context(), req)
	require.True(t, conversation.IsKind(err, down), "%v", err)
	require.Len(t, calls, 2)
}

// A server may send its client elsewhere; the key does not go there.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	modeltest.RedirectsAreNotFollowed(t, modeltest.Modes(newExecutor, modes))
}

// A server may repeat the key it was sent wherever it likes.
func TestNoErrorHoldsAKey(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 302, 400, 401, 402, 403, 404, 413, 422, 429, 500, 529} {
		for mode, change := range modes {
			t.Run(fmt.Sprint(status, "/", mode), func(t *testing.T) {
				t.Parallel()
				e := newExecutor(t, modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					echo := r.Header.Get("X-Api-Key") + " and " + r.Header.Get("X-Gateway-Key") + " and sk-ant-api03-abc***********xyz"
					w.Header().Set("X-Echo", echo)
					w.Header().Set("Location", "http://127.0.0.1:1/?"+key)
					modeltest.WriteJSON(w, status, apiError(echo, echo))
				})), change)
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				require.Error(t, err)
				modeltest.NoSecrets(t, err, key, headerKey, "sk-ant")
				modeltest.NoSecrets(t, e.Check(t.Context()), key, headerKey, "sk-ant")
			})
		}
	}
	t.Run("InStream", func(t *testing.T) {
		t.Parallel()
		e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
			modeltest.WriteEvents(w, start, "event: error\ndata: "+apiError("api_error", c.Header.Get("X-Api-Key")))
		}), nil)
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.ErrorContains(t, err, "[redacted]")
		modeltest.NoSecrets(t, err, key, headerKey)
	})
}

func TestCancelledMidway(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, r *http.Request, _ call) {
		modeltest.WriteEvents(w, start, blockStart, delta("Hello"))
		<-r.Context().Done()
	}), nil)
	req := executortest.Request("c1", "Hi")
	req.OnDelta = func(string) { cancel() }
	_, err := e.Execute(ctx, req)
	require.ErrorIs(t, err, context.Canceled)
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, begun, ce.Usage, "a cancelled call costs")
}
