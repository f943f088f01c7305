package http_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

// accepted takes every request, and has the agent come back.
var accepted = modeltest.RoundTrip(func(req *http.Request) *http.Response {
	return &http.Response{
		StatusCode: http.StatusAccepted, Request: req, Body: http.NoBody,
		Header: http.Header{"Location": {"/run"}, "Retry-After": {"60"}},
	}
})

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
	type (
		slow  = modeltest.Slow
		steps = []modeltest.Step
	)
	at := modeltest.After
	var forever, trickling steps
	for range 100 {
		forever = append(forever, at(20*time.Second, hello))
		trickling = append(trickling, at(20*time.Second, comment))
	}
	for name, c := range map[string]struct {
		server http.RoundTripper
		stream bool
		after  time.Duration
		want   string // part of the error; empty: an answer
	}{
		"NoResponse":        {slow{Header: time.Hour}, true, 90 * time.Second, "the answer did not begin within 1m30s (first_token_timeout)"},
		"NoEvent":           {slow{}, true, 90 * time.Second, "first_token_timeout"},
		"OnlyComments":      {slow{Steps: trickling}, true, 90 * time.Second, "first_token_timeout"},
		"Stalls":            {slow{Steps: steps{at(10*time.Second, hello)}}, true, 40 * time.Second, "the answer did not continue within 30s (gap_timeout)"},
		"StallsUnbidden":    {slow{Steps: steps{at(100*time.Second, hello)}}, false, 130 * time.Second, "gap_timeout"},
		"CommentsKeepAlive": {slow{Steps: append(steps{at(0, sign)}, trickling...)}, true, 4 * time.Minute, "the answer was not complete within 4m0s (timeout)"},
		"NeverEnds":         {slow{Steps: forever}, true, 4 * time.Minute, "(timeout)"},
		"WholeIsSlow":       {slow{Header: time.Hour}, false, 4 * time.Minute, "(timeout)"},
		"LateButInTime":     {slow{Steps: steps{at(89*time.Second, hello), at(29*time.Second, comment), at(29*time.Second, hello), at(0, end)}}, true, 147 * time.Second, ""},
		"NeverReady":        {accepted, true, 4 * time.Minute, "(timeout)"},
		"PollStalls":        {then{accepted, slow{Header: time.Hour}, new(int)}, true, 90 * time.Second, "gap_timeout"},
		"ReadyAtLast":       {then{accepted, slow{Steps: steps{at(0, hello), at(0, end)}}, new(int)}, true, time.Minute, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			modeltest.Takes(t, c.after, c.want, func(t *testing.T) executors.Executor {
				e, err := agent.New(agent.Config{URL: "http://agent/", Stream: c.stream, HTTPClient: &http.Client{Transport: c.server}})
				require.NoError(t, err)
				return e
			})
		})
	}
}

func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	modeltest.CheckIsBounded(t, "http: check the agent at agent", func(t *testing.T) executors.Checker {
		e, err := agent.New(agent.Config{URL: "http://agent/", Health: "/ok", HTTPClient: &http.Client{Transport: modeltest.Slow{Header: time.Hour}}})
		require.NoError(t, err)
		return e
	})
}

// The caller's own end is told as such, whatever the agent was about to say.
func TestCancelWhilePolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, err := agent.New(agent.Config{URL: "http://agent/", HTTPClient: &http.Client{Transport: accepted}})
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
