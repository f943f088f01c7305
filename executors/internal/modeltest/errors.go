package modeltest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
)

const (
	limited = conversation.RateLimited
	quota   = conversation.QuotaExhausted
	unauth  = conversation.Unauthorized
	down    = conversation.Unavailable
	long    = conversation.ContextTooLong
	invalid = conversation.Invalid
)

// Rejects tests, in both modes, the error for a response that is no answer.
func (v Vendor) Rejects(t *testing.T, name string, s Response) {
	t.Helper()
	eachMode(t, name+"/", func(t *testing.T, whole bool) {
		_, err := v.asking(t, whole, s).Execute(t.Context(), executortest.Request("c1", "Hi"))
		ce := s.Require(t, err)
		if s.Status != http.StatusOK {
			require.Zero(t, ce.Usage, "nothing was generated")
		}
	})
}

// errors are failures with an HTTP status, and unusable answers.
func (v Vendor) errors(t *testing.T) {
	after := func(s string) http.Header { return http.Header{"Retry-After": {s}} }
	for name, s := range map[string]Response{
		"RateLimitNoBody":    {429, nil, "", limited, 0, "429"},
		"RetryAfterSeconds":  {429, after("20"), "{}", limited, 20 * time.Second, ""},
		"RetryAfterFraction": {429, after("1.5"), "{}", limited, 1500 * time.Millisecond, ""},
		"RetryAfterMs":       {429, http.Header{"Retry-After": {"20"}, "Retry-After-Ms": {"250"}}, "{}", limited, 250 * time.Millisecond, ""},
		"RetryAfterPast":     {429, after("Wed, 21 Oct 2015 07:28:00 GMT"), "{}", limited, 0, ""},
		"RetryAfterNonsense": {429, after("soon"), "{}", limited, 0, ""},
		"RetryAfterHuge":     {429, after("1e300"), "{}", limited, 7 * 24 * time.Hour, ""},
		"RetryAfterNegative": {429, after("-5"), "{}", limited, 0, ""},
		"PaymentRequired":    {402, nil, "{}", quota, 0, "402 Payment Required"},
		"PaymentTemporary":   {402, after("30"), "{}", limited, 30 * time.Second, ""},
		"Unauthorized":       {401, nil, `{"message":"no such key"}`, unauth, 0, "check api_key"},
		"Forbidden":          {403, nil, `{"detail":"not yours"}`, unauth, 0, "403 Forbidden"},
		"Challenge":          {401, http.Header{"Www-Authenticate": {"Bearer"}}, "", unauth, 0, "check api_key"},
		"TooLarge":           {413, nil, "", long, 0, "max_history_messages"},
		"TooLargePage":       {413, nil, "<html><head><title>413 Request Entity Too Large</title></head></html>", down, 0, "a proxy's limit on the size of requests (“413 Request Entity Too Large”); this is not the agent's own answer (raise the proxy's limit"},
		"TooLargeText":       {413, http.Header{"Content-Type": {"text/plain"}}, "Request Entity Too Large", down, 0, "a proxy's limit"},
		"Redirect":           {302, http.Header{"Location": {"http://127.0.0.1:1/"}}, "", down, 0, "set base_url to where the server redirects"},
		"NotModified":        {304, nil, "", down, 0, "base_url"},
		"Unprocessable":      {422, nil, `{"detail":[{"msg":"no"}]}`, invalid, 0, "422"},
		"Timeout":            {408, nil, "", down, 0, "408"},
		"Conflict":           {409, nil, "", down, 0, ""},
		"BadGatewayPage":     {502, nil, "<html><body>Bad Gateway</body></html>", down, 0, "502 Bad Gateway"},
		"UnavailableAfter":   {503, after("3"), "", down, 3 * time.Second, "503"},
		"GatewayTimeout":     {504, nil, "", down, 0, ""},
		"CloudflareTimeout":  {524, nil, "", down, 0, "524"},
		"OverloadedNoBody":   {529, nil, "", down, 0, "529"},
		"HugeErrorBody":      {500, nil, `{"error":{"message":"` + strings.Repeat("x", 1<<20) + `"}}`, down, 0, "500"},
		"LongMessage":        {500, nil, `{"error":{"message":"` + strings.Repeat("é", 1000) + `"}}`, down, 0, "é…"},
		"EmptyAnswer":        {200, nil, v.Whole(""), down, 0, "the answer is empty"},
		"BlankAnswer":        {200, nil, v.Whole(" \n"), down, 0, "the answer is empty"},
		"InvalidUTF8":        {200, nil, strings.Replace(v.Whole("a?b"), "?", "\xff\xfe", 1), down, 0, "not valid UTF-8"},
		"BrokenOffUTF8":      {200, nil, v.Whole("a") + "\xe2\x82", down, 0, "not valid UTF-8"},
		"NoJSON":             {200, nil, "{]", down, 0, ""},
		"BrokenOffJSON":      {200, nil, v.Whole("a")[:40], down, 0, ""},
		"TwentyMegabytes":    {200, nil, v.Whole(strings.Repeat("x", 20<<20)), invalid, 0, "larger than allowed (bound the reply with max_output_tokens)"},
		"SlightlyTooLarge":   {200, nil, v.Whole(strings.Repeat("x", 1<<20+1)), invalid, 0, "larger than allowed"},
	} {
		v.Rejects(t, name, s)
	}
	for name, s := range foreignAnswers() {
		v.Rejects(t, "Foreign"+name, s)
	}
	t.Run("RetryAfterDate", func(t *testing.T) {
		t.Parallel()
		in := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
		_, err := v.asking(t, false, Response{Status: 429, Header: after(in), Body: "{}"}).Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.InDelta(t, 60, RequireError(t, err, limited, "").RetryAfter.Seconds(), 5)
	})
}

