package modeltest

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

// Unreachable tests the errors for an address where no server listens, and for one
// with another server. Remedy is the executor's for the first.
func Unreachable(t *testing.T, remedy string, create func(*testing.T, *httptest.Server, *http.Client) executors.Executor) {
	t.Helper()
	t.Run("NobodyListens", func(t *testing.T) {
		t.Parallel()
		server := NewServer(t, http.NotFoundHandler())
		e := create(t, server, server.Client())
		server.Close()
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		ce := RequireError(t, err, down, "connection refused ("+remedy+")")
		require.Zero(t, ce.Usage, "no request was sent")
	})
	t.Run("UntrustedCertificate", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		_, err := create(t, server, &http.Client{Transport: transport}).Execute(t.Context(), executortest.Request("c1", "Hi"))
		RequireError(t, err, invalid, "trusts the server's certificate")
	})
}

// A broken connection does not tell whether the request took effect: a retry may
// help.
func (v Vendor) brokenConnections(t *testing.T) {
	for name, row := range map[string]struct {
		handler http.Handler
		text    string
	}{
		"BeforeTheAnswer": {Abort(), "the server closed the connection without an answer"},
		"Midway":          {Abort(append(v.Begin[:len(v.Begin):len(v.Begin)], v.Delta("Hello"))...), ""},
	} {
		eachMode(t, name+"/", func(t *testing.T, whole bool) {
			_, err := v.asking(t, whole, row.handler).Execute(t.Context(), executortest.Request("c1", "Hi"))
			RequireError(t, err, down, row.text)
			require.NotContains(t, err.Error(), "http://", "no addresses: they may hold secrets")
		})
	}
	Unreachable(t, "check base_url, and that the server is running",
		func(t *testing.T, server *httptest.Server, client *http.Client) executors.Executor {
			return v.create(t, Settings{BaseURL: server.URL, Client: client})
		})
}

// An executor must not retry, whatever the server suggests: its caller retries.
func (v Vendor) noRetries(t *testing.T) {
	for _, status := range []int{408, 409, 429, 500, 503, 529} {
		eachMode(t, fmt.Sprint(status, "/"), func(t *testing.T, whole bool) {
			calls := make(chan struct{}, 10)
			e := v.asking(t, whole, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls <- struct{}{}
				w.Header().Set("X-Should-Retry", "true")
				w.Header().Set("Retry-After-Ms", "1")
				WriteJSON(w, status, "{}")
			}))
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.Error(t, err)
			require.Len(t, calls, 1)
		})
	}
}

// Go's HTTP client resends a request that failed on a kept connection if it has an
// Idempotency-Key.
func (v Vendor) noRetryOnAKeptConnection(t *testing.T) {
	calls := make(chan struct{}, 10)
	answer := v.Handler(t, "ok")
	e := v.asking(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls <- struct{}{}
		if len(calls) > 1 {
			Abort()(w, r)
		}
		answer.ServeHTTP(w, r)
	}))
	req := executortest.Request("c1", "Hi")
	_, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	_, err = e.Execute(t.Context(), req)
	RequireError(t, err, down, "")
	require.Len(t, calls, 2)
}

// A server may redirect; the key must not follow.
func (v Vendor) redirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} {
		eachMode(t, fmt.Sprint(status, "/"), func(t *testing.T, whole bool) {
			elsewhere := NewServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				t.Error("a request went elsewhere")
			}))
			e := v.asking(t, whole, http.RedirectHandler(elsewhere.URL, status))
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			RequireError(t, err, down, "")
			require.Error(t, e.Check(t.Context()))
		})
	}
}

// charactersAreDivided reads an answer byte by byte, as from a slow network.
func (v Vendor) charactersAreDivided(t *testing.T) {
	const said = "Grüße 🙂"
	eachMode(t, "", func(t *testing.T, whole bool) {
		text, media := strings.Join(v.events(said), "\n\n")+"\n\n", "text/event-stream"
		if whole {
			text, media = v.Whole(said), "application/json"
		}
		s := via(RoundTrip(func(req *http.Request) *http.Response {
			return &http.Response{
				StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {media}},
				Body: OneByte{strings.NewReader(text)},
			}
		}))
		s.Whole = whole
		res, err := v.create(t, s).Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.NoError(t, err)
		require.Equal(t, said, res.Message.Text())
	})
}
