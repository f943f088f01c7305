package iii_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

// The tests named for rows follow the table of features at the end of the
// protocol's description, one each.

func TestRow1Connect(t *testing.T) {
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

func TestRow2Row11ReattachComesFirst(t *testing.T) {
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

func TestRow3RegisterFunctions(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	r, err := w.RegisterFunction(iii.Function{
		ID: "a::f", Description: "does f", RequestFormat: json.RawMessage(`{"type":"object"}`),
		ResponseFormat: json.RawMessage(`true`), Metadata: json.RawMessage(`{"category":"x"}`), Handler: echo,
	})
	require.NoError(t, err)
	until(t, e, "served", func() bool { return e.Serves("", "a::f") })
	require.Equal(t, map[string]any{
		"type": "registerfunction", "id": "a::f", "description": "does f",
		"request_format": map[string]any{"type": "object"}, "response_format": true, "metadata": map[string]any{"category": "x"},
	}, last(t, e, "registerfunction"))

	_, err = w.RegisterFunction(iii.Function{ID: "a::f", Handler: echo})
	require.ErrorContains(t, err, "already")
	_, err = w.RegisterFunction(iii.Function{RequestFormat: json.RawMessage("{")})
	for _, part := range []string{"ID", "Handler", "RequestFormat"} {
		require.ErrorContains(t, err, part)
	}

	r.Unregister()
	r.Unregister() // nothing to do
	until(t, e, "gone", func() bool { return !e.Serves("", "a::f") })
	_, err = w.Invoke(soon(t), "a::f", nil)
	require.True(t, iii.HasCode(err, iii.CodeFunctionNotFound), "%v", err)
}

func TestRow4TriggersOfEachEra(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, era iii.Era) {
		w := connect(t, e, iii.Options{}) // finds the era out
		got := make(chan string, 1)
		serve(t, e, w, "a::in", func(_ context.Context, call iii.Invocation) (any, error) {
			got <- string(call.Data)
			return nil, nil
		})
		r, err := w.RegisterTrigger(iii.QueueTrigger("inbox", "a::in"))
		require.NoError(t, err)
		want := "durable:subscriber"
		if era < iii.EraC {
			want = "queue"
		}
		until(t, e, "bound", func() bool { return e.Bound(want, "a::in") == 1 })
		require.NoError(t, w.PublishDurable(soon(t), "inbox", map[string]int{"n": 1}))
		require.JSONEq(t, `{"n":1}`, <-got)

		id := last(t, e, "registertrigger")["id"]
		first := w.ID()
		e.KillConnections()
		until(t, e, "bound again", func() bool { return w.ID() != first && e.Bound(want, "a::in") == 1 })
		require.Equal(t, id, last(t, e, "registertrigger")["id"], "the id is stable")
		r.Unregister()
		until(t, e, "unbound", func() bool { return e.Bound(want, "a::in") == 0 })
		require.Equal(t, want, last(t, e, "unregistertrigger")["trigger_type"])
	})
}

