package a2a_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

// slow is an agent in memory, so that the clock can be a fake one. It never
// closes what it streams.
type slow struct {
	version version
	card    time.Duration // until the card comes
	header  time.Duration // until the response begins
	steps   []modeltest.Step
	whole   string        // what it answers in place of a stream
	task    string        // what tasks/get gives
	poll    time.Duration // until it does
}

func (s slow) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet {
		card := s.version.card("/", s.whole == "")
		return modeltest.Slow{Header: s.card, Whole: card}.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	switch {
	case err != nil:
		return nil, err
	case strings.Contains(string(body), s.version.method("tasks/get")):
		return modeltest.Slow{Header: s.poll, Whole: s.version.translate(result(s.task), true)}.RoundTrip(req)
	case s.whole != "":
		return modeltest.Slow{Header: s.header, Whole: s.version.translate(result(s.whole), false)}.RoundTrip(req)
	}
	var steps []modeltest.Step
	for _, step := range s.steps {
		if data, ok := strings.CutPrefix(step.Event, "data: "); ok {
			step.Event = "data: " + s.version.translate(data, false)
		}
		steps = append(steps, step)
	}
	return modeltest.Slow{Header: s.header, Steps: steps}.RoundTrip(req)
}

func TestTimers(t *testing.T) { eachVersion(t, testTimers) }

func testTimers(t *testing.T, v version) {
	t.Parallel()
	var (
		at      = modeltest.After
		hello   = "data: " + result(piece("a", "Hello", true))
		comment = ": at work"
		working = "data: " + result(status("working", ""))
		end     = "data: " + result(status("completed", ""))
	)
	type steps = []modeltest.Step
	var forever, trickling steps
	for range 100 {
		forever = append(forever, at(20*time.Second, hello))
		trickling = append(trickling, at(20*time.Second, comment))
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
		"OnlyAtWork":        {slow{steps: steps{at(time.Second, working), at(80*time.Second, working)}}, 90 * time.Second, "first_token_timeout"},
		"Stalls":            {slow{steps: steps{at(10*time.Second, hello)}}, 40 * time.Second, "the answer did not continue within 30s (gap_timeout)"},
		"CommentsKeepAlive": {slow{steps: append(steps{at(0, hello)}, trickling...)}, 4 * time.Minute, "the answer was not complete within 4m0s (timeout)"},
		"NeverEnds":         {slow{steps: forever}, 4 * time.Minute, "(timeout)"},
		"WholeIsSlow":       {slow{whole: "{}", header: time.Hour}, 4 * time.Minute, "(timeout)"},
		"LateButInTime":     {slow{steps: steps{at(89*time.Second, hello), at(29*time.Second, working), at(29*time.Second, hello), at(0, end)}}, 147 * time.Second, ""},
		"NeverReady":        {slow{whole: task("working", ""), task: task("working", "")}, 4 * time.Minute, "(timeout)"},
		"PollStalls":        {slow{whole: task("working", ""), poll: time.Hour}, 31 * time.Second, "gap_timeout"},
		"ReadyAtLast":       {slow{whole: task("submitted", ""), task: task("completed", "Hello"), poll: 20 * time.Second}, 21 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.server.version = v
			modeltest.Takes(t, c.after, c.want, func(t *testing.T) executors.Executor {
				e, err := a2a.New(a2a.Config{URL: "http://agent/", HTTPClient: &http.Client{Transport: c.server}})
				require.NoError(t, err)
				return e
			})
		})
	}
}

func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	modeltest.CheckIsBounded(t, "a2a: check the agent at agent", func(t *testing.T) executors.Checker {
		e, err := a2a.New(a2a.Config{URL: "http://agent/", HTTPClient: &http.Client{Transport: slow{card: time.Hour}}})
		require.NoError(t, err)
		return e
	})
}

// The caller's own end is told as such, whatever the agent was about to say, and a
// task is given no more than a moment to be cancelled.
func TestCancelWhilePolling(t *testing.T) { eachVersion(t, testCancelWhilePolling) }

func testCancelWhilePolling(t *testing.T, v version) {
	t.Parallel()
	for name, c := range map[string]struct {
		cause error
		after time.Duration
	}{"HandedOver": {errors.New("the worker stops"), 10 * time.Second}, "Cancelled": {nil, 12 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := stuck{slow{version: v, whole: task("working", ""), task: task("working", "")}}
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
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil || strings.Contains(string(body), s.version.method("tasks/cancel")) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return s.slow.RoundTrip(req)
}
