package iiiengine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/iiiengine"
	"github.com/parley-run/parley/secret"
)

func newPlatform(t *testing.T, url string, change func(*iiiengine.Config)) *iiiengine.Platform {
	t.Helper()
	cfg := iiiengine.Defaults()
	cfg.URL = url
	if change != nil {
		change(&cfg)
	}
	p, err := iiiengine.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// worker is a worker with functions.
func worker(t *testing.T, e *iiitest.Engine, functions map[string]iii.Handler) *iii.Worker {
	t.Helper()
	w, err := iii.Connect(t.Context(), iii.Options{URL: e.URL()})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	for id, h := range functions {
		_, err := w.RegisterFunction(iii.Function{ID: id, Handler: h})
		require.NoError(t, err)
		require.NoError(t, e.Wait(soon(t), func() bool { return e.Serves("", id) }))
	}
	return w
}

var ref = conversation.Ref{Platform: "iii", Project: "desk", Agent: "desk", Simulation: "persona::ada", ID: "c1"}

func TestAnswers(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{})
	answer := make(chan any, 1)
	worker(t, e, map[string]iii.Handler{"persona::ada": func(context.Context, iii.Invocation) (any, error) {
		switch a := (<-answer).(type) {
		case error:
			return nil, a
		default:
			return a, nil
		}
	}})
	p := newPlatform(t, e.URL(), nil)
	type o = map[string]any
	for name, row := range map[string]struct {
		answer any
		texts  []string
		ended  bool
		kind   conversation.Kind
		text   string // of the error
	}{
		"text":             {answer: "hi", texts: []string{"hi"}},
		"message":          {answer: o{"message": "hi"}, texts: []string{"hi"}},
		"content":          {answer: o{"content": "hi", "model": nil, "iterations": 0}, texts: []string{"hi"}},
		"reply":            {answer: o{"reply": "hi"}, texts: []string{"hi"}},
		"text field":       {answer: o{"text": "hi", "ended": false}, texts: []string{"hi"}},
		"object":           {answer: o{"message": o{"role": "user", "content": "hi"}}, texts: []string{"hi"}},
		"several":          {answer: o{"messages": []any{"one", o{"text": "two"}}}, texts: []string{"one", "two"}},
		"last words":       {answer: o{"message": "bye", "ended": true}, texts: []string{"bye"}, ended: true},
		"end":              {answer: o{"end": true}, ended: true},
		"done":             {answer: o{"done": true}, ended: true},
		"nothing":          {answer: nil, kind: conversation.Invalid, text: "its answer is empty"},
		"empty":            {answer: o{"message": ""}, kind: conversation.Invalid, text: "has no text"},
		"number":           {answer: 7, kind: conversation.Invalid, text: "neither a text nor an object"},
		"nested":           {answer: o{"message": o{"x": 1}}, kind: conversation.Invalid, text: "neither a text nor an object"},
		"too much":         {answer: o{"messages": []any{strings.Repeat("x", 600<<10), strings.Repeat("x", 600<<10)}}, kind: conversation.Invalid, text: "at most 1024"},
		"too much markup":  {answer: strings.Repeat("<", 300<<10), kind: conversation.Invalid, text: "at most 1024"},
		"its error":        {answer: errors.New("no idea"), kind: conversation.Unavailable, text: "no idea"},
		"its refusal":      {answer: iii.Errorf("invalid_input", "no such case"), kind: conversation.Invalid, text: "no such case"},
		"its rate limit":   {answer: iii.Errorf("rate_limited", "slower"), kind: conversation.RateLimited, text: "slower"},
		"its engine's ban": {answer: iii.Errorf(iii.CodeForbidden, "not you"), kind: conversation.Unavailable, text: "access rules"},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: they share the channel
			answer <- row.answer
			reply, err := p.Send(soon(t), ref, platforms.Send{IdempotencyKey: "k"})
			require.Equal(t, row.kind, conversation.KindOf(err), "%v", err)
			if err != nil {
				require.ErrorContains(t, err, row.text)
				require.ErrorContains(t, err, "persona::ada")
				return
			}
			var texts []string
			for _, m := range reply.Messages {
				require.Equal(t, conversation.RoleUser, m.Role)
				texts = append(texts, m.Text())
			}
			require.Equal(t, row.texts, texts)
			require.Equal(t, row.ended, reply.Ended)
		})
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{Era: iii.EraE})
	asked := make(chan json.RawMessage, 1)
	w, err := iii.Connect(t.Context(), iii.Options{URL: e.URL(), Namespace: "plants"})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	_, err = w.RegisterFunction(iii.Function{ID: "persona::ada", Handler: func(_ context.Context, call iii.Invocation) (any, error) {
		asked <- call.Data
		return "hi", nil
	}})
	require.NoError(t, err)
	require.NoError(t, e.Wait(soon(t), func() bool { return e.Serves("plants", "persona::ada") }))
	p := newPlatform(t, e.URL(), func(c *iiiengine.Config) { c.Namespace = "plants" })
	_, err = p.Send(soon(t), ref, platforms.Send{IdempotencyKey: "k1", Messages: []conversation.Message{
		conversation.Text(conversation.RoleAssistant, "hello"), conversation.Text(conversation.RoleAssistant, "there"),
	}})
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(<-asked, &got))
	delete(got, "_caller_worker_id")
	require.Len(t, got["messages"], 2)
	delete(got, "messages")
	require.Equal(t, map[string]any{"conversationId": "c1", "agentId": "desk", "message": "hello\n\nthere", "messageId": "k1"}, got)
}