func TestRow4TriggerIDs(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	id := func(config any) string {
		w := worker(t, e, iii.Options{})
		r, err := w.RegisterTrigger(iii.Trigger{Type: "cron", FunctionID: "a::f", Config: config})
		require.NoError(t, err)
		_, err = w.RegisterTrigger(iii.Trigger{Type: "cron", FunctionID: "a::f", Config: config})
		require.ErrorContains(t, err, "already")
		return r.ID()
	}
	same := id(json.RawMessage(`{"a":1,"b":2}`))
	require.Equal(t, same, id(json.RawMessage(` {"b":2, "a":1}`)))
	require.NotEqual(t, same, id(nil))
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

func TestRow5Serve(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	server := connect(t, e, iii.Options{})
	for id, h := range map[string]iii.Handler{
		"t::echo":  echo,
		"t::none":  func(context.Context, iii.Invocation) (any, error) { return nil, nil },
		"t::fails": func(context.Context, iii.Invocation) (any, error) { return nil, errors.New("no money") },
		"t::coded": func(context.Context, iii.Invocation) (any, error) {
			return nil, iii.Errorf("out_of_stock", "%d left", 0)
		},
		"t::panics":  func(context.Context, iii.Invocation) (any, error) { panic("oh") },
		"t::unsound": func(context.Context, iii.Invocation) (any, error) { return make(chan int), nil },
		"t::typed": iii.Typed(func(_ context.Context, in struct{ N int }) (int, error) {
			return in.N * 2, nil
		}),
	} {
		serve(t, e, server, id, h)
	}
	client := connect(t, e, iii.Options{})
	for _, c := range []struct {
		id, data, result, code, text string
	}{
		{"t::echo", `[1,2]`, `[1,2]`, "", ""},
		{"t::none", `{}`, "", "", ""},
		{"t::fails", `{}`, "", "invocation_failed", "no money"},
		{"t::coded", `{}`, "", "out_of_stock", "0 left"},
		{"t::panics", `{}`, "", "invocation_failed", "panicked: oh"},
		{"t::unsound", `{}`, "", "invocation_failed", "does not encode"},
		{"t::typed", `{"N":4,"more":true}`, "8", "", ""},
		{"t::typed", `{"N":"x"}`, "", "invalid_request", "t::typed"},
		{"t::nobody", `{}`, "", "function_not_found", "t::nobody"},
	} {
		result, err := client.Invoke(soon(t), c.id, json.RawMessage(c.data))
		if c.code == "" {
			require.NoError(t, err, c.id)
		} else {
			require.True(t, iii.HasCode(err, c.code), "%s: %v", c.id, err)
			require.ErrorContains(t, err, c.text)
		}
		require.Equal(t, c.result, string(result), c.id)
		if c.id == "t::none" {
			require.Nil(t, result, "no result is not null")
		}
	}
}

func TestRow5Concurrency(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{MaxConcurrent: 2})
	started, release := make(chan struct{}, 10), make(chan struct{})
	var running, most atomic.Int32
	serve(t, e, w, "t::wait", func(context.Context, iii.Invocation) (any, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		started <- struct{}{}
		<-release
		return nil, nil
	})
	answers := make(chan error, 5)
	for range 5 {
		go func() { _, err := e.Invoke(soon(t), "t::wait", nil); answers <- err }()
	}
	<-started
	<-started
	close(release)
	for range 5 {
		require.NoError(t, <-answers)
	}
	require.Equal(t, int32(2), most.Load())
}

func TestRow6Tolerance(t *testing.T) {
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

func TestRow8Send(t *testing.T) {
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
	require.NoError(t, w.Send(soon(t), "t::nobody", nil), "not reported")
}

func TestRow9Enqueue(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, era iii.Era) {
		w := connect(t, e, iii.Options{})
		var tries atomic.Int32
		done := make(chan string, 1)
		serve(t, e, w, "t::job", func(_ context.Context, call iii.Invocation) (any, error) {
			if tries.Add(1) < 3 {
				return nil, errors.New("later")
			}
			done <- string(call.Data)
			return nil, nil
		})
		if era == iii.EraA {
			_, err := w.RegisterTrigger(iii.QueueTrigger("default", "t::job"))
			require.NoError(t, err)
		}
		receipt, err := w.Enqueue(soon(t), "default", "t::job", map[string]int{"n": 7})
		require.NoError(t, err)
		require.Equal(t, era == iii.EraA, receipt == "", "receipt %q", receipt)
		require.Contains(t, <-done, `"n":7`)
		require.Equal(t, int32(3), tries.Load())

		d, err := w.Dialect(soon(t))
		require.NoError(t, err)
		require.Equal(t, min(era, iii.EraE), d.Era)
		if era > iii.EraA {
			_, err = w.Enqueue(soon(t), "nonesuch", "t::job", nil)
			require.True(t, iii.HasCode(err, iii.CodeEnqueue), "%v", err)
		}
	})
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

func TestRow12Row14MetadataAndPong(t *testing.T) {
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

// Before 0.23 the last worker that announces a function has it, later the first. The
// other can announce it again.
func TestOneWorkerHasAFunction(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, era iii.Era) {
		first := connect(t, e, iii.Options{Name: "one"})
		own := serve(t, e, first, "t::own", echo)
		refused := make(chan iii.Refusal, 10)
		second := connect(t, e, iii.Options{Name: "two"})
		r, err := second.RegisterFunction(iii.Function{
			ID: "t::own", Handler: echo, OnRefused: func(r iii.Refusal) { refused <- r },
		})
		require.NoError(t, err)
		if era < iii.EraE {
			until(t, e, "the last one has it", func() bool { return e.Owner("t::own") == second.ID() })
			own.Announce()
			until(t, e, "taken back", func() bool { return e.Owner("t::own") == first.ID() })
			return
		}
		got := <-refused
		require.Equal(t, iii.Refusal{FunctionID: "t::own", Namespace: "default", OwnerWorkerID: first.ID()}, got)
		refusal, isRefused := r.Refused()
		require.True(t, isRefused)
		require.Equal(t, got, refusal)
		require.Equal(t, iii.Connected, second.State(), "not fatal")
		require.Equal(t, first.ID(), e.Owner("t::own"))
		first.Close()
		until(t, e, "the first is gone", func() bool { return e.Owner("t::own") == "" })
		r.Announce()
		until(t, e, "the second has it", func() bool { return e.Owner("t::own") == second.ID() })
		_, isRefused = r.Refused()
		require.False(t, isRefused)
	})
}

