package iiiserve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/platforms/iiiengine"
)

// bounded is a server without Temporal, whose check for it answers by the function.
func bounded(check func(context.Context) error) (*Server, *logtest.Buffer) {
	log := new(logtest.Buffer)
	stopping := make(chan struct{})
	s := &Server{
		cfg: iiiengine.Config{ReplyTimeout: time.Hour, Prefix: "conversation", Inbox: "inbox"}, log: slog.New(slog.NewTextHandler(log, nil)),
		stopping: stopping, sends: newAdmission(2), reads: newAdmission(2), ingests: newAdmission(2),
		outage: newOutage(nil),
	}
	s.outage.check = check
	return s, log
}

func well(context.Context) error { return nil }

// Calls beyond the limit are refused at once, with the time of a retry.
func TestOverloaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := bounded(well)
		release := make(chan struct{})
		h := handler(s, s.sends, func(context.Context, iii.Invocation, struct{}) (string, error) { <-release; return "done", nil })
		call := iii.Invocation{Data: json.RawMessage(`{}`)}
		done := make(chan error, 2)
		for range 2 {
			go func() { _, err := h(t.Context(), call); done <- err }()
		}
		synctest.Wait()
		_, err := h(t.Context(), call)
		require.True(t, iii.HasCode(err, codeOverloaded), "%v", err)
		require.ErrorContains(t, err, "retry after 1 s")
		close(release)
		require.NoError(t, errors.Join(<-done, <-done))
		_, err = h(t.Context(), call)
		require.NoError(t, err)
	})
}

// A call that waits fails within seconds once Temporal is away, and after a longer silence
// if it does not answer; a server that answers, late or with an error, ends no call.
func TestTemporalIsAway(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		check func(context.Context) error
		after time.Duration // 0: the call goes on
	}{
		{"down", func(context.Context) error { return serviceerror.NewUnavailable("refused") }, 5 * time.Second},
		{"silent", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 17 * time.Second},
		{"well", well, 0},
		{"slow", func(context.Context) error { time.Sleep(2900 * time.Millisecond); return nil }, 0},
		{"no health service", func(context.Context) error { return serviceerror.NewPermissionDenied("no", "") }, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, _ := bounded(row.check)
				h := handler(s, s.sends, func(ctx context.Context, _ iii.Invocation, _ struct{}) (string, error) {
					select {
					case <-ctx.Done():
						return "", ctx.Err()
					case <-time.After(10 * time.Minute):
						return "done", nil
					}
				})
				began := time.Now()
				_, err := h(t.Context(), iii.Invocation{Data: json.RawMessage(`{}`)})
				if row.after == 0 {
					require.NoError(t, err)
				} else {
					require.True(t, iii.HasCode(err, codeUnavailable), "%v", err)
					require.LessOrEqual(t, time.Since(began), row.after)
				}
				time.Sleep(5 * time.Second) // the check ends with the calls
			})
		})
	}
}

// A message that cannot start a conversation is logged once for all its deliveries, and
// blocks no other; beyond the limit messages wait.
func TestMessagesOfTheInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := bounded(well)
		var passed atomic.Int32
		bad := []string{
			`7`, `null`, `"text"`, `[1]`, `{"message": 5}`, `{"conversationId": {"a": 1}}`, `{"idleTimeout": "soon"}`,
			`{"conversationId": "a\u001b[2Jb", "message": "x"}`, `{"messageId": "a\u0007", "message": "x"}`,
			`{"message": "` + strings.Repeat("x", 20<<20) + `"}`,
			`{"personaFunction": "persona::\u202eada"}`,
		}
		for range 3 {
			for _, data := range bad {
				_, err := s.ingest(t.Context(), iii.Invocation{Data: json.RawMessage(data)})
				require.True(t, iii.HasCode(err, codeInvalid), "%.100s: %v", data, err)
			}
			passed.Add(1)
		}
		require.Equal(t, len(bad), strings.Count(log.String(), "cannot start a conversation"), "%s", log.String())
		require.NotContains(t, log.String(), "\x1b")
		require.Less(t, len(log.String()), 20<<10)

		release, ok := s.ingests.await(t.Context(), s.stopping)
		require.True(t, ok)
		_, ok = s.ingests.await(t.Context(), s.stopping)
		require.True(t, ok)
		waits := make(chan error, 1)
		go func() {
			_, err := s.ingest(t.Context(), iii.Invocation{Data: json.RawMessage(`7`)})
			waits <- err
		}()
		synctest.Wait()
		require.Empty(t, waits, "it is not refused, it waits")
		release()
		require.True(t, iii.HasCode(<-waits, codeInvalid))
	})
}

func TestLoggedIsBounded(t *testing.T) {
	t.Parallel()
	var c logged
	for n := range 3 * maxLogged {
		require.True(t, c.first(fmt.Sprint(n)))
	}
	require.False(t, c.first(fmt.Sprint(3*maxLogged-1)))
	require.Len(t, c.keys, maxLogged)
}

// An HTTP trigger may be bound to a function: the body is the request.
func TestHTTPTrigger(t *testing.T) {
	t.Parallel()
	type request struct{ ConversationID, Message string }
	serve := overHTTP(func(_ context.Context, call iii.Invocation) (any, error) {
		var req request
		if err := decode(call.Data, &req); err != nil {
			return nil, err
		}
		if req.Message == "busy" {
			return nil, iii.Errorf(codeOverloaded, "later")
		}
		return req, nil
	})
	over := func(body string) string {
		return `{"path":"/talk/c1","method":"POST","headers":{"content-type":"application/json"},"query_params":{},` +
			`"path_params":{"conversationId":"c1"},"trigger":{"type":"http","path":"/talk/:conversationId","method":"POST"},"body":` + body + `}`
	}
	for _, row := range []struct {
		data, want string
		status     int
	}{
		{over(`{"message":"hello"}`), `{"ConversationID":"c1","Message":"hello"}`, 200},
		{over(`{"message":"hello","conversationId":"other"}`), `{"ConversationID":"c1","Message":"hello"}`, 200},
		{over(`"hello"`), "invalid_input", 400},
		{over(`null`), "no JSON body", 400},
		{over(`{"message":7}`), "is a number", 400},
		{over(`{"message":"busy"}`), "overloaded", 429},
		{strings.Replace(over(`null`), `"POST","headers"`, `"GET","headers"`, 1), `{"ConversationID":"c1","Message":""}`, 200},
		{strings.Replace(over(`{"message":"hello"}`), `"trigger":{"type":"http",`, `"x":{`, 1), `{"ConversationID":"c1","Message":"hello"}`, 200},
	} {
		out, err := serve(t.Context(), iii.Invocation{Data: json.RawMessage(row.data)})
		require.NoError(t, err)
		answer := out.(httpAnswer)
		require.Equal(t, row.status, answer.StatusCode, row.data)
		body, err := json.Marshal(answer.Body)
		require.NoError(t, err)
		require.Contains(t, string(body), row.want)
	}
	out, err := serve(t.Context(), iii.Invocation{Data: json.RawMessage(`{"message":"hello"}`)})
	require.NoError(t, err)
	require.Equal(t, request{Message: "hello"}, out, "a plain call is answered plainly")
}
