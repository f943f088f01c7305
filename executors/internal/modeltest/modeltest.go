// Package modeltest holds what the tests of executors that ask a model or an agent
// over HTTP have in common: servers and clients, and for vendors of models the
// tests that hold for all of them.
package modeltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// NewServer starts a server that ends with the test.
func NewServer(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// JSON is the value as JSON.
func JSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// WriteJSON answers with a body.
func WriteJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// WriteEvents streams events, each with its lines as they stand.
func WriteEvents(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	flush := func() {
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
	flush()
	for _, event := range events {
		_, _ = io.WriteString(w, event+"\n\n")
		flush()
	}
}

// Events are those of a stream that have nothing but data. Comments (": …") and
// events with a name ("event: …") stay as they are.
func Events(data ...string) []string {
	out := slices.Clone(data)
	for i, event := range out {
		if !strings.HasPrefix(event, ":") && !strings.HasPrefix(event, "event:") {
			out[i] = "data: " + event
		}
	}
	return out
}

// Repeat is n times the string.
func Repeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// stall takes a request and never answers.
func stall(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice who leaves
	<-r.Context().Done()
}

// Abort is a handler that breaks the connection, perhaps after some events.
func Abort(before ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if len(before) > 0 {
			WriteEvents(w, before...)
		}
		panic(http.ErrAbortHandler)
	}
}

// A Step of a [Slow] server: what it sends, after which pause.
type Step struct {
	Pause time.Duration
	Event string
}

// After is a step.
func After(pause time.Duration, event string) Step { return Step{Pause: pause, Event: event} }

// Slow is a server in memory, so that the clock can be a fake one. It never
// closes what it streams unless Close says so.
type Slow struct {
	Header time.Duration // until the response begins
	Whole  string        // all that it answers; empty: it streams
	Steps  []Step
	Close  bool
}

// RoundTrip answers any request.
func (s Slow) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := pause(ctx, s.Header); err != nil {
		return nil, err
	}
	if s.Whole != "" {
		return &http.Response{
			StatusCode: http.StatusOK, Request: req, Body: io.NopCloser(strings.NewReader(s.Whole)),
			Header: http.Header{"Content-Type": {"application/json"}},
		}, nil
	}
	r, w := io.Pipe()
	go func() {
		for _, step := range s.Steps {
			if err := pause(ctx, step.Pause); err != nil {
				_ = w.CloseWithError(err)
				return
			}
			_, _ = io.WriteString(w, step.Event+"\n\n")
		}
		if s.Close {
			_ = w.Close()
			return
		}
		<-ctx.Done()
		_ = w.CloseWithError(ctx.Err())
	}()
	return &http.Response{
		StatusCode: http.StatusOK, Request: req, Body: r,
		Header: http.Header{"Content-Type": {"text/event-stream"}},
	}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RoundTrip answers requests in memory.
type RoundTrip func(*http.Request) *http.Response

// RoundTrip answers.
func (f RoundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req), nil }

// OneByte is a body that comes one byte at a time, as from a slow network.
type OneByte struct{ *strings.Reader }

// Read gives one byte.
func (o OneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(1, len(p))]) }

// Close does nothing.
func (OneByte) Close() error { return nil }

// NoNetwork fails the test if a request is sent.
type NoNetwork struct{ T *testing.T }

// RoundTrip fails.
func (n NoNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	n.T.Error("no request should be sent")
	return nil, errors.New("no network")
}

// NoSecrets requires that nothing in the error's chain shows a secret, however
// it is printed.
func NoSecrets(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for err != nil {
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
			for _, s := range secrets {
				require.NotContains(t, text, s)
			}
		}
		err = errors.Unwrap(err)
	}
}
