package iii_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var eras = []iii.Era{iii.EraA, iii.EraB, iii.EraC, iii.EraD, iii.EraE, iii.EraF}

// eachEra runs test against an engine of each era.
func eachEra(t *testing.T, test func(t *testing.T, e *iiitest.Engine, era iii.Era)) {
	t.Helper()
	for _, era := range eras {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			test(t, engine(t, iiitest.Options{Era: era}), era)
		})
	}
}

// engine starts one that, at the end, has met no message to drop.
func engine(t testing.TB, opts iiitest.Options) *iiitest.Engine {
	t.Helper()
	e := iiitest.Start(t, opts)
	t.Cleanup(func() { require.Empty(t, e.Faults()) })
	return e
}

// connect starts a worker and waits for its connection.
func connect(t testing.TB, e *iiitest.Engine, opts iii.Options) *iii.Worker {
	t.Helper()
	w := worker(t, e, opts)
	require.NoError(t, w.WaitConnected(soon(t)))
	return w
}

func worker(t testing.TB, e *iiitest.Engine, opts iii.Options) *iii.Worker {
	t.Helper()
	opts.URL = e.URL()
	w, err := iii.Connect(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}

// soon is a context that bounds what should take no time.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// until waits for the engine to be as wanted.
func until(t testing.TB, e *iiitest.Engine, what string, done func() bool) {
	t.Helper()
	require.NoError(t, e.Wait(soon(t), done), what)
}

func serve(t testing.TB, e *iiitest.Engine, w *iii.Worker, id string, h iii.Handler) *iii.Registration {
	t.Helper()
	r, err := w.RegisterFunction(iii.Function{ID: id, Handler: h})
	require.NoError(t, err)
	if w.State() == iii.Connected {
		until(t, e, id+" is served", func() bool { return e.Serves("", id) })
	}
	return r
}

func echo(_ context.Context, call iii.Invocation) (any, error) { return call.Data, nil }

// sent are the types of the frames a worker has sent, in order.
func sent(e *iiitest.Engine, workerID string) []string {
	var types []string
	for _, f := range e.FromWorkers(workerID) {
		types = append(types, f.Type)
	}
	return types
}

// last is the last frame of a type that workers sent.
func last(t testing.TB, e *iiitest.Engine, kind string) map[string]any {
	t.Helper()
	for _, f := range slices.Backward(e.FromWorkers("")) {
		if f.Type == kind {
			var fields map[string]any
			require.NoError(t, json.Unmarshal(f.Raw, &fields))
			return fields
		}
	}
	require.Fail(t, "no frame", kind)
	return nil
}

// call returns the last call of a function that a worker sent.
func call(t testing.TB, e *iiitest.Engine, functionID string) map[string]any {
	t.Helper()
	for _, f := range slices.Backward(e.FromWorkers("")) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal(f.Raw, &fields))
		if f.Type == "invokefunction" && fields["function_id"] == functionID {
			return fields
		}
	}
	require.Fail(t, "no call", functionID)
	return nil
}
