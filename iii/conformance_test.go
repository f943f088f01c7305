package iii_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/logtest"
)

// TestConformance has what a client of the engine must do, on the wire, a point
// each. The tests named for rows have the whole of it.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, point := range []struct {
		name string
		era  iii.Era
		test func(*testing.T, *iiitest.Engine)
	}{
		{"registration replay order", iii.EraF, registrationReplayOrder},
		{"workerregistered", iii.EraF, workerRegistered},
		{"_caller_worker_id", iii.EraC, callerWorkerID},
		{"absent result", iii.EraC, absentResult},
		{"invocation_stopped", iii.EraC, invocationStopped},
		{"unknown ids", iii.EraF, unknownIDs},
		{"void", iii.EraB, void},
		{"enqueue receipt", iii.EraD, enqueueReceipt},
		{"registrationrejected", iii.EraE, registrationRejected},
		{"reattach", iii.EraD, reattach},
	} {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			point.test(t, engine(t, iiitest.Options{Era: point.era}))
		})
	}
}

func registrationReplayOrder(t *testing.T, e *iiitest.Engine) {
	w := connect(t, e, iii.Options{Era: iii.EraF})
	// Not in this order.
	for _, id := range []string{"t::b", "t::a"} {
		_, err := w.RegisterTrigger(iii.SubscribeTrigger("news", id))
		require.NoError(t, err)
		serve(t, e, w, id, echo)
	}
	_, err := w.RegisterTriggerType(iii.TriggerType{
		ID: "weather", Description: "d", Bind: func(context.Context, iii.Binding) error { return nil },
	})
	require.NoError(t, err)
	first := w.ID()
	e.KillConnections()
	until(t, e, "all again", func() bool { return w.ID() != first && len(sent(e, w.ID())) == 7 })
	var got []string
	for _, f := range e.FromWorkers(w.ID()) {
		var fields struct {
			ID         string `json:"id"`
			FunctionID string `json:"function_id"`
		}
		require.NoError(t, json.Unmarshal(f.Raw, &fields))
		if f.Type == "registertrigger" {
			fields.ID = ""
		}
		got = append(got, f.Type+" "+fields.ID+fields.FunctionID)
	}
	require.Equal(t, []string{
		"reattach ", "registertriggertype weather", "registerfunction t::b", "registerfunction t::a",
		"registertrigger t::b", "registertrigger t::a", "invokefunction engine::workers::register",
	}, got)
}

func workerRegistered(t *testing.T, e *iiitest.Engine) {
	w := connect(t, e, iii.Options{})
	var hello map[string]any
	require.NoError(t, json.Unmarshal(e.Frames()[0].Raw, &hello))
	require.Equal(t, "workerregistered", hello["type"])
	require.Equal(t, hello["worker_id"], w.ID())
	require.Contains(t, hello, "features", "which the client lets pass")
}

func callerWorkerID(t *testing.T, e *iiitest.Engine) {
	w := connect(t, e, iii.Options{})
	serve(t, e, w, "t::who", iii.Typed(func(_ context.Context, in struct{ N int }) (int, error) { return in.N, nil }))
	serve(t, e, w, "t::caller", func(_ context.Context, call iii.Invocation) (any, error) { return call.CallerWorkerID(), nil })
	result, err := w.Invoke(soon(t), "t::who", map[string]int{"n": 3})
	require.NoError(t, err)
	require.Equal(t, "3", string(result), "the key more does no harm")
	result, err = w.Invoke(soon(t), "t::caller", nil)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%q", w.ID()), string(result))
	result, err = e.Invoke(soon(t), "t::caller", []int{1})
	require.NoError(t, err)
	require.Equal(t, `""`, string(result), "a trigger has no caller")
}

func absentResult(t *testing.T, e *iiitest.Engine) {
	w := connect(t, e, iii.Options{})
	serve(t, e, w, "t::none", func(context.Context, iii.Invocation) (any, error) { return nil, nil })
	result, err := w.Invoke(soon(t), "t::none", nil)
	require.NoError(t, err)
	require.Nil(t, result)
	require.NotContains(t, last(t, e, "invocationresult"), "result", "left out, not null")
	require.NotContains(t, last(t, e, "invocationresult"), "error")
}

