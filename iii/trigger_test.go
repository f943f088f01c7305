package iii_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestTriggersOfEachEra(t *testing.T) {
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

func TestTriggerIDs(t *testing.T) {
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

func TestTriggerTypes(t *testing.T) {
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
