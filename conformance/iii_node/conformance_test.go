//go:build conformance

package iiinode_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	iiinode "github.com/parley-run/parley/conformance/iii_node"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var eras = []iii.Era{iii.EraA, iii.EraB, iii.EraC, iii.EraD, iii.EraE, iii.EraF}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestSDKs has each SDK and our client meet at an engine of each era.
func TestSDKs(t *testing.T) {
	t.Parallel()
	home := iiinode.Install(t)
	for _, sdk := range iiinode.SDKs() {
		for _, era := range eras {
			t.Run(fmt.Sprintf("%s/%s", sdk, era), func(t *testing.T) {
				t.Parallel()
				meet(t, home, sdk, era)
			})
		}
	}
}

type heard struct {
	By   string          `json:"by"`
	Data json.RawMessage `json:"data"`
}

func meet(t *testing.T, home, sdk string, era iii.Era) {
	// A message is published without a subscriber, to see that both clients bind their
	// triggers again: engines from 0.11 would lose it.
	e := iiitest.Start(t, iiitest.Options{Era: era, Kind: iiitest.Kindness{KeepTopics: true, FreeRedelivery: true}})
	w, err := iii.Connect(t.Context(), iii.Options{URL: e.URL(), Name: "go"})
	require.NoError(t, err)
	t.Cleanup(w.Close)

	news := make(chan heard, 100)
	bound := make(chan iii.Binding, 100)
	serve := func(id string, h iii.Handler) {
		_, err := w.RegisterFunction(iii.Function{ID: id, Description: id, Handler: h})
		require.NoError(t, err)
	}
	serve("go::echo", func(_ context.Context, call iii.Invocation) (any, error) {
		return map[string]any{"data": call.Data, "caller": call.CallerWorkerID() != ""}, nil
	})
	serve("go::none", func(context.Context, iii.Invocation) (any, error) { return nil, nil })
	serve("go::fails", func(context.Context, iii.Invocation) (any, error) {
		return nil, iii.Errorf("out_of_stock", "none left")
	})
	serve("go::heard", iii.Typed(func(_ context.Context, h heard) (any, error) { news <- h; return nil, nil }))
	serve("go::news", func(_ context.Context, call iii.Invocation) (any, error) {
		news <- heard{"go news", call.Data}
		return nil, nil
	})
	var tried atomic.Bool
	serve("go::job", func(_ context.Context, call iii.Invocation) (any, error) {
		if tried.CompareAndSwap(false, true) {
			return nil, errors.New("again, please")
		}
		news <- heard{"go job", call.Data}
		return nil, nil
	})
	_, err = w.RegisterTriggerType(iii.TriggerType{
		ID: "go-weather", Description: "Fires when it rains",
		Bind: func(_ context.Context, b iii.Binding) error { bound <- b; return nil },
	})
	require.NoError(t, err)
	for _, trigger := range []iii.Trigger{iii.QueueTrigger("go.inbox", "go::job"), iii.SubscribeTrigger("news", "go::news")} {
		_, err = w.RegisterTrigger(trigger)
		require.NoError(t, err)
	}
	require.NoError(t, w.WaitConnected(soon(t)))
	dialect, err := w.Dialect(soon(t))
	require.NoError(t, err)
	require.NoError(t, e.Wait(soon(t), func() bool { return e.Bound(dialect.QueueTrigger, "go::job") == 1 }))
	kill := iiinode.Start(t, home, sdk, e.URL(), dialect.QueueTrigger)

	hear := func(by string) string {
		t.Helper()
		select {
		case h := <-news:
			require.Equal(t, by, h.By)
			return string(h.Data)
		case <-soon(t).Done():
			require.Fail(t, "nothing heard", by)
		}
		return ""
	}
	invoke := func(id string, data any) string {
		t.Helper()
		result, err := w.Invoke(soon(t), id, data)
		require.NoError(t, err)
		return string(result)
	}

	// weather: whether the trigger of our type is bound.
	talk := func(weather bool) {
		t.Helper()
		require.NoError(t, e.Wait(soon(t), func() bool {
			return e.Serves("", "node::rain") && e.Serves("", "go::heard") && (!weather || e.Bound("go-weather", "node::rain") == 1) &&
				e.Bound(dialect.QueueTrigger, "node::job") == 1 && e.Bound("subscribe", "node::news") == 1 &&
				e.Bound(dialect.QueueTrigger, "go::job") == 1 && e.Bound("subscribe", "go::news") == 1
		}), "all is announced")

		// Our client calls the SDK's functions.
		text := `quotes " and <tags> & ünïcode ☂`
		var echoed struct {
			Echo struct {
				Text   string
				Caller string `json:"_caller_worker_id"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(invoke("node::echo", map[string]string{"text": text})), &echoed))
		require.Equal(t, text, echoed.Echo.Text)
		require.Equal(t, w.ID(), echoed.Echo.Caller)
		require.Empty(t, invoke("node::none", nil), "undefined is no result")
		_, err := w.Invoke(soon(t), "node::fails", nil)
		require.True(t, iii.HasCode(err, iii.CodeInvocationFailed), "%v", err)
		require.ErrorContains(t, err, "no money")

		// The SDK calls ours.
		call := func(id string, data any) string {
			t.Helper()
			return invoke("node::call", map[string]any{"id": id, "data": data})
		}
		require.Contains(t, call("go::echo", map[string]string{"text": "hello"}), `"caller":true`)
		require.Contains(t, call("go::none", map[string]any{}), `"none":true`)
		failed := call("go::fails", map[string]any{})
		require.Contains(t, failed, "none left")
		require.Contains(t, failed, "out_of_stock")
		require.Contains(t, call("go::nobody", map[string]any{}), "not found")
		invoke("node::send", map[string]any{"id": "go::heard", "data": heard{By: "void", Data: json.RawMessage(`1`)}})
		require.Equal(t, "1", hear("void"))
		require.NoError(t, w.Send(soon(t), "node::news", 2))
		require.Equal(t, "2", hear("news"))

		// Triggers, both ways. Both functions of a queue fail the first time of all.
		require.NoError(t, w.PublishDurable(soon(t), "node.inbox", map[string]int{"n": 3}))
		require.JSONEq(t, `{"n":3}`, hear("job"))
		call(dialect.PublishFunction, map[string]any{"topic": "go.inbox", "data": 4})
		require.Equal(t, "4", hear("go job"))
		call("publish", map[string]any{"topic": "news", "data": 5})
		both := []string{(<-news).By, (<-news).By}
		slices.Sort(both)
		require.Equal(t, []string{"go news", "news"}, both)
		if weather {
			b := <-bound
			require.Equal(t, "node::rain", b.FunctionID)
			require.JSONEq(t, `{"city":"Kiel"}`, string(b.Config))
			require.NoError(t, w.Send(soon(t), b.FunctionID, "drizzle"))
			require.Equal(t, `"drizzle"`, hear("rain"))
		}

		// A named queue, whose calls only engines from 0.9 keep.
		if era >= iii.EraB && e.Serves("", "node::enqueue") {
			receipt := invoke("node::enqueue", map[string]any{"id": "go::news", "queue": "default", "data": map[string]int{"n": 6}})
			require.Contains(t, receipt, "messageReceiptId")
			require.Contains(t, hear("go news"), `"n":6`)
		}
		if dialect.EnqueueAction {
			_, err := w.Enqueue(soon(t), "default", "node::news", map[string]int{"n": 7})
			require.NoError(t, err)
			require.Contains(t, hear("news"), `"n":7`)
		}
	}
	talk(true)

	// The engine is restarted in the middle; a message waits for it. It is one for our
	// worker, because the SDK's would tell us of its own before we are back.
	first := w.ID()
	require.NoError(t, e.Wait(soon(t), func() bool { return e.Pending() == 0 }), "what is not acknowledged would come again")
	e.Stop()
	require.NoError(t, e.PublishDurable("go.inbox", "while away"))
	require.NoError(t, e.Start())
	require.Equal(t, `"while away"`, hear("go job"))
	require.NoError(t, w.WaitConnected(soon(t)))
	require.NotEqual(t, first, w.ID())
	// Before 0.21.8 a trigger is lost that comes back before the provider of its type.
	talk(era >= iii.EraD)
	if era >= iii.EraD {
		reattached := 0
		for _, f := range e.FromWorkers("") {
			if f.Type == "reattach" {
				reattached++
			}
		}
		want := 1
		if sdk == "iii-sdk-0.22.1" {
			want = 2
		}
		require.Equal(t, want, reattached)
	}

	// Our worker's leave is seen by the SDK, the SDK's death by our caller.
	stopped := make(chan error, 1)
	go func() { _, err := w.Invoke(soon(t), "node::hangs", nil); stopped <- err }()
	require.NoError(t, e.Wait(soon(t), func() bool { return calls(e, "node::hangs") > 0 }))
	kill()
	require.True(t, iii.HasCode(<-stopped, iii.CodeInvocationStopped))
	require.NoError(t, w.Shutdown(soon(t)))
	require.NoError(t, e.Wait(soon(t), func() bool { return len(e.Workers()) == 0 }))
	require.Empty(t, e.Faults(), "every message was one an engine takes")
}

// calls is how many calls of a function the engine has sent.
func calls(e *iiitest.Engine, functionID string) int {
	n := 0
	for _, f := range e.Frames() {
		if !f.FromWorker && f.Type == "invokefunction" && strings.Contains(string(f.Raw), functionID) {
			n++
		}
	}
	return n
}
