package http_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/wire"
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

// said is a type of this package, so that rows go without the names of fields.
type said modeltest.Response

// What an agent may answer, and what that means.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]said{
		"TooManyRequests":    {429, nil, "", limited, 0, "429 Too Many Requests"},
		"RetryAfterSeconds":  {429, http.Header{"Retry-After": {"20"}}, "", limited, 20 * time.Second, ""},
		"RetryAfterInBody":   {429, nil, `{"error": {"message": "slow down", "retry_after": 2.5}}`, limited, 2500 * time.Millisecond, "slow down"},
		"RetryAfterHuge":     {429, http.Header{"Retry-After": {"1e300"}}, "", limited, 7 * 24 * time.Hour, ""},
		"RetryAfterNonsense": {429, http.Header{"Retry-After": {"soon"}}, "", limited, 0, ""},
		"Quota":              {429, nil, `{"error": {"kind": "QuotaExhausted", "message": "nothing left"}}`, quota, 0, "nothing left” (add credit"},
		"PaymentRequired":    {402, nil, "", quota, 0, ""},
		"PaymentTemporary":   {402, http.Header{"Retry-After": {"30"}}, "", limited, 30 * time.Second, ""},
		"WrongKey":           {401, nil, `{"detail": "Not authenticated"}`, unauth, 0, "Not authenticated” (check bearer_token, hmac and headers"},
		"Forbidden":          {403, nil, "not yours", unauth, 0, ""},
		"Challenge":          {401, http.Header{"Www-Authenticate": {"Bearer"}}, "", unauth, 0, ""},
		"TooLong":            {413, nil, "", long, 0, ""},
		"TooLongInWords":     {400, nil, `{"error": {"kind": "context_too_long", "message": "m"}}`, long, 0, "(have the agent shorten"},
		"Refused":            {200, nil, `{"error": {"kind": "Refused", "message": "not that"}}`, refused, 0, "the agent reports: “not that”"},
		"Filtered":           {200, nil, `{"message": "Well", "finish_reason": "content_filter"}`, refused, 0, "content filter"},
		"BadRequest":         {400, nil, `{"message": "no turn"}`, invalid, 0, "400 Bad Request: “no turn” (check url, request and response"},
		"NotFound":           {404, nil, `{"detail": "Not Found"}`, invalid, 0, "(check url: no POST is accepted there)"},
		"NoPost":             {405, nil, `{"detail": "Method Not Allowed"}`, invalid, 0, "no POST is accepted"},
		"OtherFields":        {422, nil, `{"detail": [{"loc": ["body", "input"], "msg": "field required"}]}`, invalid, 0, "“input: field required” (check request"},
		"OwnRemedy":          {400, nil, `{"error": {"message": "m", "remedy": "ask Jo"}}`, invalid, 0, "(“ask Jo”)"},
		"Redirect":           {302, nil, "", down, 0, "where the server redirects"},
		"Timeout":            {408, nil, "", down, 0, ""},
		"ServerError":        {500, nil, "Internal Server Error", down, 0, "500 Internal Server Error"},
		"BadGatewayPage":     {502, nil, "<html><body>Bad Gateway</body></html>", down, 0, "502 Bad Gateway"},
		"Overloaded":         {503, http.Header{"Retry-After": {"3"}}, "", down, 3 * time.Second, ""},
		"HugeErrorBody":      {500, nil, `{"error":{"message":"` + strings.Repeat("x", 1<<20) + `"}}`, down, 0, "500"},
		"LongMessage":        {500, nil, `{"error":{"message":"` + strings.Repeat("é", 1000) + `"}}`, down, 0, "é…"},
		"ErrorWithoutKind":   {200, nil, `{"error": "hm"}`, down, 0, "the agent reports: “hm”"},
		"WebPage":            {200, http.Header{"Content-Type": {"text/html"}}, "<html>", down, 0, "200 OK: a web page; this is not the agent's own answer (check that url leads to the agent)"},
		"PageAsJSON":         {200, nil, "<html>", down, 0, "a web page"},
		"Page401":            {401, http.Header{"Content-Type": {"text/html"}}, "Sign in", down, 0, "401 Unauthorized: a web page"},
		"Page404":            {404, nil, "<html>", down, 0, "404 Not Found: a web page"},
		"Page422":            {422, nil, "<html>", down, 0, "a web page"},
		"Empty401":           {401, nil, "", down, 0, "401 Unauthorized: an empty body"},
		"Empty404":           {404, nil, "", down, 0, "404 Not Found: an empty body"},
		"AnotherServer":      {404, http.Header{"Content-Type": {"text/plain"}}, "404 page not found", down, 0, "“404 page not found”; this is not the agent's own answer"},
		"EmptyBody":          {200, nil, "", down, 0, "the answer is empty"},
		"NoContent":          {204, nil, "", down, 0, "the answer is empty"},
		"EmptyAnswer":        {200, nil, `{"message": ""}`, down, 0, "the answer is empty"},
		"ForeignWords":       {200, nil, `{"output": "Hi"}`, down, 0, "it has none of message, delta, end and error; this is not the agent's own answer (check url, request and response"},
		"NoJSON":             {200, nil, "Hello!", down, 0, "not a JSON object"},
		"BrokenOffJSON":      {200, nil, `{"message": "Hel`, down, 0, "ended before"},
		"InvalidUTF8":        {200, nil, "{\"message\": \"a\xff\xfeb\"}", down, 0, "not valid UTF-8"},
		"TwentyMegabytes":    {200, nil, `{"message": "` + strings.Repeat("x", 20<<20) + `"}`, invalid, 0, "larger than allowed (have the agent answer with less)"},
		"SlightlyTooLarge":   {200, nil, `{"message": "` + strings.Repeat("x", 1<<20+1000) + `"}`, invalid, 0, "larger than allowed"},
		"AcceptedNowhere":    {202, nil, `{}`, invalid, 0, "202 has neither Location nor attach"},
		"AcceptedElsewhere":  {202, http.Header{"Location": {"http://elsewhere.example/run/1"}}, "", invalid, 0, "keys go to no other"},
	} {
		for mode, change := range map[string]func(*agent.Config){"Streaming": streaming, "Whole": nil} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				said := modeltest.Response(c)
				server := serve(t, func(w http.ResponseWriter, r *http.Request, _ wire.Request) { said.ServeHTTP(w, r) })
				e := newExecutor(t, server, change, func(c *agent.Config) { c.PollInterval = time.Millisecond })
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				said.Require(t, err)
			})
		}
	}
}

