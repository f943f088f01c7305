package iii_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

// replica registers "t::own" as one of several workers.
func replica(t *testing.T, w *iii.Worker, interval time.Duration) *iii.Replica {
	t.Helper()
	r, err := w.RegisterReplica(iii.ReplicaOptions{
		Functions: []iii.Function{{ID: "t::own", Handler: echo, Metadata: json.RawMessage(`{"service":"test"}`)}},
		Service:   "t", Interval: interval,
	})
	require.NoError(t, err)
	return r
}

// announcements counts those of "t::own" by a worker.
func announcements(e *iiitest.Engine, workerID string) int {
	n := 0
	for _, f := range e.FromWorkers(workerID) {
		if f.Type == "registerfunction" && strings.Contains(string(f.Raw), `"t::own"`) {
			n++
		}
	}
	return n
}

// compared waits until the worker has requested the list n more times.
func compared(t *testing.T, e *iiitest.Engine, w *iii.Worker, n int) {
	t.Helper()
	count := func() int {
		lists := 0
		for _, f := range e.FromWorkers(w.ID()) {
			if strings.Contains(string(f.Raw), "engine::functions::list") {
				lists++
			}
		}
		return lists
	}
	before := count()
	until(t, e, "compared", func() bool { return count() >= before+n })
}

// One replica serves, the other announces nothing until the first has left; the first
// stands by when it is back.
func TestReplicas(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, _ iii.Era) {
		first, second := connect(t, e, iii.Options{Name: "one"}), connect(t, e, iii.Options{Name: "two"})
		one := replica(t, first, 10*time.Millisecond)
		until(t, e, "served", func() bool { return e.Owner("t::own") == first.ID() })
		replica(t, second, 10*time.Millisecond)
		compared(t, e, second, 3)
		require.Equal(t, first.ID(), e.Owner("t::own"))
		require.Zero(t, announcements(e, second.ID()))

		one.Unregister()
		one.Unregister()
		until(t, e, "the second serves", func() bool { return e.Owner("t::own") == second.ID() })
		replica(t, first, 10*time.Millisecond)
		compared(t, e, first, 3)
		require.Equal(t, second.ID(), e.Owner("t::own"))
		answer, err := first.Invoke(soon(t), "t::own", 7)
		require.NoError(t, err)
		require.Equal(t, "7", string(answer))

		second.Close()
		until(t, e, "the first serves", func() bool { return e.Owner("t::own") == first.ID() })
	})
}

// The engine's report that a worker has left starts a comparison: the interval is far off.
func TestReplicaComparesWhenAWorkerLeaves(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, _ iii.Era) {
		first, second := connect(t, e, iii.Options{Name: "one"}), connect(t, e, iii.Options{Name: "two"})
		one := replica(t, first, time.Hour)
		until(t, e, "served", func() bool { return e.Owner("t::own") == first.ID() })
		replica(t, second, time.Hour)
		until(t, e, "watched", func() bool { return len(e.FromWorkers(second.ID())) > 3 })
		one.Unregister()
		until(t, e, "the second serves", func() bool { return e.Owner("t::own") == second.ID() })
	})
}

// A lost connection takes the function to the other replica, and it is not taken back.
func TestReplicaReconnects(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraC, iii.EraE} {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			e := engine(t, iiitest.Options{Era: era})
			w := connect(t, e, iii.Options{Name: "one"})
			replica(t, w, 10*time.Millisecond)
			until(t, e, "served", func() bool { return e.Owner("t::own") == w.ID() })
			before := w.ID()
			e.KillConnections()
			second := connect(t, e, iii.Options{Name: "two"})
			replica(t, second, 10*time.Millisecond)
			until(t, e, "the second serves", func() bool { return e.Owner("t::own") == second.ID() })
			until(t, e, "the first is back", func() bool { return w.ID() != before })
			compared(t, e, w, 3)
			require.Equal(t, second.ID(), e.Owner("t::own"))
			require.Zero(t, announcements(e, w.ID()))
		})
	}
}

// A refused replica calls OnRefused and stands by.
func TestReplicaIsRefused(t *testing.T) {
	t.Parallel()
	hidden := func(*http.Request) *iiitest.Access { return new(iiitest.Access) }
	e := engine(t, iiitest.Options{Era: iii.EraE, Access: hidden})
	first, second := connect(t, e, iii.Options{Name: "one"}), connect(t, e, iii.Options{Name: "two"})
	serve(t, e, first, "t::own", echo)
	refused := make(chan iii.Refusal, 10)
	_, err := second.RegisterReplica(iii.ReplicaOptions{
		Functions: []iii.Function{{ID: "t::own", Handler: echo, OnRefused: func(r iii.Refusal) { refused <- r }}},
		Service:   "t", Interval: time.Hour,
	})
	require.NoError(t, err)
	require.Equal(t, first.ID(), (<-refused).OwnerWorkerID)
	require.Equal(t, first.ID(), e.Owner("t::own"))
}

// Where access rules hide the list or put a prefix before ids, functions are announced
// once on a connection, and again when a worker leaves.
func TestReplicaBehindAccessRules(t *testing.T) {
	t.Parallel()
	for name, access := range map[string]iiitest.Access{
		"no list":             {},
		"the list alone":      {Expose: []string{"engine::functions::list"}},
		"a prefix":            {Expose: []string{"engine::*"}, Prefix: "acme"},
		"a prefix, all shown": {Expose: []string{"engine::*", "acme::*"}, Prefix: "acme"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := engine(t, iiitest.Options{Era: iii.EraC, Access: func(*http.Request) *iiitest.Access { return &access }})
			id := "t::own"
			if access.Prefix != "" {
				id = access.Prefix + "::" + id
			}
			first := connect(t, e, iii.Options{Name: "one"})
			replica(t, first, 20*time.Millisecond)
			until(t, e, "served", func() bool { return e.Owner(id) == first.ID() })
			compared(t, e, first, 2)
			require.Equal(t, 1, announcements(e, first.ID()))
		})
	}
}

func TestReplicaMetadata(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{Era: iii.EraD})
	w := connect(t, e, iii.Options{})
	replica(t, w, 0)
	until(t, e, "served", func() bool { return e.Serves("", "t::own") })
	functions, err := w.Functions(soon(t))
	require.NoError(t, err)
	found := false
	for _, f := range functions {
		if f.ID != "t::own" {
			continue
		}
		found = true
		var metadata map[string]string
		require.NoError(t, json.Unmarshal(f.Metadata, &metadata))
		require.Equal(t, "test", metadata["service"])
		require.NotEmpty(t, metadata["instance"])
		require.True(t, f.In(""))
	}
	require.True(t, found)
}

func TestReplicaOptions(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	_, err := w.RegisterReplica(iii.ReplicaOptions{Interval: -1})
	for _, part := range []string{"Functions", "Service", "Interval"} {
		require.ErrorContains(t, err, part)
	}
	_, err = w.RegisterReplica(iii.ReplicaOptions{Service: "t", Functions: []iii.Function{{ID: "t::f"}}})
	require.ErrorContains(t, err, "Handler")
	_, err = w.RegisterReplica(iii.ReplicaOptions{Service: "t", Functions: []iii.Function{{ID: "t::f", Handler: echo, Metadata: json.RawMessage(`7`)}}})
	require.ErrorContains(t, err, "Metadata")
	w.Close()
	_, err = w.RegisterReplica(iii.ReplicaOptions{Service: "t", Functions: []iii.Function{{ID: "t::f", Handler: echo}}})
	require.ErrorIs(t, err, iii.ErrClosed)
}
