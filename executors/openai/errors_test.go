package openai_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
)

// What a server may say instead of an answer, and what that means.
func TestErrorsByStatus(t *testing.T) {
	t.Parallel()
	const (
		limited = conversation.RateLimited
		quota   = conversation.QuotaExhausted
		unauth  = conversation.Unauthorized
		down    = conversation.Unavailable
		long    = conversation.ContextTooLong
		refused = conversation.Refused
		invalid = conversation.Invalid
	)
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		want   conversation.Kind
		after  time.Duration
		text   string // part of the error
	}{
		"RateLimit":           {429, nil, apiError("Rate limit reached", "rate_limit_exceeded"), limited, 0, "429 Too Many Requests, rate_limit_exceeded: Rate limit reached"},
		"RateLimitNoBody":     {429, nil, "", limited, 0, "429"},
		"RetryAfterSeconds":   {429, http.Header{"Retry-After": {"20"}}, "{}", limited, 20 * time.Second, ""},
		"RetryAfterFraction":  {429, http.Header{"Retry-After": {"1.5"}}, "{}", limited, 1500 * time.Millisecond, ""},
		"RetryAfterMs":        {429, http.Header{"Retry-After": {"20"}, "Retry-After-Ms": {"250"}}, "{}", limited, 250 * time.Millisecond, ""},
		"RetryAfterPast":      {429, http.Header{"Retry-After": {"Wed, 21 Oct 2015 07:28:00 GMT"}}, "{}", limited, 0, ""},
		"RetryAfterNonsense":  {429, http.Header{"Retry-After": {"soon"}}, "{}", limited, 0, ""},
		"RetryAfterHuge":      {429, http.Header{"Retry-After": {"1e300"}}, "{}", limited, 7 * 24 * time.Hour, ""},
		"RetryAfterNegative":  {429, http.Header{"Retry-After": {"-5"}}, "{}", limited, 0, ""},
		"Quota":               {429, nil, apiError("You exceeded your current quota", "insufficient_quota"), quota, 0, "add credit"},
		"QuotaInType":         {429, nil, `{"error":{"message":"m","type":"insufficient_quota","code":null}}`, quota, 0, ""},
		"HardLimit":           {400, nil, apiError("Billing hard limit has been reached", "billing_hard_limit_reached"), quota, 0, "raise the limit"},
		"PaymentRequired":     {402, nil, `{"error":{"message":"Insufficient credits","code":402}}`, quota, 0, "Insufficient credits"},
		"PaymentTemporary":    {402, http.Header{"Retry-After": {"30"}}, "{}", limited, 30 * time.Second, ""},
		"WrongKey":            {401, nil, apiError("Incorrect API key provided", "invalid_api_key"), unauth, 0, "check api_key"},
		"Forbidden":           {403, nil, apiError("Country not supported", "unsupported_country_region_territory"), unauth, 0, ""},
		"ContextTooLong":      {400, nil, apiError("too long", "context_length_exceeded"), long, 0, "max_history_messages"},
		"ContextInWords":      {400, nil, `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}`, long, 0, ""},
		"ContextLlamaCpp":     {400, nil, `{"error":{"code":400,"message":"request exceeds the available context size","type":"exceed_context_size_error"}}`, long, 0, ""},
		"TooLarge":            {413, nil, "", long, 0, ""},
		"ContentFilter":       {400, nil, apiError("filtered", "content_filter"), refused, 0, "filtered"},
		"FlaggedPrompt":       {400, nil, apiError("flagged", "invalid_prompt"), refused, 0, ""},
		"BadRequest":          {400, nil, `{"error":{"message":"bad value","param":"temperature","code":"invalid_value"}}`, invalid, 0, "(check temperature)"},
		"BadTokens":           {400, nil, `{"error":{"message":"use max_completion_tokens","param":"max_tokens","code":"unsupported_parameter"}}`, invalid, 0, "(check max_output_tokens)"},
		"BadStreamOptions":    {422, nil, `{"error":{"message":"extra inputs","param":"stream_options"}}`, invalid, 0, "extra: {stream_options: null}"},
		"BadSomething":        {400, nil, `{"detail":"no"}`, invalid, 0, "400 Bad Request: no (check model, extra"},
		"UnknownModel":        {404, nil, apiError("The model does not exist", "model_not_found"), invalid, 0, "(check model)"},
		"UnknownModelInText":  {404, nil, `{"error":"model \"x\" not found, try pulling it first"}`, invalid, 0, "try pulling it first (check model, and that base_url"},
		"NotFound":            {404, nil, "404 page not found", invalid, 0, "base_url"},
		"Unprocessable":       {422, nil, "", invalid, 0, "422"},
		"Redirect":            {304, nil, "", invalid, 0, "base_url"},
		"Timeout":             {408, nil, "", down, 0, "408"},
		"Conflict":            {409, nil, "", down, 0, ""},
		"ServerError":         {500, nil, apiError("oops", "server_error"), down, 0, "oops"},
		"BadGatewayPage":      {502, nil, "<html><body>Bad Gateway</body></html>", down, 0, "502 Bad Gateway"},
		"Overloaded":          {503, http.Header{"Retry-After": {"3"}}, apiError("busy", ""), down, 3 * time.Second, ""},
		"GatewayTimeout":      {504, nil, "", down, 0, ""},
		"CloudflareTimeout":   {524, nil, "", down, 0, ""},
		"HugeErrorBody":       {500, nil, `{"error":{"message":"` + strings.Repeat("x", 1<<20) + `"}}`, down, 0, "500"},
		"LongMessage":         {500, nil, `{"error":{"message":"` + strings.Repeat("é", 1000) + `"}}`, down, 0, "é…"},
		"ErrorWithGoodStatus": {200, nil, `{"error":{"message":"Provider returned error","code":429}}`, limited, 0, "Provider returned error"},
		"ErrorWithoutStatus":  {200, nil, `{"error":{"message":"hm"}}`, down, 0, "error in the answer: hm"},
		"WebPage":             {200, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "<html>", invalid, 0, "base_url"},
		"NoChoices":           {200, nil, `{"choices":[]}`, down, 0, "the answer is empty"},
		"EmptyAnswer":         {200, nil, completion("", "stop"), down, 0, "the answer is empty"},
		"BlankAnswer":         {200, nil, completion(" \n", "stop"), down, 0, "the answer is empty"},
		"OnlyReasoned":        {200, nil, completion("", "length"), invalid, 0, "raise max_output_tokens"},
		"Filtered":            {200, nil, completion("Well, ", "content_filter"), refused, 0, "content filter"},
		"Declined":            {200, nil, `{"choices":[{"finish_reason":"stop","message":{"content":null,"refusal":"I can't help with that."}}]}`, refused, 0, "I can't help with that."},
		"InvalidUTF8":         {200, nil, strings.Replace(completion("a?b", "stop"), "?", "\xff\xfe", 1), down, 0, "not valid UTF-8"},
		"BrokenOffUTF8":       {200, nil, completion("a", "stop") + "\xe2\x82", down, 0, "not valid UTF-8"},
		"NoJSON":              {200, nil, "{]", down, 0, ""},
		"BrokenOffJSON":       {200, nil, completion("a", "stop")[:40], down, 0, ""},
		"TwentyMegabytes":     {200, nil, completion(strings.Repeat("x", 20<<20), "stop"), invalid, 0, "larger than allowed (bound the reply with max_output_tokens, or raise max_reply_bytes)"},
		"SlightlyTooLarge":    {200, nil, completion(strings.Repeat("x", 1<<20+1), "stop"), invalid, 0, "larger than allowed"},
	} {
		for mode, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				e := newExecutor(t, newServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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
				if c.want == invalid || c.want == unauth || c.want == quota {
					require.NotEmpty(t, ce.Remedy)
				}
				if c.status != 200 {
					require.Zero(t, ce.Usage, "nothing was generated")
				}
			})
		}
	}
}

