package a2a_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/executortest"
)

// A step of a slow agent: what it sends, after which pause.
type step struct {
	pause time.Duration
	event string
}

// slow is an agent in memory, so that the clock can be a fake one. It never
// closes what it streams.
type slow struct {
	card   time.Duration // until the card comes
	whole  bool          // it does not stream
	header time.Duration // until the response begins
	steps  []step
	task   string        // what tasks/get gives
	poll   time.Duration // until it does
}

func (s slow) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if req.Method == http.MethodGet {
		return s.after(req, s.card, fmt.Sprintf(`{"url": "/", "capabilities": {"streaming": %v}}`, !s.whole))
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(body), "tasks/get") {
		return s.after(req, s.poll, result(s.task))
	}
	if s.whole {
		return s.after(req, s.header, result(s.steps[0].event))
	}
	if err := pause(ctx, s.header); err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		for _, step := range s.steps {
			if err := pause(ctx, step.pause); err != nil {
				_ = w.CloseWithError(err)
				return
			}
			event := step.event
			if event != ": at work" {
				event = "data: " + result(event)
			}
			_, _ = io.WriteString(w, event+"\n\n")
		}
		<-ctx.Done()
		_ = w.CloseWithError(ctx.Err())
	}()
	return &http.Response{StatusCode: http.StatusOK, Request: req, Body: r, Header: http.Header{"Content-Type": {"text/event-stream"}}}, nil
}

func (s slow) after(req *http.Request, d time.Duration, body string) (*http.Response, error) {
	if err := pause(req.Context(), d); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Request: req, Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"Content-Type": {"application/json"}},
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

func TestTimers(t *testing.T) {
	t.Parallel()
	var (
		hello   = piece("a", "Hello", true)
		comment = ": at work"
		working = status("working", "")
		end     = status("completed", "")
	)
	var forever, trickling []step
	for range 100 {
		forever = append(forever, step{20 * time.Second, hello})
		trickling = append(trickling, step{20 * time.Second, comment})
	}
	for name, c := range map[string]struct {
		server slow
		after  time.Duration
		want   string // part of the error; empty: an answer
	}{
		"NoCard":            {slow{card: time.Hour}, 90 * time.Second, "first_token_timeout"},
		"NoResponse":        {slow{header: time.Hour}, 90 * time.Second, "the answer did not begin within 1m30s (first_token_timeout)"},
		"NoEvent":           {slow{}, 90 * time.Second, "first_token_timeout"},
		"OnlyComments":      {slow{steps: trickling}, 90 * time.Second, "first_token_timeout"},
		"OnlyAtWork":        {slow{steps: []step{{time.Second, working}, {80 * time.Second, working}}}, 90 * time.Second, "first_token_timeout"},
		"Stalls":            {slow{steps: []step{{10 * time.Second, hello}}}, 40 * time.Second, "the answer did not go on within 30s (gap_timeout)"},
		"CommentsKeepAlive": {slow{steps: append([]step{{0, hello}}, trickling...)}, 4 * time.Minute, "the answer was not complete within 4m0s (timeout)"},
		"NeverEnds":         {slow{steps: forever}, 4 * time.Minute, "(timeout)"},
		"WholeIsSlow":       {slow{whole: true, header: time.Hour, steps: []step{{}}}, 4 * time.Minute, "(timeout)"},
		"LateButInTime":     {slow{steps: []step{{89 * time.Second, hello}, {29 * time.Second, working}, {29 * time.Second, hello}, {0, end}}}, 147 * time.Second, ""},
		"NeverReady":        {slow{whole: true, steps: []step{{0, task("working", "")}}, task: task("working", "")}, 4 * time.Minute, "(timeout)"},
		"PollStalls":        {slow{whole: true, steps: []step{{0, task("working", "")}}, poll: time.Hour}, 31 * time.Second, "gap_timeout"},
		"ReadyAtLast":       {slow{whole: true, steps: []step{{0, task("submitted", "")}}, task: task("completed", "Hello"), poll: 20 * time.Second}, 21 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, err := a2a.New(a2a.Config{URL: "http://agent/", HTTPClient: &http.Client{Transport: c.server}})
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
		e, err := a2a.New(a2a.Config{URL: "http://agent/", HTTPClient: &http.Client{Transport: slow{card: time.Hour}}})
		require.NoError(t, err)
		begun := time.Now()
		require.ErrorContains(t, e.Check(t.Context()), "a2a: check the agent at agent: no answer within 3s")
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

// The caller's own end is told as such, whatever the agent was about to say, and a
// task is given no more than a moment to be cancelled.
func TestCancelWhilePolling(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cause error
		after time.Duration
	}{"HandedOver": {errors.New("the worker stops"), 10 * time.Second}, "Cancelled": {nil, 12 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := stuck{slow{whole: true, steps: []step{{0, task("working", "")}}, task: task("working", "")}}
				e, err := a2a.New(a2a.Config{URL: "http://agent/", HTTPClient: &http.Client{Transport: server}})
				require.NoError(t, err)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(10*time.Second, func() { cancel(c.cause) })
				begun := time.Now()
				_, err = e.Execute(ctx, executortest.Request("c1", "Hi"))
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, c.after, time.Since(begun))
			})
		})
	}
}

// stuck never answers tasks/cancel.
type stuck struct{ slow }

func (s stuck) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.GetBody != nil {
		r, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		if body, err := io.ReadAll(r); err != nil || strings.Contains(string(body), "tasks/cancel") {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
	}
	return s.slow.RoundTrip(req)
}
