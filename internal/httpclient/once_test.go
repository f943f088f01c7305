package httpclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/lease"
)

// dropper is a server that answers the first request on its first connection and
// keeps the connection; it reads every later request whole and closes the connection
// without an answer.
type dropper struct {
	*httptest.Server
	requests atomic.Int32
	reused   atomic.Int32 // of them, those on a connection that had been used before
}

type connKey struct{}

func newDropper(t *testing.T) *dropper {
	t.Helper()
	d := &dropper{}
	d.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		used := req.Context().Value(connKey{}).(*atomic.Int32).Add(1) > 1
		if d.requests.Add(1) == 1 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, `{"detail":"warming up"}`)
			return
		}
		if used {
			d.reused.Add(1)
		}
		panic(http.ErrAbortHandler)
	}))
	d.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, new(atomic.Int32))
	}
	d.Start()
	t.Cleanup(d.Close)
	return d
}

func TestNoReplay(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method string
		body   io.Reader
		header http.Header
	}{
		"body":                      {http.MethodPost, strings.NewReader("{}"), nil},
		"body and key":              {http.MethodPost, strings.NewReader("{}"), http.Header{"Idempotency-Key": {"k"}}},
		"body and the other key":    {http.MethodPost, strings.NewReader("{}"), http.Header{"X-Idempotency-Key": {"k"}}},
		"no body":                   {http.MethodPost, nil, nil},
		"no body, but a key":        {http.MethodPost, nil, http.Header{"Idempotency-Key": {"k"}}},
		"put without body, but key": {http.MethodPut, nil, http.Header{"Idempotency-Key": {"k"}}},
		"delete with a key":         {http.MethodDelete, nil, http.Header{"Idempotency-Key": {"k"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newDropper(t)
			client := httpclient.New(httpclient.Config{})
			defer client.CloseIdleConnections()
			warm(t, client, server.URL)
			req, err := http.NewRequestWithContext(t.Context(), tc.method, server.URL, tc.body)
			require.NoError(t, err)
			for name, values := range tc.header {
				req.Header[name] = values
			}
			_, err = client.Do(req)
			require.Error(t, err)
			require.EqualValues(t, 1, server.reused.Load(), "the request was to meet a kept connection")
			require.EqualValues(t, 2, server.requests.Load(), "sent once beside the first")
		})
	}
}

func warm(t *testing.T, client *http.Client, url string) {
	t.Helper()
	res, err := client.Post(url, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
}

func TestKeyArrives(t *testing.T) {
	t.Parallel()
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { got = req.Header }))
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Idempotency-Key", "k-1")
	res, err := httpclient.New(httpclient.Config{}).Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "k-1", got.Get("Idempotency-Key"))
	require.Equal(t, "k-1", req.Header.Get("Idempotency-Key"), "the caller's request is its own")
}

// holder is an attempt that loses its right after some checks.
type holder struct{ left atomic.Int32 }

var errLost = &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("another attempt has begun")}

func (h *holder) Hold(context.Context) error {
	if h.left.Add(-1) < 0 {
		return errLost
	}
	return nil
}

func TestLostRight(t *testing.T) {
	t.Parallel()
	for name, checks := range map[string]int32{"before the request": 0, "while connecting": 1} {
		for _, scheme := range []string{"http", "https", "h2"} {
			for _, kept := range []bool{false, true} {
				t.Run(name+"/"+scheme+map[bool]string{true: "/kept"}[kept], func(t *testing.T) {
					t.Parallel()
					var requests atomic.Int32
					server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
						requests.Add(1)
						_, _ = io.Copy(io.Discard, req.Body)
					}))
					server.EnableHTTP2 = scheme == "h2"
					if scheme == "http" {
						server.Start()
					} else {
						server.StartTLS()
					}
					t.Cleanup(server.Close)
					client := httpclient.New(httpclient.Config{Client: server.Client()})
					if kept {
						warm(t, client, server.URL)
						requests.Store(0)
					}
					for _, body := range []io.Reader{nil, strings.NewReader("{}")} {
						h := &holder{}
						h.left.Store(checks)
						req, err := http.NewRequestWithContext(lease.With(t.Context(), h), http.MethodPost, server.URL, body)
						require.NoError(t, err)
						_, err = client.Do(req)
						require.ErrorIs(t, err, errLost)
						require.ErrorContains(t, err, "nothing was sent")
						require.True(t, httpclient.NotSent(err))
						require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
					}
					require.Zero(t, requests.Load())

					h := &holder{}
					for _, read := range []struct {
						method string
						ctx    context.Context
					}{{http.MethodGet, t.Context()}, {http.MethodPost, httpclient.Read(t.Context())}} {
						req, err := http.NewRequestWithContext(lease.With(read.ctx, h), read.method, server.URL, nil)
						require.NoError(t, err)
						res, err := client.Do(req)
						require.NoError(t, err, "reads need no right")
						require.NoError(t, res.Body.Close())
					}
					require.EqualValues(t, 2, requests.Load())
				})
			}
		}
	}
}

func TestRightHeld(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	h := &holder{}
	h.left.Store(100)
	req, err := http.NewRequestWithContext(lease.With(t.Context(), h), http.MethodPost, server.URL, strings.NewReader("hello"))
	require.NoError(t, err)
	res, err := httpclient.New(httpclient.Config{}).Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "hello", string(body))
	require.EqualValues(t, 98, h.left.Load(), "asked before the request and when there was a connection")
}

// given is a transport that is none of net/http's.
type given struct{ closed bool }

func (g *given) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("in memory")), Request: req}, nil
}
func (g *given) CloseIdleConnections() { g.closed = true }

func TestGivenClient(t *testing.T) {
	t.Parallel()
	own := &given{}
	mine := &http.Client{Transport: own}
	client := httpclient.New(httpclient.Config{Client: mine})
	res, err := client.Post("http://nowhere.invalid", "text/plain", strings.NewReader("x"))
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "in memory", string(body))
	client.CloseIdleConnections()
	require.True(t, own.closed)
	require.Same(t, own, mine.Transport, "the caller's client is its own")
}

// Transports in memory may leave out the body.
func TestAnswerWithoutBody(t *testing.T) {
	t.Parallel()
	client := httpclient.New(httpclient.Config{MaxBody: 10, Client: &http.Client{Transport: bodiless{}}})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://nowhere.invalid", nil)
		require.NoError(t, err)
		res, err := client.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Empty(t, body)
		require.NoError(t, res.Body.Close())
	}
}

type bodiless struct{}

func (bodiless) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Request: req}, nil
}

func TestTLSIsChecked(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, err := httpclient.New(httpclient.Config{}).Get(server.URL) //nolint:bodyclose // it fails
	var untrusted *tls.CertificateVerificationError
	require.ErrorAs(t, err, &untrusted)
}
