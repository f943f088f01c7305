package iii_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 1)
	e := engine(t, iiitest.Options{Authorize: func(r *http.Request) error { seen <- r; return nil }})
	w := connect(t, e, iii.Options{
		Headers: http.Header{"Authorization": {"Bearer s3cret"}}, Query: url.Values{"api_key": {"k1"}},
	})
	r := <-seen
	require.Equal(t, "/", r.URL.Path)
	require.Equal(t, "Bearer s3cret", r.Header.Get("Authorization"))
	require.Equal(t, "k1", r.URL.Query().Get("api_key"))
	require.Equal(t, iii.Connected, w.State())
	require.NoError(t, w.Err())
}

func TestOptionsAreCheckedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := iii.Connect(t.Context(), iii.Options{URL: "ftp://x", CallTimeout: -1, Era: 'Z', QueueLimit: -1})
	for _, part := range []string{"ftp", "CallTimeout", "Era", "QueueLimit"} {
		require.ErrorContains(t, err, part)
	}
	_, err = iii.Connect(t.Context(), iii.Options{URL: "ws://host:port:secret/"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

func TestRefusedCredentialsAreReportedAndTriedAgain(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	e := engine(t, iiitest.Options{Authorize: func(*http.Request) error {
		if open.Load() {
			return nil
		}
		return errors.New("unknown key")
	}})
	states := make(chan error, 10)
	w := worker(t, e, iii.Options{
		Query:   url.Values{"api_key": {"s3cret"}},
		OnState: func(_ iii.State, err error) { states <- err },
	})
	err := <-states
	require.True(t, iii.HasCode(err, iii.CodeAuth), "%v", err)
	require.ErrorContains(t, err, "unknown key")
	require.NotContains(t, err.Error(), "s3cret")
	require.Equal(t, iii.Reconnecting, w.State())
	open.Store(true)
	require.NoError(t, w.WaitConnected(soon(t)))
}

func TestUnreachableEngineShowsNoSecret(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{})
	at := e.URL()
	e.Stop()
	states := make(chan error, 10)
	w, err := iii.Connect(t.Context(), iii.Options{
		URL: at + "?token=s3cret", OnState: func(_ iii.State, err error) { states <- err },
	})
	require.NoError(t, err)
	defer w.Close()
	err = <-states
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3cret")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, w.WaitConnected(ctx), context.Canceled)
}

func TestReattachComesFirst(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, era iii.Era) {
		w := connect(t, e, iii.Options{Era: era})
		serve(t, e, w, "a::echo", echo)
		first := w.ID()
		require.NotEmpty(t, first)
		e.KillConnections()
		until(t, e, "back", func() bool { return w.ID() != first && len(sent(e, w.ID())) > 1 })
		frames := e.FromWorkers(w.ID())
		if era < iii.EraD {
			require.Equal(t, "registerfunction", frames[0].Type)
			return
		}
		require.Equal(t, "reattach", frames[0].Type)
		require.Contains(t, string(frames[0].Raw), first)
	})
}

func TestATriggerTheEngineCannotBindIsReported(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{Era: iii.EraC})
	w := connect(t, e, iii.Options{})
	refused := make(chan error, 1)
	_, err := w.RegisterTrigger(iii.Trigger{
		Type: "nonesuch", FunctionID: "a::f", OnRefused: func(err error) { refused <- err },
	})
	require.NoError(t, err)
	require.True(t, iii.HasCode(<-refused, "trigger_registration_failed"))
}

func TestTolerance(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	serve(t, e, w, "t::who", func(_ context.Context, call iii.Invocation) (any, error) { return call.CallerWorkerID(), nil })
	for _, odd := range []string{
		`{"type":"observe","what":1}`, `{"type":"invocationresult","invocation_id":"` + w.ID() + `","function_id":"x","result":1}`,
		`nonsense`, `{"no":"type"}`, `OTLP{}`, `[]`, `   `,
		`{"type":"registrationrejected","code":"FUNCTION_NAMESPACE_CONFLICT","namespace":"default","function_id":"other","owner_worker_id":""}`,
	} {
		e.Send(odd)
	}
	result, err := w.Invoke(soon(t), "t::who", map[string]any{})
	require.NoError(t, err)
	require.JSONEq(t, `"`+w.ID()+`"`, string(result))
}

