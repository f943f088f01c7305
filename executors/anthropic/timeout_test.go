package anthropic_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

func TestTimers(t *testing.T) {
	t.Parallel()
	type steps = []modeltest.Step
	var forever, pings steps
	for range 100 {
		forever = append(forever, modeltest.After(20*time.Second, delta("Hello")))
		pings = append(pings, modeltest.After(20*time.Second, ping))
	}
	for name, c := range map[string]struct {
		server modeltest.Slow
		change func(*anthropic.Config)
		after  time.Duration
		want   string // part of the error; empty: an answer
	}{
		"NoResponse":        {modeltest.Slow{Header: time.Hour}, nil, 90 * time.Second, "the answer did not begin within 1m30s (first_token_timeout)"},
		"NoEvent":           {modeltest.Slow{}, nil, 90 * time.Second, "first_token_timeout"},
		"OnlyStarted":       {modeltest.Slow{Steps: steps{modeltest.After(time.Second, start)}}, nil, 90 * time.Second, "first_token_timeout"},
		"OnlyABlock":        {modeltest.Slow{Steps: steps{modeltest.After(time.Second, start), modeltest.After(time.Second, blockStart)}}, nil, 90 * time.Second, "first_token_timeout"},
		"OnlyPings":         {modeltest.Slow{Steps: pings}, nil, 90 * time.Second, "first_token_timeout"},
		"Stalls":            {modeltest.Slow{Steps: steps{modeltest.After(time.Second, start), modeltest.After(9*time.Second, delta("Hello"))}}, nil, 40 * time.Second, "the answer did not go on within 30s (gap_timeout)"},
		"StallsWithPings":   {modeltest.Slow{Steps: append(steps{modeltest.After(time.Second, delta("Hello"))}, pings...)}, nil, 31 * time.Second, "gap_timeout"},
		"StallsInReasoning": {modeltest.Slow{Steps: steps{modeltest.After(time.Second, thinking("hm"))}}, nil, 31 * time.Second, "gap_timeout"},
		"NeverEnds":         {modeltest.Slow{Steps: forever}, nil, 4 * time.Minute, "the answer was not complete within 4m0s (timeout)"},
		"WholeIsSlow":       {modeltest.Slow{Header: time.Hour}, noStream, 4 * time.Minute, "(timeout)"},
		"ShortTotal":        {modeltest.Slow{}, func(c *anthropic.Config) { c.Timeout = time.Second; c.FirstTokenTimeout = 900 * time.Millisecond }, 900 * time.Millisecond, "first_token_timeout"},
		"LateButInTime": {modeltest.Slow{Steps: steps{
			modeltest.After(89*time.Second, delta("Hello")), modeltest.After(29*time.Second, delta("!")), modeltest.After(29*time.Second, messageDelta("end_turn")),
		}, Close: true}, nil, 147 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := anthropic.Config{Model: "m", APIKey: key, HTTPClient: &http.Client{Transport: c.server}}
				if c.change != nil {
					c.change(&cfg)
				}
				e, err := anthropic.New(cfg)
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
		e, err := anthropic.New(anthropic.Config{Model: "m", APIKey: key, HTTPClient: &http.Client{Transport: modeltest.Slow{Header: time.Hour}}})
		require.NoError(t, err)
		begun := time.Now()
		require.ErrorContains(t, e.Check(t.Context()), "anthropic: check: no answer within 3s")
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

func TestCharactersMayBeDivided(t *testing.T) {
	t.Parallel()
	for name, change := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, media := message("Grüße 🙂", "end_turn"), "application/json"
			if name == "Streaming" {
				text, media = strings.Join(reply("end_turn", "Grüße 🙂"), "\n\n")+"\n\n", "text/event-stream"
			}
			cfg := anthropic.Config{Model: "m", APIKey: key, HTTPClient: &http.Client{Transport: modeltest.RoundTrip(func(req *http.Request) *http.Response {
				return &http.Response{
					StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {media}},
					Body: modeltest.OneByte{Reader: strings.NewReader(text)},
				}
			})}}
			if change != nil {
				change(&cfg)
			}
			e, err := anthropic.New(cfg)
			require.NoError(t, err)
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.NoError(t, err)
			require.Equal(t, "Grüße 🙂", res.Message.Text())
		})
	}
}