func TestFaultsOfTheEngine(t *testing.T) {
	t.Parallel()
	t.Run("no worker serves the persona", func(t *testing.T) {
		t.Parallel()
		e := iiitest.Start(t, iiitest.Options{})
		_, err := newPlatform(t, e.URL(), nil).Send(soon(t), ref, platforms.Send{})
		require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
		require.ErrorContains(t, err, "start the worker that serves it")
	})
	t.Run("the worker dies", func(t *testing.T) {
		t.Parallel()
		e := iiitest.Start(t, iiitest.Options{})
		begun := make(chan struct{})
		w := worker(t, e, map[string]iii.Handler{"persona::ada": func(ctx context.Context, _ iii.Invocation) (any, error) {
			close(begun)
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		go func() { <-begun; w.Close() }()
		_, err := newPlatform(t, e.URL(), nil).Send(soon(t), ref, platforms.Send{})
		var failed *conversation.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, conversation.Unavailable, failed.Kind)
		require.True(t, failed.Ambiguous)
	})
	t.Run("the context ends", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newPlatform(t, "ws://127.0.0.1:1", nil).Send(ctx, ref, platforms.Send{})
		require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
	})
	t.Run("no persona", func(t *testing.T) {
		t.Parallel()
		_, err := newPlatform(t, "ws://127.0.0.1:1", nil).Send(soon(t), conversation.Ref{Platform: "iii", ID: "c"}, platforms.Send{})
		require.Equal(t, conversation.Invalid, conversation.KindOf(err))
		require.ErrorContains(t, err, "personaFunction")
	})
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		p := newPlatform(t, "ws://127.0.0.1:1", nil)
		require.NoError(t, p.Close())
		_, err := p.Send(soon(t), ref, platforms.Send{})
		require.ErrorIs(t, err, iii.ErrClosed)
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{Authorize: func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer s3cret" || r.URL.Query().Get("key") != "k3y" {
			return errors.New("who are you?")
		}
		return nil
	}})
	with := func(key string) func(*iiiengine.Config) {
		return func(c *iiiengine.Config) {
			c.Headers = map[string]secret.String{"Authorization": secret.String("Bearer " + key + "\n")}
			c.Query = map[string]secret.String{"key": "k3y"}
		}
	}
	require.NoError(t, newPlatform(t, e.URL(), with("s3cret")).Check(soon(t), "", ""))

	err := newPlatform(t, e.URL(), with("wr0ng")).Check(soon(t), "", "")
	require.Equal(t, conversation.Unauthorized, conversation.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "check headers and query")
	for _, text := range []string{"wr0ng", "k3y"} {
		require.NotContains(t, err.Error(), text)
	}
	err = newPlatform(t, "ws://127.0.0.1:1", nil).Check(soon(t), "", "")
	require.Equal(t, conversation.Unavailable, conversation.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "ws://127.0.0.1:1")

	p := newPlatform(t, e.URL(), with("s3cret"))
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", p, p, p, p), "s3cret")
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{})
	told := make(chan iiiengine.LifecycleEvent, 1)
	w := worker(t, e, map[string]iii.Handler{"audit::on": iii.Typed(func(_ context.Context, event iiiengine.LifecycleEvent) (any, error) {
		told <- event
		return nil, nil
	})})
	_, err := w.RegisterTrigger(iii.SubscribeTrigger("talks", "audit::on"))
	require.NoError(t, err)
	require.NoError(t, e.Wait(soon(t), func() bool { return e.Bound("subscribe", "audit::on") == 1 }))
	event := conversation.Event{
		Type: conversation.EventEnded, Number: 3, Conversation: ref, Turn: 2,
		Outcome: &conversation.Outcome{Kind: conversation.OutcomeEnded, EndedBy: conversation.EndedByPersona, Turns: 2, Messages: 5},
	}
	require.NoError(t, newPlatform(t, e.URL(), func(c *iiiengine.Config) { c.Lifecycle = "talks" }).Notify(soon(t), event))
	got := <-told
	require.Equal(t, iiiengine.LifecycleEvent{
		Type: "ended", Number: 3, ConversationID: "c1", AgentID: "desk", WorkflowID: "iii/desk/c1", PersonaFunction: "persona::ada", Turn: 2,
		Outcome: &iiiengine.LifecycleOutcome{Kind: "ended", EndedBy: "persona", Turns: 2, Messages: 5},
	}, got)
	require.NoError(t, newPlatform(t, "ws://127.0.0.1:1", func(c *iiiengine.Config) { c.Lifecycle = iiiengine.Off }).Notify(soon(t), event), "it makes no call")
}

