package iiifunction_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/secret"
)

const (
	token    = "Bearer iii-very-secret-0123456789"
	queryKey = "iii/other secret+9876543210"
)

func TestMain(m *testing.M) { modeltest.Main(m, "iii-very-secret-0123456789", queryKey) }

// practice starts an engine that, at the end, has met no message to drop.
func practice(t testing.TB, era iii.Era) *iiitest.Engine {
	t.Helper()
	e := iiitest.Start(t, iiitest.Options{Era: era, Authorize: func(r *http.Request) error {
		if got := r.Header.Get("Authorization"); got != "" && got != token {
			return iii.Errorf("AUTH_ERROR", "unknown key %s", got)
		}
		return nil
	}})
	t.Cleanup(func() { require.Empty(t, e.Faults()) })
	return e
}

// functions by id.
type functions map[string]iii.Handler

// serve has a worker of its own serve functions until the test ends.
func serve(t testing.TB, e *iiitest.Engine, opts iii.Options, all functions) *iii.Worker {
	t.Helper()
	opts.URL = e.URL()
	w, err := iii.Connect(context.Background(), opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		w.Close()
		<-w.Done()
	})
	for id, h := range all {
		_, err := w.RegisterFunction(iii.Function{ID: id, Handler: h})
		require.NoError(t, err)
	}
	for id := range all {
		require.NoError(t, e.Wait(soon(t), func() bool { return e.Serves(opts.Namespace, id) }))
	}
	return w
}

// soon is a context that bounds what should take no time.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// made is an executor with secrets, closed at the end of the test.
func made(t testing.TB, e *iiitest.Engine, change func(*iiifunction.Config)) *iiifunction.Executor {
	t.Helper()
	cfg := iiifunction.Config{
		URL: e.URL(), AgentID: "support",
		Headers: map[string]secret.String{"Authorization": token}, Query: map[string]secret.String{"api_key": queryKey},
	}
	if change != nil {
		change(&cfg)
	}
	x, err := iiifunction.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

// on makes an executor and serves it functions.
func on(t testing.TB, all functions, change func(*iiifunction.Config)) executors.Executor {
	t.Helper()
	e := practice(t, iii.EraC)
	serve(t, e, iii.Options{}, all)
	return made(t, e, change)
}

// always answers with JSON.
func always(answer string) iii.Handler {
	return func(context.Context, iii.Invocation) (any, error) { return json.RawMessage(answer), nil }
}

// fails fails like a worker that does not choose its codes.
func fails(text string) iii.Handler { return failsWith("invocation_failed", text) }

func failsWith(code, text string) iii.Handler {
	return func(context.Context, iii.Invocation) (any, error) { return nil, iii.Errorf(code, "%s", text) }
}

// stalls answers only once no caller can receive the answer.
func stalls(ctx context.Context, _ iii.Invocation) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// heard keeps what a function is called with.
type heard struct {
	mu    sync.Mutex
	calls []iii.Invocation
	began chan struct{} // closed with the first call; nil until a test waits
}

// wait returns once the function has been called.
func (h *heard) wait(t testing.TB) {
	t.Helper()
	h.mu.Lock()
	if h.began == nil {
		h.began = make(chan struct{})
		if len(h.calls) > 0 {
			close(h.began)
		}
	}
	began := h.began
	h.mu.Unlock()
	select {
	case <-began:
	case <-soon(t).Done():
		require.Fail(t, "the function is not called")
	}
}

func (h *heard) by(next iii.Handler) iii.Handler {
	return func(ctx context.Context, call iii.Invocation) (any, error) {
		h.mu.Lock()
		h.calls = append(h.calls, call)
		if len(h.calls) == 1 && h.began != nil {
			close(h.began)
		}
		h.mu.Unlock()
		return next(ctx, call)
	}
}

func (h *heard) all() []iii.Invocation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// data is what the function was called with, without what engines add.
func (h *heard) data(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, call := range h.all() {
		var fields map[string]any
		require.NoError(t, call.Decode(&fields))
		delete(fields, "_caller_worker_id")
		raw, err := json.Marshal(fields)
		require.NoError(t, err)
		out = append(out, string(raw))
	}
	return out
}
