package iiitest_test

import (
	"context"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/iii/iiitest"
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
	require.Len(t, e.Faults(), 7)
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