// What may come of a stream.
func TestErrorsInStreams(t *testing.T) {
	t.Parallel()
	const hello = `{"delta": "Hello", "usage": {"input_tokens": 12}}`
	known := conversation.Usage{InputTokens: 12, Calls: 1}
	one := conversation.Usage{Calls: 1}
	for name, c := range map[string]struct {
		events []string
		want   conversation.Kind
		text   string
		usage  conversation.Usage
	}{
		"Nothing":       {nil, down, "the stream ended before the answer did", one},
		"CutOff":        {[]string{hello}, down, "the stream ended before the answer did", known},
		"Empty":         {[]string{`{"finish_reason": "stop"}`}, invalid, "it has none of message", one},
		"EmptyDelta":    {[]string{`{"delta": ""}`, `{"finish_reason": "stop"}`}, down, "the answer is empty", one},
		"ErrorEvent":    {[]string{hello, `{"error": {"kind": "RateLimited", "message": "later"}}`}, limited, "later", known},
		"NamedError":    {[]string{hello, "event: error\ndata: {\"message\": \"boom\"}"}, down, "boom", known},
		"InvalidJSON":   {[]string{hello, "{]"}, invalid, "not a JSON object", known},
		"InvalidUTF8":   {[]string{hello, "{\"delta\": \"He\xffo\"}"}, down, "not valid UTF-8", known},
		"OneHugeEvent":  {[]string{`{"delta": "` + strings.Repeat("x", 20<<20) + `"}`}, invalid, "larger than allowed", one},
		"EndlessEvent":  {[]string{strings.Repeat("x\ndata: ", 4<<20)}, invalid, "larger than allowed", one},
		"ManyLarge":     {modeltest.Repeat(`{"delta": "`+strings.Repeat("x", 1<<18)+`"}`, 80), invalid, "larger than allowed", one},
		"DoesNotAddUp":  {[]string{hello, `{"message": "Bye"}`}, invalid, "do not add up", known},
		"AnotherFormat": {modeltest.Repeat(`{"choices": [{"delta": {"content": "Hi"}}]}`, 3), down, "the stream ended before the answer did", one},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ wire.Request) {
				modeltest.WriteEvents(w, modeltest.Events(c.events...)...)
			}), streaming)
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.Equal(t, c.usage, modeltest.RequireError(t, err, c.want, c.text).Usage)
		})
	}
}

// A connection that breaks says nothing about the answer: another try may help.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	const hungUp = "the server closed the connection without an answer"
	for name, before := range map[string][]string{"BeforeTheAnswer": nil, "Midway": {`{"delta": "Hello"}`}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ wire.Request) {
				if before != nil {
					modeltest.WriteEvents(w, modeltest.Events(before...)...)
				}
				panic(http.ErrAbortHandler)
			}))
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.True(t, conversation.IsKind(err, down), "%v", err)
			require.NotContains(t, err.Error(), "http://", "no addresses: they may hold secrets")
			require.Equal(t, before == nil, strings.Contains(err.Error(), hungUp), "%v", err)
		})
	}
	closes := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(closes.Close)
	require.ErrorContains(t, newExecutor(t, closes, func(c *agent.Config) { c.Health = "/health" }).Check(t.Context()), hungUp)
	modeltest.Unreachable(t, "check url, and that the agent is running",
		func(t *testing.T, server *httptest.Server, client *http.Client) executors.Executor {
			return newExecutor(t, server, func(c *agent.Config) { c.HTTPClient = client })
		})
}
