package http_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
)

// A step of a slow agent: what it sends, after which pause.
type step struct {
	pause time.Duration
	event string
}

// slow is an agent in memory, so that the clock can be a fake one. It never
// closes what it streams.
type slow struct {
	header time.Duration // until the response begins
	status int
	steps  []step
}

func (s slow) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := pause(ctx, s.header); err != nil {
		return nil, err
	}
	if s.status == http.StatusAccepted {
		return &http.Response{
			StatusCode: s.status, Request: req, Body: io.NopCloser(strings.NewReader("")),
			Header: http.Header{"Location": {"/run"}, "Retry-After": {"60"}},
		}, nil
	}
	r, w := io.Pipe()
	go func() {
		for _, step := range s.steps {
			if err := pause(ctx, step.pause); err != nil {
				_ = w.CloseWithError(err)
				return
			}
			_, _ = io.WriteString(w, step.event+"\n\n")
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

// then answers the first request with one server, and the others with another.
type then struct {
	first, others http.RoundTripper
	asked         *int
}

func (s then) RoundTrip(req *http.Request) (*http.Response, error) {
	*s.asked++
	if *s.asked == 1 {
		return s.first.RoundTrip(req)
	}
	return s.others.RoundTrip(req)
}

func TestTimers(t *testing.T) {
	t.Parallel()
	const (
		hello   = `data: {"delta": "Hello"}`
		sign    = `data: {"delta": ""}`
		comment = ": at work"
		end     = `data: {"finish_reason": "stop"}`
	)
	var forever, trickling []step
	for range 100 {
		forever = append(forever, step{20 * time.Second, hello})
		trickling = append(trickling, step{20 * time.Second, comment})
	}
	accepted := slow{status: http.StatusAccepted}
	for name, c := range map[string]struct {
		server http.RoundTripper
		stream bool
		after  time.Duration
		want   string // part of the error; empty: an answer
	}{
		"NoResponse":        {slow{header: time.Hour}, true, 90 * time.Second, "the answer did not begin within 1m30s (first_token_timeout)"},
		"NoEvent":           {slow{}, true, 90 * time.Second, "first_token_timeout"},
		"OnlyComments":      {slow{steps: trickling}, true, 90 * time.Second, "first_token_timeout"},
		"Stalls":            {slow{steps: []step{{10 * time.Second, hello}}}, true, 40 * time.Second, "the answer did not go on within 30s (gap_timeout)"},
		"StallsUnbidden":    {slow{steps: []step{{100 * time.Second, hello}}}, false, 130 * time.Second, "gap_timeout"},
		"CommentsKeepAlive": {slow{steps: append([]step{{0, sign}}, trickling...)}, true, 4 * time.Minute, "the answer was not complete within 4m0s (timeout)"},
		"NeverEnds":         {slow{steps: forever}, true, 4 * time.Minute, "(timeout)"},
		"WholeIsSlow":       {slow{header: time.Hour}, false, 4 * time.Minute, "(timeout)"},
		"LateButInTime":     {slow{steps: []step{{89 * time.Second, hello}, {29 * time.Second, comment}, {29 * time.Second, hello}, {0, end}}}, true, 147 * time.Second, ""},
		"NeverReady":        {accepted, true, 4 * time.Minute, "(timeout)"},
		"PollStalls":        {then{accepted, slow{header: time.Hour}, new(int)}, true, 90 * time.Second, "gap_timeout"},
		"ReadyAtLast":       {then{accepted, slow{steps: []step{{0, hello}, {0, end}}}, new(int)}, true, time.Minute, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, err := agent.New(agent.Config{URL: "http://agent/", Stream: c.stream, HTTPClient: &http.Client{Transport: c.server}})
				require.NoError(t, err)
				begun := time.Now()
				_, err = e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				require.Equal(t, c.after, time.Since(begun))
				if c.want == "" {
					require.NoError(t, err)
					return
				}
				require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
				require.ErrorContains(t, err, c.want)
				require.NotErrorIs(t, err, context.Canceled, "it is no cancellation by the caller")
			})
		})
	}
}

func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, err := agent.New(agent.Config{URL: "http://agent/", Health: "/ok", HTTPClient: &http.Client{Transport: slow{header: time.Hour}}})
		require.NoError(t, err)
		begun := time.Now()
		require.ErrorContains(t, e.Check(t.Context()), "http: check the agent at agent: no answer within 3s")
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

// The caller's own end is told as such, whatever the agent was about to say.
func TestCancelWhilePolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, err := agent.New(agent.Config{URL: "http://agent/", HTTPClient: &http.Client{Transport: slow{status: http.StatusAccepted}}})
		require.NoError(t, err)
		gone := errors.New("the worker stops")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, gone)
		defer cancel()
		begun := time.Now()
		_, err = e.Execute(ctx, executortest.Request("c1", "Hi"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(begun))
	})
}