// Streamed is what a server streams and the expected result.
type Streamed struct {
	Events []string
	Kind   conversation.Kind // empty: success
	Text   string            // part of the answer or of the error
	Usage  conversation.Usage
}

// Streams tests the result of a stream.
func (v Vendor) Streams(t *testing.T, name string, s Streamed) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		e := v.asking(t, false, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { WriteEvents(w, s.Events...) }))
		res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		if s.Kind == "" {
			require.NoError(t, err)
			require.Contains(t, res.Message.Text(), s.Text)
			require.Equal(t, s.Usage, res.Usage)
			return
		}
		require.Equal(t, s.Usage, RequireError(t, err, s.Kind, s.Text).Usage)
	})
}

func (v Vendor) streams(t *testing.T) {
	hello := append(v.Begin[:len(v.Begin):len(v.Begin)], v.Delta("Hello"))
	then := func(events ...string) []string { return append(hello[:len(hello):len(hello)], events...) }
	large := v.Delta(strings.Repeat("x", 1<<18))
	for name, s := range map[string]Streamed{
		"Complete":        {v.events("Hello"), "", "Hello", v.Known},
		"Nothing":         {nil, down, "the stream ended before the answer did", conversation.Usage{Calls: 1}},
		"Empty":           {v.events(), down, "the answer is empty", v.Known},
		"ErrorEvent":      {then(v.ErrorEvent("oops")), down, "error in the answer", v.Begun},
		"InvalidUTF8":     {then(strings.Replace(v.Delta("Hello"), "Hello", "He\xffo", 1)), down, "not valid UTF-8", v.Begun},
		"OneHugeEvent":    {then(v.Delta(strings.Repeat("x", 20<<20))), invalid, "larger than allowed", v.Begun},
		"EventWithoutEnd": {then(strings.Repeat("data: x\n", 2<<20)), invalid, "larger than allowed", v.Begun},
		"ManyLargeEvents": {then(Repeat(large, 80)...), invalid, "larger than allowed", v.Begun},
		"LargeButAllowed": {append(append(v.Begin[:len(v.Begin):len(v.Begin)], Repeat(large, 4)...), v.End...), "", "x", v.Known},
	} {
		v.Streams(t, name, s)
	}
}

// A server may echo the key in any place.
func (v Vendor) noErrorHoldsAKey(t *testing.T) {
	secrets := []string{Key, HeaderKey, v.ForeignKey[:4]}
	echo := func(r *http.Request) string {
		return r.Header.Get(v.KeyHeader) + " and " + r.Header.Get("X-Gateway-Key") + " and " + v.ForeignKey
	}
	for _, status := range []int{200, 302, 400, 401, 402, 403, 404, 413, 422, 429, 500, 503, 529} {
		eachMode(t, fmt.Sprint(status, "/"), func(t *testing.T, whole bool) {
			e := v.asking(t, whole, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Echo", echo(r))
				w.Header().Set("Location", "http://127.0.0.1:1/?"+Key)
				WriteJSON(w, status, v.Error(status, echo(r)))
			}))
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.Error(t, err)
			NoSecrets(t, err, secrets...)
			NoSecrets(t, e.Check(t.Context()), secrets...)
		})
	}
	t.Run("InStream", func(t *testing.T) {
		t.Parallel()
		e := v.asking(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			WriteEvents(w, append(v.Begin[:len(v.Begin):len(v.Begin)], v.ErrorEvent(echo(r)))...)
		}))
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.ErrorContains(t, err, "[redacted]")
		NoSecrets(t, err, secrets...)
	})
}

func (v Vendor) cancelledMidway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := v.asking(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		WriteEvents(w, append(v.Begin[:len(v.Begin):len(v.Begin)], v.Delta("Hello"))...)
		stall(w, r)
	}))
	req := executortest.Request("c1", "Hi")
	req.OnDelta = func(string) { cancel() }
	_, err := e.Execute(ctx, req)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, v.Begun, RequireError(t, err, down, "").Usage, "a cancelled call costs")
}
