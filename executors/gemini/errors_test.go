package gemini_test

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
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/gemini"
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
	bad := func(message string, details ...any) string {
		return apiError(400, "INVALID_ARGUMENT", message, details...)
	}
	spent := func(message string, details ...any) string {
		return apiError(429, "RESOURCE_EXHAUSTED", message, details...)
	}
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		want   conversation.Kind
		after  time.Duration
		text   string // part of the error
	}{
		"PerMinute":           {429, nil, spent(exhausted, exceeded(perMinute), retryIn("34.074824224s")), limited, 34074824224, "429 Too Many Requests, RESOURCE_EXHAUSTED, " + perMinute + ": You exceeded"},
		"TokensPerMinute":     {429, nil, spent(exhausted, exceeded("GenerateContentInputTokensPerModelPerMinute-FreeTier")), limited, 0, ""},
		"PerDay":              {429, nil, spent(exhausted, exceeded(perDay), retryIn("12s")), quota, 12 * time.Second, "wait for the quota to be renewed"},
		"PerMinuteAndDay":     {429, nil, spent(exhausted, exceeded(perMinute, perDay)), quota, 0, perDay},
		"NoFreeTier":          {429, nil, strings.Replace(spent(exhausted, exceeded(perMinute)), `"20"`, `"0"`, 1), quota, 0, ""},
		"PerDayByMetric":      {429, nil, `{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"aiplatform.googleapis.com/requests_per_day"}]}]}}`, quota, 0, ""},
		"Prepaid":             {429, nil, spent("Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing."), quota, 0, "credits"},
		"SpendCap":            {429, nil, spent("Your project has exceeded its monthly spending cap."), quota, 0, ""},
		"SharedCapacity":      {429, nil, "[" + spent("Resource exhausted. Please try again later.") + "]", limited, 0, "Please try again later"},
		"CheckQuota":          {429, nil, spent("Resource has been exhausted (e.g. check quota)."), limited, 0, ""},
		"RateLimitNoBody":     {429, http.Header{"Retry-After": {"20"}}, "", limited, 20 * time.Second, "429"},
		"RetryInfoBeats":      {429, http.Header{"Retry-After": {"20"}}, spent("no", retryIn("3s")), limited, 3 * time.Second, ""},
		"RetryInfoNonsense":   {429, nil, spent("no", retryIn("soon")), limited, 0, ""},
		"RetryInfoNegative":   {429, nil, spent("no", retryIn("-3s")), limited, 0, ""},
		"RetryInfoHuge":       {429, nil, spent("no", retryIn("900000s")), limited, 7 * 24 * time.Hour, ""},
		"WrongKey":            {400, nil, bad("API key not valid. Please pass a valid API key.", info("API_KEY_INVALID")), unauth, 0, "check api_key"},
		"WrongKeyInWords":     {400, nil, bad("API key expired. Please renew the API key."), unauth, 0, "check api_key"},
		"NoKey":               {403, nil, apiError(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers"), unauth, 0, "check api_key"},
		"NotEnabled":          {403, nil, apiError(403, "PERMISSION_DENIED", "API has not been used in project 1", info("SERVICE_DISABLED")), unauth, 0, "SERVICE_DISABLED"},
		"NoBilling":           {403, nil, apiError(403, "PERMISSION_DENIED", "This API method requires billing to be enabled.", info("BILLING_DISABLED")), quota, 0, "enable billing"},
		"Token":               {401, nil, apiError(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", info("ACCESS_TOKEN_EXPIRED")), unauth, 0, "401 Unauthorized"},
		"UnauthorizedByCode":  {401, nil, "{}", unauth, 0, ""},
		"Forbidden":           {403, nil, "<html>", unauth, 0, "403 Forbidden"},
		"Country":             {400, nil, apiError(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), unauth, 0, "enable billing for the key's project"},
		"FreeTierCountry":     {400, nil, apiError(400, "FAILED_PRECONDITION", "Gemini API free tier is not available in your country. Please enable billing on your project."), quota, 0, ""},
		"TooManyTokens":       {400, nil, bad("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."), long, 0, "max_history_messages"},
		"TooManyTokensOld":    {400, nil, bad("The input token count exceeds the maximum number of tokens allowed 1048575."), long, 0, ""},
		"TooLarge":            {413, nil, "", long, 0, "413"},
		"PayloadTooLarge":     {400, nil, bad("Request payload size exceeds the limit: 20971520 bytes."), long, 0, ""},
		"BadTemperature":      {400, nil, bad("* GenerateContentRequest.generation_config.temperature: out of range"), invalid, 0, "(check temperature)"},
		"BadTokens":           {400, nil, bad("max_output_tokens must be positive"), invalid, 0, "(check max_output_tokens)"},
		"BadSomething":        {400, nil, bad("no"), invalid, 0, "400 Bad Request, INVALID_ARGUMENT: no (check model, extra"},
		"UnknownModel":        {404, nil, apiError(404, "NOT_FOUND", "models/x is not found for API version v1beta"), invalid, 0, "(check model"},
		"NotFound":            {404, nil, "404 page not found", invalid, 0, "without the /v1beta"},
		"Redirect":            {302, http.Header{"Location": {"http://127.0.0.1:1/"}}, "", invalid, 0, "set base_url to where the server redirects"},
		"PaymentRequired":     {402, nil, "{}", quota, 0, ""},
		"PaymentTemporary":    {402, http.Header{"Retry-After": {"30"}}, "{}", limited, 30 * time.Second, ""},
		"Internal":            {500, nil, apiError(500, "INTERNAL", "An internal error has occurred."), down, 0, "INTERNAL"},
		"Overloaded":          {503, http.Header{"Retry-After": {"3"}}, apiError(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), down, 3 * time.Second, "overloaded"},
		"Deadline":            {504, nil, apiError(504, "DEADLINE_EXCEEDED", "Deadline expired"), down, 0, ""},
		"Cancelled":           {499, nil, apiError(499, "CANCELLED", "The operation was cancelled."), down, 0, ""},
		"Status529":           {529, nil, "", down, 0, "529"},
		"Timeout":             {408, nil, "", down, 0, "408"},
		"BadGatewayPage":      {502, nil, "<html><body>Bad Gateway</body></html>", down, 0, "502 Bad Gateway"},
		"HugeErrorBody":       {500, nil, `{"error":{"message":"` + strings.Repeat("x", 1<<20) + `"}}`, down, 0, "500"},
		"LongMessage":         {500, nil, apiError(500, "INTERNAL", strings.Repeat("é", 1000)), down, 0, "é…"},
		"ErrorWithGoodStatus": {200, nil, spent("no", exceeded(perMinute), retryIn("3s")), limited, 3 * time.Second, "error in the answer, RESOURCE_EXHAUSTED"},
		"WebPage":             {200, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "<html>", invalid, 0, "base_url"},
		"NoCandidates":        {200, nil, `{"candidates":[]}`, down, 0, "the answer is empty"},
		"NoContent":           {200, nil, `{"candidates":[{"finishReason":"STOP"}]}`, down, 0, "the answer is empty"},
		"BlankAnswer":         {200, nil, piece(" \n", "STOP"), down, 0, "the answer is empty"},
		"OnlyReasoned":        {200, nil, piece("", "MAX_TOKENS"), invalid, 0, "raise max_output_tokens"},
		"PromptBlocked":       {200, nil, `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":12}}`, refused, 0, "the prompt was blocked (PROHIBITED_CONTENT)"},
		"PromptBlockedWhy":    {200, nil, `{"promptFeedback":{"blockReason":"MODEL_ARMOR","blockReasonMessage":"Not this."}}`, refused, 0, "(MODEL_ARMOR): Not this."},
		"Safety":              {200, nil, piece("Well, ", "SAFETY"), refused, 0, "a filter stopped the answer (SAFETY)"},
		"Prohibited":          {200, nil, piece("", "PROHIBITED_CONTENT"), refused, 0, "PROHIBITED_CONTENT"},
		"Recitation":          {200, nil, piece("To be or", "RECITATION"), refused, 0, "RECITATION"},
		"Blocklist":           {200, nil, piece("", "BLOCKLIST"), refused, 0, ""},
		"BrokenOff":           {200, nil, piece("Well, ", "OTHER"), down, 0, "the model broke off (OTHER)"},
		"Malformed":           {200, nil, piece("", "MALFORMED_FUNCTION_CALL"), down, 0, ""},
		"Continuation":        {200, nil, piece("Well, ", "CONTINUATION"), down, 0, ""},
		"InvalidUTF8":         {200, nil, strings.Replace(piece("a?b", "STOP"), "?", "\xff\xfe", 1), down, 0, "not valid UTF-8"},
		"BrokenOffUTF8":       {200, nil, piece("a", "STOP") + "\xe2\x82", down, 0, "not valid UTF-8"},
		"NoJSON":              {200, nil, "{]", down, 0, "the answer cannot be read"},
		"BrokenOffJSON":       {200, nil, piece("a", "STOP")[:40], down, 0, "the answer cannot be read"},
		"OddShape":            {200, nil, `{"candidates":5}`, down, 0, "the answer cannot be read"},
		"TwentyMegabytes":     {200, nil, piece(strings.Repeat("x", 20<<20), "STOP"), invalid, 0, "larger than allowed (bound the reply with max_output_tokens, or raise max_reply_bytes)"},
		"SlightlyTooLarge":    {200, nil, piece(strings.Repeat("x", 1<<20+1), "STOP"), invalid, 0, "larger than allowed"},
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
	hello := event(unfinished("Hello"))
	end := event(piece("!", "STOP"))
	once := conversation.Usage{Calls: 1}
	for name, c := range map[string]struct {
		events []string
		want   conversation.Kind // empty: an answer
		text   string
		usage  conversation.Usage
	}{
		"Complete":         {[]string{hello, end}, "", "Hello!", known},
		"CarriageReturns":  {[]string{hello + "\r\n\r", end + "\r\n\r"}, "", "Hello!", known},
		"OddEnd":           {[]string{hello, end, "data: {]"}, "", "Hello!", known},
		"ErrorAfterTheEnd": {[]string{hello, end, event(apiError(500, "INTERNAL", "late"))}, "", "Hello!", known},
		"ThoughtsAreNot":   {[]string{event(thinking("hm")), hello, end}, "", "Hello!", known},
		"Nothing":          {nil, down, "the stream ended before the answer did", once},
		"CutOff":           {[]string{hello}, down, "the stream ended before the answer did", begun},
		"Empty":            {[]string{event(piece("", "STOP"))}, down, "the answer is empty", known},
		"Reasoned":         {[]string{event(thinking("hm")), event(piece("", "MAX_TOKENS"))}, invalid, "raise max_output_tokens", known},
		"Safety":           {[]string{hello, event(piece("", "SAFETY"))}, refused, "a filter stopped the answer (SAFETY)", known},
		"PromptBlocked":    {[]string{event(`{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":12}}`)}, refused, "the prompt was blocked (SAFETY)", conversation.Usage{InputTokens: 12, Calls: 1}},
		"BrokenOff":        {[]string{hello, event(piece("", "OTHER"))}, down, "the model broke off (OTHER)", known},
		"Continuation":     {[]string{hello, event(strings.Replace(piece("", "CONTINUATION"), `"index"`, `"continuationToken":"dG9rZW4=","index"`, 1))}, down, "CONTINUATION", known},
		"CutOffResumable":  {[]string{event(strings.Replace(unfinished("Hello"), `"index"`, `"continuationToken":"dG9rZW4=","index"`, 1))}, down, "the stream ended", begun},
		"Overloaded":       {[]string{hello, event(apiError(503, "UNAVAILABLE", "The model is overloaded."))}, down, "error in the answer, UNAVAILABLE: The model is overloaded.", begun},
		"PerMinute":        {[]string{event(apiError(429, "RESOURCE_EXHAUSTED", exhausted, exceeded(perMinute)))}, limited, perMinute, once},
		"PerDay":           {[]string{event(apiError(429, "RESOURCE_EXHAUSTED", exhausted, exceeded(perDay)))}, quota, perDay, once},
		"BareError":        {[]string{hello, apiError(503, "UNAVAILABLE", "The model is overloaded.")}, down, "overloaded", begun},
		"InvalidJSON":      {[]string{hello, "data: {\"secret words\":]"}, down, "the answer cannot be read", begun},
		"NoEvent":          {[]string{hello, "what?"}, down, "the answer cannot be read", begun},
		"OddShape":         {[]string{hello, `data: {"candidates":5}`}, down, "the answer cannot be read", begun},
		"InvalidUTF8":      {[]string{hello, strings.Replace(hello, "Hello", "He\xffo", 1)}, down, "not valid UTF-8", begun},
		"OneHugeEvent":     {[]string{hello, event(unfinished(strings.Repeat("x", 20<<20)))}, invalid, "larger than allowed", begun},
		"EventWithoutEnd":  {[]string{hello, strings.Repeat("data: x\n", 2<<20)}, invalid, "larger than allowed", begun},
		"ManyLargeEvents":  {modeltest.Repeat(event(unfinished(strings.Repeat("x", 1<<18))), 80), invalid, "larger than allowed", begun},
		"LargeButAllowed":  {append(modeltest.Repeat(event(unfinished(strings.Repeat("x", 1<<18))), 3), end), "", "x!", known},
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
		"Midway":          modeltest.Abort(event(unfinished("Hello"))),
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
		e := newExecutor(t, server, func(c *gemini.Config) { c.HTTPClient = &http.Client{Transport: transport} })
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
					echo := r.Header.Get("X-Goog-Api-Key") + " and " + r.Header.Get("X-Gateway-Key") + " and AIzaSyA-abc***********xyz"
					w.Header().Set("X-Echo", echo)
					w.Header().Set("Location", "http://127.0.0.1:1/?"+key)
					modeltest.WriteJSON(w, status, apiError(status, echo, echo, info(echo), exceeded(echo)))
				})), change)
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				require.Error(t, err)
				modeltest.NoSecrets(t, err, key, headerKey, "AIza")
				modeltest.NoSecrets(t, e.Check(t.Context()), key, headerKey, "AIza")
			})
		}
	}
	t.Run("InStream", func(t *testing.T) {
		t.Parallel()
		e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
			modeltest.WriteEvents(w, event(apiError(500, "INTERNAL", c.Header.Get("X-Goog-Api-Key"))))
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
		modeltest.WriteEvents(w, event(unfinished("Hello")))
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