func invocationStopped(t *testing.T, e *iiitest.Engine) {
	server := connect(t, e, iii.Options{Name: "server"})
	client := connect(t, e, iii.Options{Name: "client"})
	started := make(chan struct{})
	serve(t, e, server, "t::wait", func(ctx context.Context, _ iii.Invocation) (any, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	answer := make(chan error, 1)
	go func() { _, err := client.Invoke(soon(t), "t::wait", nil); answer <- err }()
	<-started
	server.Close()
	err := <-answer
	require.True(t, iii.HasCode(err, iii.CodeInvocationStopped), "%v", err)
	require.NotErrorIs(t, err, iii.ErrNotSent, "it may have run")
	require.Equal(t, iii.Connected, client.State())
}

// Frames about what the client does not know change nothing.
func unknownIDs(t *testing.T, e *iiitest.Engine) {
	w := connect(t, e, iii.Options{Era: iii.EraF})
	id := uuid.NewString()
	for _, frame := range []string{
		`{"type":"invocationresult","invocation_id":"` + id + `","function_id":"t::f","result":1}`,
		`{"type":"invocationresult","invocation_id":"` + id + `","function_id":"t::f","error":{"code":"FORBIDDEN","message":"no"}}`,
		`{"type":"triggerregistrationresult","id":"unknown","trigger_type":"x","function_id":"t::f","error":{"code":"a","message":"b"}}`,
		`{"type":"unregistertrigger","id":"unknown","trigger_type":"x"}`,
		`{"type":"pong"}`,
		`{"type":"invokefunction","invocation_id":"` + id + `","function_id":"t::absent","data":{}}`,
	} {
		e.Send(frame)
	}
	until(t, e, "answered", func() bool { return slices.Contains(sent(e, w.ID()), "invocationresult") })
	answer := last(t, e, "invocationresult")
	require.Equal(t, id, answer["invocation_id"])
	require.Equal(t, iii.CodeFunctionNotFound, answer["error"].(map[string]any)["code"])
	require.Equal(t, iii.Connected, w.State())
}

func void(t *testing.T, e *iiitest.Engine) {
	w := connect(t, e, iii.Options{})
	done := make(chan struct{})
	serve(t, e, w, "t::note", func(context.Context, iii.Invocation) (any, error) {
		close(done)
		return nil, errors.New("not received")
	})
	require.NoError(t, w.Send(soon(t), "t::note", nil))
	<-done
	f := call(t, e, "t::note")
	require.NotContains(t, f, "invocation_id")
	require.Equal(t, map[string]any{"type": "void"}, f["action"])
	require.Equal(t, map[string]any{}, f["data"], "never left out")
}

func enqueueReceipt(t *testing.T, e *iiitest.Engine) {
	w := connect(t, e, iii.Options{})
	done := make(chan struct{})
	serve(t, e, w, "t::job", func(context.Context, iii.Invocation) (any, error) { close(done); return "unseen", nil })
	receipt, err := w.Enqueue(soon(t), "default", "t::job", nil)
	require.NoError(t, err)
	require.NoError(t, uuid.Validate(receipt))
	<-done
	f := call(t, e, "t::job")
	require.NoError(t, uuid.Validate(f["invocation_id"].(string)))
	require.Equal(t, map[string]any{"type": "enqueue", "queue": "default"}, f["action"])
	_, err = w.Enqueue(soon(t), "nonesuch", "t::job", nil)
	require.True(t, iii.HasCode(err, iii.CodeEnqueue), "%v", err)
}

func registrationRejected(t *testing.T, e *iiitest.Engine) {
	owner := connect(t, e, iii.Options{Name: "owner"})
	serve(t, e, owner, "t::own", echo)
	refused := make(chan iii.Refusal, 1)
	second := connect(t, e, iii.Options{Name: "second"})
	_, err := second.RegisterFunction(iii.Function{ID: "t::own", Handler: echo, OnRefused: func(r iii.Refusal) { refused <- r }})
	require.NoError(t, err)
	require.Equal(t, owner.ID(), (<-refused).OwnerWorkerID)
	require.Equal(t, iii.Connected, second.State(), "a function's conflict is not the worker's")

	e.Send(`{"type":"registrationrejected","code":"NEW_KIND_OF_CONFLICT","namespace":"default","owner_worker_id":""}`)
	<-second.Done()
	require.Equal(t, iii.Failed, second.State(), "any other code is")
	require.ErrorContains(t, second.Err(), "NEW_KIND_OF_CONFLICT")
	<-owner.Done()
}

func reattach(t *testing.T, e *iiitest.Engine) {
	var logged logtest.Buffer
	w := connect(t, e, iii.Options{Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	var hello struct {
		WorkerID string `json:"worker_id"`
		Token    string `json:"reattach_token"`
	}
	require.NoError(t, json.Unmarshal(e.Frames()[0].Raw, &hello))
	require.NotContains(t, sent(e, w.ID()), "reattach", "not the first time")
	e.KillConnections()
	until(t, e, "back", func() bool { return w.ID() != hello.WorkerID && len(sent(e, w.ID())) > 0 })
	require.Equal(t, "reattach", sent(e, w.ID())[0], "before all else")
	require.Equal(t, map[string]any{
		"type": "reattach", "previous_worker_id": hello.WorkerID, "reattach_token": hello.Token,
	}, last(t, e, "reattach"))
	require.Contains(t, logged.String(), w.ID())
	require.NotContains(t, logged.String(), hello.Token)
}

func TestDefaultName(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{Era: iii.EraE})
	first := connect(t, e, iii.Options{})
	host, err := os.Hostname()
	require.NoError(t, err)
	name := fmt.Sprintf("%s:%d", host, os.Getpid())
	until(t, e, "described", func() bool { return slices.Equal(e.Workers(), []string{name}) })
	// Another process has another name; a second worker in this one needs its own.
	second := worker(t, e, iii.Options{})
	<-second.Done()
	require.ErrorIs(t, second.Err(), iii.ErrRejected)
	require.ErrorContains(t, second.Err(), name)
	require.Equal(t, iii.Connected, first.State())
	third := connect(t, e, iii.Options{Namespace: "blue"})
	until(t, e, "both", func() bool { return len(e.Workers()) == 2 })
	require.Equal(t, iii.Connected, third.State(), "a name is unique in its namespace")
}

// A client that names no features is treated as by 0.24; what an engine sends of its
// own, and frames of a later protocol, do no harm.
func TestNoFeatures(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{Era: iii.EraF})
	w := connect(t, e, iii.Options{})
	serve(t, e, w, "t::echo", echo)
	require.Contains(t, string(e.Frames()[0].Raw), `"features":`)
	require.NotContains(t, call(t, e, "engine::workers::register")["data"], "features")
	for _, odd := range []string{
		`{"type":"observe","id":"o-1","target":{"function_id":"t::echo"},"features":["x"]}`,
		`{"type":"observeresult","id":"o-1","ok":true}`, `{"type":"call","id":"c-1","function_id":"t::echo"}`,
		`{"type":"workerregistered","worker_id":"another","features":{"observe":{"version":2}}}`,
		`{"type":"registerfunction","id":"t::echo","ok":true}`,
	} {
		e.Send(odd)
	}
	id := w.ID()
	result, err := w.Invoke(soon(t), "t::echo", []int{1})
	require.NoError(t, err)
	require.JSONEq(t, `[1]`, string(result))
	require.Equal(t, id, w.ID())
	for _, f := range e.FromWorkers("") {
		require.Contains(t, []string{"registerfunction", "invokefunction", "invocationresult"}, f.Type)
		require.NotContains(t, string(f.Raw), "features")
	}
}
