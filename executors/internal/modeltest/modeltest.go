// Package modeltest holds test helpers for executors that call a model or an agent
// over HTTP: servers, clients, and the tests that hold for every model vendor.
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

// NewServer starts a server that stops with the test.
func NewServer(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// JSON encodes a value.
func JSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// WriteJSON writes a response with a JSON body.
func WriteJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// WriteEvents streams events, given as the lines of each.
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

// Events makes stream events of data alone. Comments (": …") and named events
// ("event: …") stay unchanged.
func Events(data ...string) []string {
	out := slices.Clone(data)
	for i, event := range out {
		if !strings.HasPrefix(event, ":") && !strings.HasPrefix(event, "event:") {
			out[i] = "data: " + event
		}
	}
	return out
}

// Repeat returns n copies of a string.
func Repeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// stall reads a request and never answers.
func stall(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only after reading does the server notice that the client disconnects
	<-r.Context().Done()
}

// Abort returns a handler that writes some events, if any, and breaks the
// connection.
func Abort(before ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if len(before) > 0 {
			WriteEvents(w, before...)
		}
		panic(http.ErrAbortHandler)
	}
}

// A Step of a [Slow] server: a pause, then an event.
type Step struct {
	Pause time.Duration
	Event string
}

// After makes a step.
func After(pause time.Duration, event string) Step { return Step{Pause: pause, Event: event} }

// Slow is an in-memory server, usable with a fake clock. It keeps the stream open
// unless Close is set.
type Slow struct {
	Header time.Duration // delay of the response header
	Whole  string        // a whole answer; empty: stream
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

// RoundTrip calls f.
func (f RoundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req), nil }

// OneByte is a body that returns one byte per read, as from a slow network.
type OneByte struct{ *strings.Reader }

// Read returns one byte.
func (o OneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(1, len(p))]) }

// Close does nothing.
func (OneByte) Close() error { return nil }

// NoNetwork fails the test when a request is sent.
type NoNetwork struct{ T *testing.T }

// RoundTrip fails the test.
func (n NoNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	n.T.Error("no request should be sent")
	return nil, errors.New("no network")
}

// NoSecrets requires that no error in the chain shows a secret, in any format.
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