// An engine without pub/sub is told of once: no event fails by it, and no conversation
// waits for its end.
func TestLifecycleWithoutPubSub(t *testing.T) {
	t.Parallel()
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.CloseNow() }()
		_ = wsjson.Write(r.Context(), ws, map[string]string{"type": "workerregistered", "worker_id": uuid.NewString()})
		for {
			var call map[string]any
			if wsjson.Read(r.Context(), ws, &call) != nil {
				return
			}
			switch {
			case call["type"] == "ping":
				_ = wsjson.Write(r.Context(), ws, map[string]string{"type": "pong"})
			case call["invocation_id"] != nil:
				_ = wsjson.Write(r.Context(), ws, map[string]any{
					"type": "invocationresult", "invocation_id": call["invocation_id"], "function_id": call["function_id"],
					"error": map[string]string{"code": "function_not_found", "message": "Function not found"},
				})
			}
		}
	}))
	t.Cleanup(bare.Close)
	var log logtest.Buffer
	p := newPlatform(t, bare.URL, func(c *iiiengine.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for n := range 6 {
		require.NoError(t, p.Notify(soon(t), conversation.Event{Type: conversation.EventStarted, Number: n + 1, Conversation: ref}))
	}
	require.Equal(t, 1, strings.Count(log.String(), "not published"), "%s", log.String())
	require.Contains(t, log.String(), "lifecycle: off")
}

// Whoever starts a conversation chooses the function that is called with what the agent
// says: only one that the configuration permits.
func TestPersonasAreAllowed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		personas []string
		function string
		allowed  bool
	}{
		{nil, "persona::ada", true}, {nil, "persona::", true}, {nil, "persona", false}, {nil, "personae::ada", false},
		{nil, "engine::workers::list", false}, {nil, "state::set", false}, {nil, "conversation::end", false},
		{[]string{}, "persona::ada", false}, {[]string{"*"}, "anything", true}, {[]string{"crm::*::ask"}, "crm::a::ask", true},
		{[]string{"crm::*::ask"}, "crm::ask", false}, {[]string{"a*a"}, "a", false}, {[]string{"x", "crm::ask"}, "crm::ask", true},
		{[]string{"*::a*b*::c"}, "z::aXbY::c", true}, {[]string{"*::a*b*::c"}, "z::abc", false},
	} {
		p, err := iiiengine.New(iiiengine.Config{Personas: row.personas})
		require.NoError(t, err)
		require.Equal(t, row.allowed, p.Config().PersonaAllowed(row.function), "%v %s", row.personas, row.function)
	}
	e := iiitest.Start(t, iiitest.Options{})
	called := make(chan struct{}, 1)
	worker(t, e, map[string]iii.Handler{"vault::get": func(context.Context, iii.Invocation) (any, error) { called <- struct{}{}; return "hi", nil }})
	other := ref
	other.Simulation = "vault::get"
	_, err := newPlatform(t, e.URL(), nil).Send(soon(t), other, platforms.Send{IdempotencyKey: "k"})
	require.Equal(t, conversation.Invalid, conversation.KindOf(err))
	require.ErrorContains(t, err, "personas")
	require.Empty(t, called)
}

// frozen is an attempt that may not act any more.
type frozen struct{}

func (frozen) Hold(context.Context) error {
	return &conversation.Error{Kind: conversation.Unavailable, Op: "lease", Err: errors.New("another attempt has taken over")}
}

