package httpclient_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/parley-run/parley/internal/httpclient"
)

// inSpan is the context of a span, and the header that it makes.
var inSpan = trace.NewSpanContext(trace.SpanContextConfig{
	TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
})

const traceparent = "00-01000000000000000000000000000000-0200000000000000-01"

func TestTraceContext(t *testing.T) {
	t.Parallel()
	state, err := trace.ParseTraceState("vendor=x")
	require.NoError(t, err)
	for name, row := range map[string]struct {
		span     trace.SpanContext
		untraced bool
		own      string // what the request has already
		want     string
		state    string
	}{
		"no span":             {},
		"a span":              {span: inSpan, want: traceparent},
		"a span with a state": {span: inSpan.WithTraceState(state), want: traceparent, state: "vendor=x"},
		"an untraced client":  {span: inSpan, untraced: true},
		"the caller's own":    {span: inSpan, own: "00-own", want: "00-own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got http.Header
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
			t.Cleanup(server.Close)
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				req, err := http.NewRequestWithContext(trace.ContextWithSpanContext(t.Context(), row.span), method, server.URL, http.NoBody)
				require.NoError(t, err)
				if row.own != "" {
					req.Header.Set("traceparent", row.own)
				}
				res, err := httpclient.New(httpclient.Config{Untraced: row.untraced}).Do(req)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				require.Equal(t, row.want, got.Get("traceparent"), method)
				require.Equal(t, row.state, got.Get("tracestate"), method)
			}
		})
	}
}

// Every adapter's request with an effect names its span, but for callbacks: their
// receivers have no part in the conversation.
func TestEveryAdapterSendsTheTraceContext(t *testing.T) {
	t.Parallel()
	for _, a := range adapters() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			server := newEffects(t)
			require.Error(t, a.call(t, server.URL)(trace.ContextWithSpanContext(t.Context(), inSpan)))
			want := traceparent
			if a.name == "callback" {
				want = ""
			}
			require.Equal(t, want, server.traced())
		})
	}
}