func TestRetryAfterDate(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, newServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		writeJSON(w, http.StatusTooManyRequests, "{}")
	})), nil)
	_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.InDelta(t, 60, ce.RetryAfter.Seconds(), 5)
}

// What may come of a stream.
func TestErrorsInStreams(t *testing.T) {
	t.Parallel()
	hello := chunk(map[string]any{"content": "Hello"}, "")
	known := conversation.Usage{InputTokens: 12, OutputTokens: 5, CachedInputTokens: 8, Calls: 1}
	for name, c := range map[string]struct {
		events []string
		want   conversation.Kind // empty: an answer
		text   string
		usage  conversation.Usage
	}{
		"Complete":         {[]string{hello, chunk(nil, "stop"), usageChunk, "[DONE]"}, "", "Hello", known},
		"NoDone":           {[]string{hello, chunk(nil, "stop"), usageChunk}, "", "Hello", known},
		"NoUsage":          {[]string{hello, chunk(nil, "stop"), "[DONE]"}, "", "Hello", conversation.Usage{Calls: 1}},
		"OddEnd":           {[]string{hello, chunk(nil, "stop"), "{]"}, "", "Hello", conversation.Usage{Calls: 1}},
		"FinishWithText":   {[]string{chunk(map[string]any{"content": "Hello"}, "eos"), "[DONE]"}, "", "Hello", conversation.Usage{Calls: 1}},
		"Nothing":          {nil, conversation.Unavailable, "the stream ended before the answer did", conversation.Usage{Calls: 1}},
		"OnlyDone":         {[]string{"[DONE]"}, conversation.Unavailable, "the stream ended before the answer did", conversation.Usage{Calls: 1}},
		"CutOff":           {[]string{hello}, conversation.Unavailable, "the stream ended before the answer did", conversation.Usage{Calls: 1}},
		"CutOffWithUsage":  {[]string{hello, usageChunk}, conversation.Unavailable, "", known},
		"Empty":            {[]string{chunk(nil, "stop"), usageChunk, "[DONE]"}, conversation.Unavailable, "the answer is empty", known},
		"Filtered":         {[]string{hello, chunk(nil, "content_filter"), usageChunk, "[DONE]"}, conversation.Refused, "content filter", known},
		"Declined":         {[]string{chunk(map[string]any{"refusal": "No, "}, ""), chunk(map[string]any{"refusal": "sorry."}, "stop"), usageChunk}, conversation.Refused, "No, sorry.", known},
		"Reasoned":         {[]string{chunk(map[string]any{"reasoning_content": "hm"}, ""), chunk(nil, "length"), usageChunk}, conversation.Invalid, "raise max_output_tokens", known},
		"ErrorEvent":       {[]string{hello, `{"error":{"message":"The server had an error","type":"server_error"}}`}, conversation.Unavailable, "The server had an error", conversation.Usage{Calls: 1}},
		"QuotaEvent":       {[]string{hello, apiError("pay up", "insufficient_quota")}, conversation.QuotaExhausted, "pay up", conversation.Usage{Calls: 1}},
		"NumberedEvent":    {[]string{`{"error":{"code":429,"message":"upstream is busy"}}`}, conversation.RateLimited, "upstream is busy", conversation.Usage{Calls: 1}},
		"InvalidJSON":      {[]string{hello, "{]"}, conversation.Unavailable, "", conversation.Usage{Calls: 1}},
		"InvalidUTF8":      {[]string{strings.Replace(hello, "Hello", "He\xffo", 1)}, conversation.Unavailable, "not valid UTF-8", conversation.Usage{Calls: 1}},
		"OneHugeEvent":     {[]string{chunk(map[string]any{"content": strings.Repeat("x", 20<<20)}, "")}, conversation.Invalid, "larger than allowed", conversation.Usage{Calls: 1}},
		"EventWithoutEnd":  {[]string{strings.Repeat("x\ndata: ", 2<<20)}, conversation.Invalid, "larger than allowed", conversation.Usage{Calls: 1}},
		"ManyLargeEvents":  {repeat(chunk(map[string]any{"content": strings.Repeat("x", 1<<18)}, ""), 80), conversation.Invalid, "larger than allowed", conversation.Usage{Calls: 1}},
		"CommentsAreFine":  {[]string{": OPENROUTER PROCESSING", hello, chunk(nil, "stop")}, "", "Hello", conversation.Usage{Calls: 1}},
		"LargeButAllowed":  {append(repeat(chunk(map[string]any{"content": strings.Repeat("x", 1<<18)}, ""), 4), chunk(nil, "stop")), "", "x", conversation.Usage{Calls: 1}},
		"ManyTinyIsNoHarm": {append(repeat(chunk(map[string]any{"content": "y "}, ""), 50_000), chunk(nil, "stop")), "", "y ", conversation.Usage{Calls: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ call) {
				writeEvents(w, c.events...)
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

func repeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// A connection that breaks says nothing about the answer: another try may help.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	abort := func(before ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if len(before) > 0 {
				writeEvents(w, before...)
			}
			panic(http.ErrAbortHandler)
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"BeforeTheAnswer": abort(),
		"Midway":          abort(chunk(map[string]any{"content": "Hello"}, "")),
	} {
		for mode, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				e := newExecutor(t, newServer(t, handler), change)
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
				require.NotContains(t, err.Error(), "http://", "no addresses: they may hold secrets")
			})
		}
	}
	t.Run("NobodyListens", func(t *testing.T) {
		t.Parallel()
		server := newServer(t, http.NotFoundHandler())
		e := newExecutor(t, server, nil)
		server.Close()
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
		require.ErrorContains(t, err, "connection refused (check base_url, and that the server is running)")
	})
	t.Run("UntrustedCertificate", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = quiet
		server.StartTLS()
		t.Cleanup(server.Close)
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		e := newExecutor(t, server, func(c *openai.Config) { c.HTTPClient = &http.Client{Transport: transport} })
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
		require.ErrorContains(t, err, "trusts the server's certificate")
	})
}