// Nothing is written for an attempt that is not the current one any more.
func TestWithoutALeaseNothingIsWritten(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{})
	called := make(chan struct{}, 1)
	worker(t, e, map[string]iii.Handler{"persona::ada": func(context.Context, iii.Invocation) (any, error) { called <- struct{}{}; return "hi", nil }})
	p := newPlatform(t, e.URL(), nil)
	ctx := lease.With(soon(t), frozen{})
	_, err := p.Send(ctx, ref, platforms.Send{IdempotencyKey: "k"})
	var said *conversation.Error
	require.ErrorAs(t, err, &said)
	require.Equal(t, conversation.Unavailable, said.Kind)
	require.False(t, said.Ambiguous)
	require.ErrorContains(t, err, "another attempt has taken over")
	require.ErrorContains(t, p.Notify(ctx, conversation.Event{Type: conversation.EventStarted, Conversation: ref}), "another attempt")
	require.Empty(t, called)
	for _, f := range e.FromWorkers("") {
		require.NotContains(t, string(f.Raw), `"publish"`)
		require.False(t, f.Type == "invokefunction" && strings.Contains(string(f.Raw), "persona::ada"))
	}
}

// Credentials that were good are refused while the engine restarts, before the function
// is there that it asks about them. That passes.
func TestCredentialsThatWereGood(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	e := iiitest.Start(t, iiitest.Options{Authorize: func(*http.Request) error {
		if refuse.Load() {
			return errors.New("auth::check is not there")
		}
		return nil
	}})
	refuse.Store(true)
	err := newPlatform(t, e.URL(), nil).Check(soon(t), "", "")
	require.Equal(t, conversation.Unauthorized, conversation.KindOf(err), "%v", err)
	refuse.Store(false)
	p := newPlatform(t, e.URL(), nil)
	require.NoError(t, p.Check(soon(t), "", ""))
	require.NoError(t, p.Connected())
	refuse.Store(true)
	e.KillConnections()
	w, err := p.Worker()
	require.NoError(t, err)
	require.Eventually(t, func() bool { return iii.HasCode(w.Err(), iii.CodeAuth) }, time.Minute, 10*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = p.Send(ctx, ref, platforms.Send{IdempotencyKey: "k"})
	require.Equal(t, conversation.Unavailable, conversation.KindOf(err), "%v", err)
	require.ErrorContains(t, p.Connected(), "auth::check")
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		cfg   iiiengine.Config
		fault string
	}{
		"scheme":      {iiiengine.Config{URL: "localhost:49134"}, "url is no address of an engine"},
		"password":    {iiiengine.Config{URL: "ws://a:pw1234@host"}, "url contains a user name or password"},
		"query":       {iiiengine.Config{URL: "ws://host/?token=pw1234"}, "url has a query"},
		"header":      {iiiengine.Config{Headers: map[string]secret.String{"X-Key": "pw1234\nfoo"}}, "headers.X-Key contains a line break"},
		"no header":   {iiiengine.Config{Headers: map[string]secret.String{"a b": "pw1234"}}, "headers.a b is no name"},
		"empty":       {iiiengine.Config{Query: map[string]secret.String{"key": ""}}, "query.key is empty"},
		"prefix":      {iiiengine.Config{Prefix: "engine"}, "prefix is"},
		"colons":      {iiiengine.Config{Prefix: "talk::"}, "prefix is"},
		"topic":       {iiiengine.Config{Inbox: "my inbox"}, "inbox is"},
		"era":         {iiiengine.Config{Era: "0.11"}, "era is"},
		"concurrency": {iiiengine.Config{Concurrency: -1}, "concurrency is -1"},
		"timeout":     {iiiengine.Config{ReplyTimeout: -1}, "reply_timeout is"},
		"name":        {iiiengine.Config{Name: "a/b"}, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := iiiengine.New(row.cfg)
			require.ErrorContains(t, err, row.fault)
			require.NotContains(t, err.Error(), "pw1234")
			require.False(t, strings.Contains(err.Error(), "\n"), "one fault")
		})
	}
	_, err := iiiengine.New(iiiengine.Config{URL: "host", Era: "X", Concurrency: -1})
	require.Len(t, strings.Split(err.Error(), "\n"), 3, "all faults at once")
	p, err := iiiengine.New(iiiengine.Defaults())
	require.NoError(t, err)
	require.Equal(t, iii.DefaultURL, p.Config().URL)
	require.Equal(t, "conversation", p.Config().Prefix)
	require.Equal(t, "conversation.inbox", p.Config().Inbox)
	require.Equal(t, platforms.Instance{Name: "iii", Platform: p}, p.Instance())
}