func TestSend(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	got := make(chan iii.Invocation, 1)
	serve(t, e, w, "t::note", func(_ context.Context, call iii.Invocation) (any, error) { got <- call; return nil, nil })
	require.NoError(t, w.Send(soon(t), "t::note", map[string]string{"a": "b"}))
	require.NotEmpty(t, (<-got).ID, "the engine makes an id up")
	f := call(t, e, "t::note")
	require.NotContains(t, f, "invocation_id")
	require.Equal(t, map[string]any{"type": "void"}, f["action"])
	require.NoError(t, w.Send(soon(t), "t::absent", nil), "not reported")
}

func TestEnqueueOnAnEngineThatRunsItDirectly(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{Era: iii.EraA})
	w := connect(t, e, iii.Options{Era: iii.EraB})
	serve(t, e, w, "t::job", echo)
	_, err := w.Enqueue(soon(t), "default", "t::job", nil)
	require.ErrorIs(t, err, iii.ErrUnsupported)
}

func TestADeadLetter(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	serve(t, e, w, "t::job", func(context.Context, iii.Invocation) (any, error) { return nil, errors.New("never") })
	_, err := w.Enqueue(soon(t), "default", "t::job", nil)
	require.NoError(t, err)
	until(t, e, "given up", func() bool { return len(e.DeadLetters()) == 1 })
	require.Equal(t, "t::job", e.DeadLetters()[0].FunctionID)
}

func TestPublish(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	got := make(chan string, 1)
	serve(t, e, w, "t::news", func(_ context.Context, call iii.Invocation) (any, error) { got <- string(call.Data); return nil, nil })
	_, err := w.RegisterTrigger(iii.SubscribeTrigger("news", "t::news"))
	require.NoError(t, err)
	require.NoError(t, w.Publish(soon(t), "news", "hello"))
	require.Equal(t, `"hello"`, <-got)
	require.True(t, iii.HasCode(w.Publish(soon(t), "", nil), "topic_not_set"))
}

func TestMetadataAndPong(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{Era: iii.EraE})
	w := connect(t, e, iii.Options{Name: "talks", Version: "1.2.0", Description: "d", Project: "acme"})
	until(t, e, "described", func() bool { return len(e.Workers()) == 1 && e.Workers()[0] == "talks" })
	f := call(t, e, "engine::workers::register")
	require.NotContains(t, f, "invocation_id")
	data := f["data"].(map[string]any)
	require.Equal(t, "go", data["runtime"])
	require.Equal(t, "1.2.0", data["version"])
	require.Equal(t, map[string]any{"project_name": "acme", "framework": "parley-iii"}, data["telemetry"])
	require.NotContains(t, data, "namespace")

	e.Send(`{"type":"ping"}`)
	until(t, e, "pong", func() bool {
		types := sent(e, w.ID())
		return types[len(types)-1] == "pong"
	})
}

func TestRejectedWorker(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{Era: iii.EraE})
	connect(t, e, iii.Options{Name: "same"})
	until(t, e, "described", func() bool { return e.Workers()[0] == "same" })
	second := worker(t, e, iii.Options{Name: "same"})
	<-second.Done()
	require.Equal(t, iii.Failed, second.State())
	require.ErrorIs(t, second.Err(), iii.ErrRejected)
	require.ErrorContains(t, second.Err(), "WORKER_NAMESPACE_CONFLICT")
	require.ErrorIs(t, second.WaitConnected(soon(t)), iii.ErrRejected)
	_, err := second.Invoke(soon(t), "t::f", nil)
	require.ErrorIs(t, err, iii.ErrRejected)
	require.ErrorIs(t, err, iii.ErrNotSent)
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{Era: iii.EraE})
	w := connect(t, e, iii.Options{Namespace: "blue", Name: "w"})
	_, err := w.RegisterFunction(iii.Function{ID: "t::f", Handler: echo})
	require.NoError(t, err)
	until(t, e, "served", func() bool { return e.Serves("blue", "t::f") })
	_, err = w.Invoke(soon(t), "t::f", nil)
	require.True(t, iii.HasCode(err, iii.CodeFunctionNotFound), "%v", err)
	_, err = w.Invoke(soon(t), "t::f", nil, iii.InNamespace("blue"))
	require.NoError(t, err)
}
