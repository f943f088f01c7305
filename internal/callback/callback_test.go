package callback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/callback"
)

const key = "hush-hush"

func sender(t *testing.T, cfg callback.Config) *callback.Sender {
	t.Helper()
	s, err := callback.New(cfg)
	require.NoError(t, err)
	return s
}

func result() conversation.TaskResult {
	begun := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	return conversation.TaskResult{
		TaskID: "t-1", ExecutionID: "e-1", Status: conversation.TaskSuccess, Result: json.RawMessage(`{"n":3}`),
		Started: begun, Finished: begun.Add(1500 * time.Millisecond),
	}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		got = req
		body, _ = io.ReadAll(req.Body)
	}))
	t.Cleanup(server.Close)
	s := sender(t, callback.Config{Secret: key, AllowPrivate: []string{"127.0.0.0/8"}})

	status, err := s.Deliver(t.Context(), server.URL+"/results", "k-1", result())
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Equal(t, "POST /results", got.Method+" "+got.URL.Path)
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.Equal(t, "k-1", got.Header.Get("Idempotency-Key"))
	require.JSONEq(t, `{"task_id":"t-1","execution_id":"e-1","status":"success","result":{"n":3},"execution_time_ms":1500,"timestamp":1777626001}`, string(body))
	at, sum, _ := strings.Cut(strings.TrimPrefix(got.Header.Get(callback.SignatureHeader), "t="), ",v1=")
	require.Equal(t, callback.Sign(key, at, body), sum)

	failed := result()
	failed.Status, failed.Result, failed.Error = conversation.TaskFailed, nil, "no luck"
	_, err = sender(t, callback.Config{AllowPrivate: []string{"all"}}).Deliver(t.Context(), server.URL, "k-2", failed)
	require.NoError(t, err)
	require.Empty(t, got.Header.Get(callback.SignatureHeader))
	require.JSONEq(t, `{"task_id":"t-1","execution_id":"e-1","status":"failed","result":null,"execution_time_ms":1500,"timestamp":1777626001,"error":"no luck"}`, string(body))
}

func TestSign(t *testing.T) {
	t.Parallel()
	// printf '1.{}' | openssl dgst -sha256 -hmac hush-hush
	require.Equal(t, "7f3d530fc2626b3aa839c93772b3af57c811945a9115ee4697bbe4ac3cc7f848", callback.Sign(key, "1", []byte("{}")))
}

func TestDeliverFaults(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("redirect followed") }))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body) // otherwise the server does not notice that the client has left
		switch req.URL.Path {
		case "/500":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusInternalServerError)
		case "/busy":
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(http.StatusTooManyRequests)
		case "/redirect":
			http.Redirect(w, req, other.URL, http.StatusTemporaryRedirect)
		case "/slow":
			<-req.Context().Done()
		case "/gone":
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	s := sender(t, callback.Config{AllowPrivate: []string{"127.0.0.0/8"}})
	for name, want := range map[string]struct {
		path   string
		status int
		kind   conversation.Kind
		after  time.Duration
		text   string
	}{
		"an error":    {"/500", 500, conversation.Unavailable, 7 * time.Second, "it answered 500 Internal Server Error"},
		"a long wait": {"/busy", 429, conversation.Unavailable, time.Minute, "it answered 429 Too Many Requests"},
		"a redirect":  {"/redirect", 307, conversation.Unavailable, 0, "it answered 307 Temporary Redirect"},
		"no answer":   {"/gone", 0, conversation.Unavailable, 0, "closed the connection without an answer"},
		"too late":    {"/slow", 0, conversation.Unavailable, 0, "no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patience := time.Minute
			if want.path == "/slow" {
				patience = 2 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			status, err := s.Deliver(ctx, strings.Replace(server.URL, "http://", "http://me:pass@", 1)+want.path+"?token=s3cret", "k", result())
			require.Equal(t, want.status, status)
			require.Equal(t, want.kind, conversation.KindOf(err))
			require.ErrorContains(t, err, want.text)
			require.NotContains(t, err.Error(), "s3cret")
			require.NotContains(t, err.Error(), "pass")
			var e *conversation.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, want.after, e.RetryAfter)
		})
	}
}

