package openai_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/openai"
)

var quiet = log.New(io.Discard, "", 0)

// A step of a slow server: what it sends, after which pause.
type step struct {
	pause time.Duration
	event string
}

// slow is a server in memory, so that the clock can be a fake one. It never
// closes what it streams.
type slow struct {
	header time.Duration // until the response begins
	steps  []step
}

func (s slow) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
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
			_, _ = io.WriteString(w, "data: "+step.event+"\n\n")
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

func TestTimers(t *testing.T) {
	t.Parallel()
	var (
		role      = chunk(map[string]any{"role": "assistant", "content": ""}, "")
		hello     = chunk(map[string]any{"content": "Hello"}, "")
		thinking  = chunk(map[string]any{"reasoning_content": "hm"}, "")
		stop      = chunk(nil, "stop")
		forever   = make([]step, 0, 100)
		trickling = make([]step, 0, 100)
	)
	for range 100 {
		forever = append(forever, step{20 * time.Second, hello})
		trickling = append(trickling, step{20 * time.Second, role})
	}
	for name, c := range map[string]struct {
		server slow
		change func(*openai.Config)
		after  time.Duration
		want   string // part of the error; empty: an answer
	}{
		"NoResponse":        {slow{header: time.Hour}, nil, 90 * time.Second, "the answer did not begin within 1m30s (first_token_timeout)"},
		"NoEvent":           {slow{}, nil, 90 * time.Second, "first_token_timeout"},
		"OnlyTheRole":       {slow{steps: []step{{time.Second, role}}}, nil, 90 * time.Second, "first_token_timeout"},
		"TricklingRoles":    {slow{steps: trickling}, nil, 90 * time.Second, "first_token_timeout"},
		"Stalls":            {slow{steps: []step{{time.Second, role}, {9 * time.Second, hello}}}, nil, 40 * time.Second, "the answer did not go on within 30s (gap_timeout)"},
		"StallsInReasoning": {slow{steps: []step{{time.Second, thinking}}}, nil, 31 * time.Second, "gap_timeout"},
		"NeverEnds":         {slow{steps: forever}, nil, 4 * time.Minute, "the answer was not complete within 4m0s (timeout)"},
		"WholeIsSlow":       {slow{header: time.Hour}, noStream, 4 * time.Minute, "(timeout)"},
		"ShortTotal":        {slow{}, func(c *openai.Config) { c.Timeout = time.Second; c.FirstTokenTimeout = 900 * time.Millisecond }, 900 * time.Millisecond, "first_token_timeout"},
		"LateButInTime":     {slow{steps: []step{{89 * time.Second, hello}, {29 * time.Second, hello}, {29 * time.Second, stop}, {0, "[DONE]"}}}, nil, 147 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := openai.Config{Model: "m", APIKey: key, API: openai.APIChat, HTTPClient: &http.Client{Transport: c.server}}
				if c.change != nil {
					c.change(&cfg)
				}
				e, err := openai.New(cfg)
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
		e, err := openai.New(openai.Config{Model: "m", APIKey: key, API: openai.APIChat, HTTPClient: &http.Client{Transport: slow{header: time.Hour}}})
		require.NoError(t, err)
		begun := time.Now()
		require.ErrorContains(t, e.Check(t.Context()), "openai: check: no answer within 3s")
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

// oneByte gives its bytes one at a time, as a slow network may.
type oneByte struct{ r *bytes.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }
func (oneByte) Close() error                 { return nil }

func TestCharactersMayBeDivided(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, media := completion("Grüße 🙂", "stop"), "application/json"
			if name == "Streaming" {
				text, media = "data: "+chunk(map[string]any{"content": "Grüße 🙂"}, "stop")+"\n\n", "text/event-stream"
			}
			cfg := openai.Config{Model: "m", APIKey: key, API: openai.APIChat, HTTPClient: &http.Client{Transport: roundTrip(func(req *http.Request) *http.Response {
				return &http.Response{
					StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {media}},
					Body: oneByte{bytes.NewReader([]byte(text))},
				}
			})}}
			if change != nil {
				change(&cfg)
			}
			e, err := openai.New(cfg)
			require.NoError(t, err)
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.NoError(t, err)
			require.Equal(t, "Grüße 🙂", res.Message.Text())
		})
	}
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req), nil }