func TestRow15RejectedWorker(t *testing.T) {
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

func TestRow16Row17TraceAndMetadata(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, era iii.Era) {
		w := connect(t, e, iii.Options{})
		type seen struct {
			trace, baggage, metadata string
		}
		got := make(chan seen, 1)
		serve(t, e, w, "t::trace", func(ctx context.Context, call iii.Invocation) (any, error) {
			got <- seen{trace.SpanContextFromContext(ctx).TraceID().String(), baggage.FromContext(ctx).Member("k").Value(), string(call.Metadata)}
			return nil, nil
		})
		span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: 1})
		member, err := baggage.NewMember("k", "v")
		require.NoError(t, err)
		bag, err := baggage.New(member)
		require.NoError(t, err)
		ctx := baggage.ContextWithBaggage(trace.ContextWithRemoteSpanContext(soon(t), span), bag)
		_, err = w.Invoke(ctx, "t::trace", nil, iii.Metadata(map[string]int{"m": 1}))
		require.NoError(t, err)
		want := seen{span.TraceID().String(), "v", ""}
		if era >= iii.EraD {
			want.metadata = `{"m":1}`
		}
		require.Equal(t, want, <-got)
		require.Contains(t, last(t, e, "invocationresult")["traceparent"], span.TraceID().String(), "echoed")
	})
}

func TestRow18Namespaces(t *testing.T) {
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

func TestRow22TriggerTypes(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, era iii.Era) {
		provider := connect(t, e, iii.Options{Name: "provider"})
		bound, unbound := make(chan iii.Binding, 1), make(chan iii.Binding, 1)
		_, err := provider.RegisterTriggerType(iii.TriggerType{
			ID: "weather", Description: "Fires when it rains",
			Bind: func(_ context.Context, b iii.Binding) error {
				if string(b.Config) == `"bad"` {
					return errors.New("bad filter")
				}
				bound <- b
				return nil
			},
			Unbind: func(_ context.Context, b iii.Binding) { unbound <- b },
		})
		require.NoError(t, err)
		require.NoError(t, provider.Scope("x").Set(soon(t), "k", 1)) // the engine has taken the type
		w := connect(t, e, iii.Options{Name: "user"})
		r, err := w.RegisterTrigger(iii.Trigger{Type: "weather", FunctionID: "t::rain", Config: map[string]string{"city": "Kiel"}})
		require.NoError(t, err)
		b := <-bound
		require.Equal(t, iii.Binding{
			ID: r.ID(), Type: "weather", FunctionID: "t::rain", Config: json.RawMessage(`{"city":"Kiel"}`),
		}, b)
		refused := make(chan error, 1)
		_, err = w.RegisterTrigger(iii.Trigger{
			Type: "weather", FunctionID: "t::rain", Config: "bad", OnRefused: func(err error) { refused <- err },
		})
		require.NoError(t, err)
		require.ErrorContains(t, <-refused, "bad filter")
		r.Unregister()
		require.Equal(t, r.ID(), (<-unbound).ID)
	})
}

func TestRow27State(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, _ iii.Era) {
		w := connect(t, e, iii.Options{})
		s := w.Scope("talks")
		var v map[string]any
		require.ErrorIs(t, s.Get(soon(t), "1", &v), iii.ErrNotFound)
		require.NoError(t, s.Set(soon(t), "1", map[string]any{"n": 1, "old": true}))
		updated, err := s.Update(soon(t), "1", iii.IncrementOp("n", 2), iii.SetOp("s", json.RawMessage(`"x"`)),
			iii.RemoveOp("old"), iii.AppendOp("l", json.RawMessage(`1`)), iii.MergeOp("", json.RawMessage(`{"m":0}`)))
		require.NoError(t, err)
		want := `{"n":3,"s":"x","l":[1],"m":0}`
		require.JSONEq(t, want, string(updated))
		values, err := s.List(soon(t))
		require.NoError(t, err)
		require.Len(t, values, 1)
		require.JSONEq(t, want, string(values[0]))
		require.NoError(t, s.Delete(soon(t), "1"))
		require.NoError(t, s.Delete(soon(t), "1"), "there is none")
		require.ErrorIs(t, s.Get(soon(t), "1", &v), iii.ErrNotFound)
		ops := call(t, e, "state::update")["data"].(map[string]any)["ops"].([]any)
		require.Equal(t, map[string]any{"type": "increment", "path": "n", "by": 2.0}, ops[0])
	})
}