// Nothing is tried twice: the caller does that.
func TestNoRetries(t *testing.T) {
	t.Parallel()
	modeltest.NoRetries(t, modeltest.Modes(newExecutor, map[string]func(*openai.Config){"Default": nil}))
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
	require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
	require.Len(t, calls, 2)
}

// A server may send its client elsewhere; the key does not go there.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	modeltest.RedirectsAreNotFollowed(t, modeltest.Modes(newExecutor, map[string]func(*openai.Config){"Default": nil}))
}

// A server may repeat the key it was sent wherever it likes.
func TestNoErrorHoldsAKey(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 302, 400, 401, 402, 403, 404, 413, 422, 429, 500, 503} {
		for mode, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
			t.Run(fmt.Sprint(status, "/", mode), func(t *testing.T) {
				t.Parallel()
				e := newExecutor(t, newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					echo := r.Header.Get("Authorization") + " and " + r.Header.Get("X-Gateway-Key") + " and sk-proj-abc***********xyz"
					w.Header().Set("X-Echo", echo)
					w.Header().Set("Location", "http://127.0.0.1:1/?"+key)
					body := map[string]any{"message": echo, "type": echo, "code": echo, "param": echo}
					writeJSON(w, status, toJSON(map[string]any{"error": body}))
				})), change)
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				require.Error(t, err)
				checkErr := e.Check(t.Context())
				for unwrapped := err; unwrapped != nil; {
					for _, text := range []string{unwrapped.Error(), fmt.Sprintf("%+v", unwrapped), fmt.Sprintf("%#v", unwrapped), fmt.Sprintf("%v %+v", checkErr, checkErr)} {
						require.NotContains(t, text, key)
						require.NotContains(t, text, headerKey)
						require.NotContains(t, text, "sk-proj")
					}
					u, ok := unwrapped.(interface{ Unwrap() error })
					if !ok {
						break
					}
					unwrapped = u.Unwrap()
				}
			})
		}
	}
}

func TestCancelledMidway(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, r *http.Request, _ call) {
		writeEvents(w, chunk(map[string]any{"content": "Hello"}, ""))
		<-r.Context().Done()
	}), nil)
	req := executortest.Request("c1", "Hi")
	req.OnDelta = func(string) { cancel() }
	_, err := e.Execute(ctx, req)
	require.ErrorIs(t, err, context.Canceled)
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, int64(1), ce.Usage.Calls, "a cancelled call may cost")
}
