package iiitest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What an engine drops in silence is reported, and the connection stays.
func TestFaults(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e := iiitest.Start(t, iiitest.Options{Era: iii.EraD})
	ws, _, err := websocket.Dial(ctx, e.URL(), nil)
	require.NoError(t, err)
	defer func() { _ = ws.CloseNow() }()
	_, hello, err := ws.Read(ctx)
	require.NoError(t, err)
	require.Contains(t, string(hello), `"reattach_token"`)

	for _, c := range []struct{ message, fault string }{
		{`{"type":"invokefunction","function_id":"a::b"}`, "without data"},
		{`{"type":"invokefunction","invocation_id":"7","function_id":"a::b","data":{}}`, "no UUID"},
		{`{"type":"registertrigger","id":"1","trigger_type":"cron","function_id":"a::b"}`, "without config"},
		{`{"type":"invocationresult","invocation_id":"2b1f6f9e-6a53-4f0b-9f2b-0c8d0f6a7e11","function_id":"a::b","error":{"code":"x"}}`, "error without message"},
		{`{"type":"registertriggertype","id":"t"}`, "without description"},
		{`{"type":"observe"}`, "unknown type"},
		{`{"type":"registerfunction","id":"a::b","invocation":{"method":"GET"}}`, "without url"},
		{`{"type":"registerfunction","id":"a::b","invocation":{"url":"http://x","method":"BREW"}}`, "BREW"},
		{`{"type":"registerfunction","id":"a::b","invocation":{"url":"http://x","auth":{"type":"hmac","token_key":"T"}}}`, "incomplete"},
		{`{"type":"invokefunction","function_id":"engine::log::info","data":{"msg":"x"}}`, "engine::log::info"},
		{`nonsense`, "invalid character"},
	} {
		before := len(e.Faults())
		require.NoError(t, ws.Write(ctx, websocket.MessageText, []byte(c.message)))
		require.NoError(t, e.Wait(ctx, func() bool { return len(e.Faults()) > before }), c.message)
		require.Contains(t, e.Faults()[before], c.fault)
	}
	for _, skipped := range []string{"  ", `{"type":"reattach","previous_worker_id":"w"}`, `{"type":"ping"}`} {
		require.NoError(t, ws.Write(ctx, websocket.MessageText, []byte(skipped)))
	}
	_, pong, err := ws.Read(ctx)
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"pong"}`, string(pong))
	require.Len(t, e.Faults(), 11)
}

func TestOnlyOneEngineAtAnAddress(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{})
	require.Error(t, e.Start())
	at := e.URL()
	e.Stop()
	e.Stop()
	_, err := e.Invoke(t.Context(), "a::b", nil)
	require.ErrorContains(t, err, "stopped")
	require.NoError(t, e.Start())
	require.Equal(t, at, e.URL())
}

// Telemetry whose ids are in base64, as protobuf's own JSON has them, is a fault.
func TestTelemetryFaults(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e := iiitest.Start(t, iiitest.Options{})
	span := func(fields string) string {
		return `OTLP{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a","startTimeUnixNano":"1","endTimeUnixNano":2,` + fields + `}]}]}]}`
	}
	for _, path := range []string{"", "otel"} {
		ws, _, err := websocket.Dial(ctx, e.URL()+path, nil)
		require.NoError(t, err)
		defer func() { _ = ws.CloseNow() }()
		before := len(e.Telemetry())
		for _, c := range []struct{ message, fault string }{
			{span(`"traceId":"CvdlGRbNQ91ESOshHIAxnA==","spanId":"b7ad6b7169203331"`), "hexadecimal"},
			{span(`"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad"`), "hexadecimal"},
			{span(`"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","links":[{}]`), "link"},
			{`OTLP{"resourceSpans":{}}`, "OTLP on"}, {`MTRC`, "MTRC on"}, {`LOGS[]`, "LOGS on"},
		} {
			faults := len(e.Faults())
			require.NoError(t, ws.Write(ctx, websocket.MessageBinary, []byte(c.message)))
			require.NoError(t, e.Wait(ctx, func() bool { return len(e.Faults()) > faults }), c.message)
			require.Contains(t, e.Faults()[faults], c.fault)
		}
		good := span(`"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331"`)
		require.NoError(t, ws.Write(ctx, websocket.MessageBinary, []byte(good)))
		require.NoError(t, e.Wait(ctx, func() bool { return len(e.Telemetry()) > before }))
		require.Equal(t, "/"+path, e.Telemetry()[before].Path)
	}
}

// A message that finds no worker becomes a dead letter after three attempts, 1 s and 2 s
// apart, unless the engine is asked to be kind.
func TestRedelivery(t *testing.T) {
	t.Parallel()
	for _, kind := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := iiitest.New(iiitest.Options{InMemory: true, Kind: iiitest.Kindness{FreeRedelivery: kind}})
			if err := e.Start(); err != nil {
				t.Fatal(err)
			}
			defer e.Stop()
			w, err := iii.Connect(t.Context(), iii.Options{URL: e.URL(), HTTPClient: e.HTTPClient(), Era: iii.EraC})
			require.NoError(t, err)
			defer w.Close()
			_, err = w.RegisterTrigger(iii.QueueTrigger("inbox", "t::in"))
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, e.PublishDurable("inbox", 1))
			time.Sleep(3*time.Second - time.Millisecond)
			synctest.Wait()
			require.Empty(t, e.DeadLetters())
			time.Sleep(time.Millisecond)
			synctest.Wait()
			require.Equal(t, !kind, len(e.DeadLetters()) == 1)
		})
	}
}

// Ten messages are delivered at a time for each trigger.
func TestConcurrencyOfATopic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := iiitest.New(iiitest.Options{InMemory: true})
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		defer e.Stop()
		w, err := iii.Connect(t.Context(), iii.Options{URL: e.URL(), HTTPClient: e.HTTPClient(), Era: iii.EraC})
		require.NoError(t, err)
		defer w.Close()
		running, release := atomic.Int32{}, make(chan struct{})
		_, err = w.RegisterFunction(iii.Function{ID: "t::in", Handler: func(context.Context, iii.Invocation) (any, error) {
			running.Add(1)
			<-release
			return nil, nil
		}})
		require.NoError(t, err)
		_, err = w.RegisterTrigger(iii.QueueTrigger("inbox", "t::in"))
		require.NoError(t, err)
		synctest.Wait()
		for i := range 25 {
			require.NoError(t, e.PublishDurable("inbox", i))
		}
		synctest.Wait()
		require.EqualValues(t, 10, running.Load())
		close(release)
		time.Sleep(time.Second)
		require.EqualValues(t, 25, running.Load())
	})
}
