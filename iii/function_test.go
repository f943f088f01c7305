package iii_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestRegisterFunctions(t *testing.T) {
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

func TestHandlers(t *testing.T) {
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
		{"t::absent", `{}`, "", "function_not_found", "t::absent"},
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

func TestConcurrency(t *testing.T) {
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

func TestTraceAndMetadata(t *testing.T) {
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
