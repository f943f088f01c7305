package http_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/wire"
)

func quickly(c *agent.Config) { c.PollInterval = time.Millisecond }

// slowAgent takes requests and answers them later. It counts the runs that it
// has been asked to start.
type slowAgent struct {
	runs     atomic.Int64
	polls    atomic.Int64
	ready    atomic.Bool // the run is over
	location bool        // names a Location; else a token
}

func (a *slowAgent) serve(w http.ResponseWriter, r *http.Request, req wire.Request) {
	picksUp := r.Method == http.MethodGet && r.URL.Path == "/runs/1" || string(req.Attach) == `"run-1"`
	if picksUp {
		a.polls.Add(1)
	} else {
		a.runs.Add(1)
	}
	switch {
	case picksUp && a.ready.Load():
		modeltest.WriteJSON(w, http.StatusOK, `{"message": "At last."}`)
	case a.location:
		w.Header().Set("Location", "/runs/1")
		w.WriteHeader(http.StatusAccepted)
	default:
		modeltest.WriteJSON(w, http.StatusAccepted, `{"attach": "run-1"}`)
	}
}

// A retry picks up the run that is under way: the agent is asked once.
func TestRetryReattaches(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]bool{"Location": true, "Token": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := &slowAgent{location: location}
			server := serve(t, slow.serve)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req := executortest.Request("c1", "Hi")
			var tokens []json.RawMessage
			req.OnAttach = func(token json.RawMessage) {
				tokens = append(tokens, token)
				cancel() // the attempt ends while the run goes on
			}
			_, err := newExecutor(t, server, quickly).Execute(ctx, req)
			require.ErrorIs(t, err, context.Canceled)
			require.Len(t, tokens, 1, "the place is told once")

			slow.ready.Store(true)
			req.Attempt, req.Attach = 2, tokens[0]
			res, err := newExecutor(t, server, quickly).Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, "At last.", res.Message.Text())
			require.EqualValues(t, 1, slow.runs.Load())
			require.Positive(t, slow.polls.Load())
			require.Len(t, tokens, 1)
		})
	}
}

// A run that the agent does not know any more is started anew.
func TestLostRunIsStartedAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attach string
		status int
	}{
		"NotFound": {`{"location": "/runs/0"}`, http.StatusNotFound},
		"Gone":     {`{"location": "/runs/0"}`, http.StatusGone},
		"NoPlace":  {`{"run": 7}`, 0},
		"Nonsense": {`"run-7"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, r *http.Request, req wire.Request) {
				if r.Method == http.MethodGet {
					w.WriteHeader(c.status)
					return
				}
				if req.Attach != nil {
					t.Errorf("asked with %s", req.Attach)
				}
				modeltest.WriteJSON(w, http.StatusOK, `{"message": "Hello"}`)
			}))
			req := executortest.Request("c1", "Hi")
			req.Attempt, req.Attach = 2, json.RawMessage(c.attach)
			res, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, "Hello", res.Message.Text())
		})
	}
}

// Trouble while picking up is no reason to start another run.
func TestPollThatFailsDoesNotAskAgain(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, r *http.Request, _ wire.Request) {
		if r.Method != http.MethodGet {
			t.Error("asked again")
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	req := executortest.Request("c1", "Hi")
	req.Attach = json.RawMessage(`{"location": "/runs/1"}`)
	_, err := e.Execute(t.Context(), req)
	require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
}

// A recorded place cannot lead our keys to another server.
func TestRecordedPlaceElsewhere(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, modeltest.NewServer(t, http.NotFoundHandler()))
	req := executortest.Request("c1", "Hi")
	req.Attach = json.RawMessage(`{"location": "http://elsewhere.example/"}`)
	_, err := e.Execute(t.Context(), req)
	require.True(t, conversation.IsKind(err, conversation.Invalid), "%v", err)
}

// A stream may hand out a token too, and the retry carries it.
func TestStreamReattaches(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, req wire.Request) {
		if asked.Add(1) == 1 {
			modeltest.WriteEvents(w, modeltest.Events(`{"attach": {"run": 1}}`, `{"delta": "Hel"}`)...)
			panic(http.ErrAbortHandler)
		}
		if string(req.Attach) != `{"run":1}` && string(req.Attach) != `{"run": 1}` {
			t.Errorf("asked with %s", req.Attach)
		}
		modeltest.WriteEvents(w, modeltest.Events(`{"delta": "Hello"}`, `{"finish_reason": "stop"}`)...)
	}), streaming)
	req := executortest.Request("c1", "Hi")
	var tokens []json.RawMessage
	req.OnAttach = func(token json.RawMessage) { tokens = append(tokens, token) }
	_, err := e.Execute(t.Context(), req)
	require.Error(t, err)
	require.Len(t, tokens, 1)
	req.Attempt, req.Attach = 2, tokens[0]
	res, err := e.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "Hello", res.Message.Text())
}

// An answer to a poll may be anything that an answer may be.
func TestPollMayStreamOrFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		want   conversation.Kind
	}{
		"Streams": {func(w http.ResponseWriter) {
			modeltest.WriteEvents(w, modeltest.Events(`{"delta": "Hello"}`, `{"end": false}`)...)
		}, ""},
		"Fails": {func(w http.ResponseWriter) {
			modeltest.WriteJSON(w, 200, `{"error": {"kind": "Refused", "message": "no"}}`)
		}, conversation.Refused},
		"FailsAs202": {func(w http.ResponseWriter) {
			modeltest.WriteJSON(w, http.StatusAccepted, `{"error": {"kind": "Refused", "message": "no"}}`)
		}, conversation.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, r *http.Request, _ wire.Request) {
				if r.Method == http.MethodPost {
					w.Header().Set("Location", "runs/1")
					w.WriteHeader(http.StatusAccepted)
					return
				}
				c.answer(w)
			}), quickly)
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.Equal(t, c.want, conversation.KindOf(err))
			if c.want == "" {
				require.Equal(t, "Hello", res.Message.Text())
			} else {
				require.Equal(t, executors.Result{}, res)
			}
		})
	}
}