func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))
	t.Cleanup(server.Close)
	port := server.URL[strings.LastIndex(server.URL, ":")+1:]
	s := sender(t, callback.Config{AllowPrivate: []string{"10.0.0.0/8"}})
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "192.168.0.1", "172.16.0.1", "169.254.169.254",
		"100.64.0.1", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[::7f00:1]", "[fec0::1]", "224.0.0.1", "255.255.255.255",
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			_, err := s.Deliver(t.Context(), fmt.Sprintf("http://%s:%s/", host, port), "k", result())
			require.Equal(t, conversation.Invalid, conversation.KindOf(err), "%v", err)
			require.ErrorContains(t, err, "callbacks.allow_private, or CALLBACK_ALLOW_PRIVATE")
			require.ErrorContains(t, err, "private")
		})
	}
	for _, address := range []string{"", "ftp://example.com/", "//example.com", "https:///x", "http://exa mple"} {
		_, err := s.Deliver(t.Context(), address, "k", result())
		require.Equal(t, conversation.Invalid, conversation.KindOf(err), "%q: %v", address, err)
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	_, err := callback.New(callback.Config{AllowPrivate: []string{"localhost", "10.0.0.0/8", "10/8"}})
	require.ErrorContains(t, err, `"localhost"`)
	require.ErrorContains(t, err, `"10/8"`)
}

// What Pulse's own receiver takes on this machine is sent, and nothing else there.
func TestReceivers(t *testing.T) {
	t.Parallel()
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { paths = append(paths, req.URL.Path) }))
	t.Cleanup(server.Close)
	at := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := strings.Cut(at, ":")
	for _, configured := range []string{at, "localhost:" + port} {
		s := sender(t, callback.Config{Receivers: []string{configured}})
		paths = nil
		for _, good := range []string{"http://" + at + "/results", "http://localhost:" + port + "/results/", "http://" + at + "/results?x=1"} {
			status, err := s.Deliver(t.Context(), good, "k", result())
			require.NoError(t, err)
			require.Equal(t, 200, status)
		}
		for _, bad := range []string{
			"http://" + at + "/", "http://" + at + "/tasks/1/ack", "http://" + at + "/results/../x", "http://" + at + "/results%2f..", "http://127.0.0.2:" + port + "/results",
			"http://127.0.0.1:1/results",
		} {
			_, err := s.Deliver(t.Context(), bad, "k", result())
			require.Equal(t, conversation.Invalid, conversation.KindOf(err), "%s: %v", bad, err)
			require.ErrorContains(t, err, "is private")
		}
		require.Len(t, paths, 3, "connections to the receiver carry nothing else")
	}
	_, err := sender(t, callback.Config{}).Deliver(t.Context(), "http://localhost:"+port+"/results", "k", result())
	require.ErrorContains(t, err, "callback address localhost resolves to ")
	_, err = sender(t, callback.Config{}).Deliver(t.Context(), server.URL, "k", result())
	require.ErrorContains(t, err, "callback address 127.0.0.1 is private")
}

// A variable has the list as one text.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]callback.Addresses{
		`""`: nil, `"all"`: {"all"}, `"10.0.0.0/8, 127.0.0.1:3001,"`: {"10.0.0.0/8", "127.0.0.1:3001"}, `[10.0.0.0/8, all]`: {"10.0.0.0/8", "all"}, `null`: nil,
	} {
		var got struct {
			AllowPrivate callback.Addresses `yaml:"allow_private"`
		}
		require.NoError(t, yaml.Unmarshal([]byte("allow_private: "+text), &got))
		require.Equal(t, want, got.AllowPrivate, text)
	}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	at := strings.TrimPrefix(server.URL, "http://")
	_, err := sender(t, callback.Config{AllowPrivate: callback.Addresses{at}}).Deliver(t.Context(), server.URL+"/x", "k\n", result())
	require.NoError(t, err)
	_, err = sender(t, callback.Config{AllowPrivate: callback.Addresses{"127.0.0.1:1"}}).Deliver(t.Context(), server.URL, "k", result())
	require.Equal(t, conversation.Invalid, conversation.KindOf(err))
}
