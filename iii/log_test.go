package iii_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestLog(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, _ iii.Era) {
		w := connect(t, e, iii.Options{Name: "talks"})
		warned := make(chan string, 1)
		serve(t, e, w, "t::log", func(_ context.Context, call iii.Invocation) (any, error) {
			warned <- string(call.Data)
			return nil, nil
		})
		_, err := w.RegisterTrigger(iii.Trigger{Type: "log", FunctionID: "t::log", Config: map[string]string{"level": "error"}})
		require.NoError(t, err)
		until(t, e, "bound", func() bool { return e.Bound("log", "t::log") == 1 })

		log := slog.New(iii.NewLogHandler(w, iii.LogOptions{Level: slog.LevelDebug - 4}))
		span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
		ctx := trace.ContextWithSpanContext(t.Context(), span)
		log.Log(ctx, slog.LevelDebug-4, "a")
		log.DebugContext(ctx, "b")
		log.InfoContext(ctx, "c", "n", 1)
		log.Warn("d <&>", "time", "mine", "msg", "too", "err", errors.New("oh"), "took", time.Second)
		log.With("a", 1).WithGroup("g").ErrorContext(ctx, "e", "b", 2)
		until(t, e, "five", func() bool { return len(e.Logs()) == 5 })
		logs := e.Logs()
		for i, want := range []struct {
			text, severity string
			number         int
		}{{"a", "TRACE", 1}, {"b", "DEBUG", 5}, {"c", "INFO", 9}, {"d <&>", "WARN", 13}, {"e", "ERROR", 17}} {
			require.Equal(t, want.text, logs[i].Body)
			require.Equal(t, want.severity, logs[i].SeverityText)
			require.Equal(t, want.number, logs[i].SeverityNumber)
			require.Equal(t, "talks", logs[i].ServiceName)
			if i == 3 {
				require.Nil(t, logs[i].TraceID, "no span there")
				continue
			}
			require.Equal(t, span.TraceID().String(), *logs[i].TraceID)
			require.Equal(t, span.SpanID().String(), *logs[i].SpanID)
		}
		require.Equal(t, 1.0, attributes(t, logs[2])["n"])
		made, err := time.Parse(time.RFC3339Nano, attributes(t, logs[2])["time"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), made, time.Minute)
		require.Equal(t, map[string]any{"time": "mine", "msg": "too", "err": "oh", "took": 1e9}, attributes(t, logs[3]))
		last := attributes(t, logs[4])
		require.Equal(t, 1.0, last["a"])
		require.Equal(t, map[string]any{"b": 2.0}, last["g"])
		require.Contains(t, <-warned, `"body":"e"`, "the log trigger's least level is error")

		f := call(t, e, "engine::log::error")
		require.NotContains(t, f, "invocation_id")
		require.Equal(t, map[string]any{"type": "void"}, f["action"])
		quiet := slog.New(iii.NewLogHandler(w, iii.LogOptions{ServiceName: "other", AddSource: true}))
		quiet.Debug("not even encoded")
		quiet.Info("f")
		until(t, e, "six", func() bool { return len(e.Logs()) == 6 })
		require.Equal(t, "other", e.Logs()[5].ServiceName)
		require.Contains(t, fmt.Sprint(attributes(t, e.Logs()[5])["source"]), "log_test.go")
	})
}

func attributes(t *testing.T, r iiitest.LogRecord) map[string]any {
	t.Helper()
	var values map[string]any
	require.NoError(t, json.Unmarshal(r.Attributes, &values))
	return values
}

// The standard library's own tests of a handler.
func TestLogHandlerContract(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	h := iii.NewLogHandler(w, iii.LogOptions{})
	cases := 0
	slogtest.Run(t, func(*testing.T) slog.Handler { cases++; return h }, func(t *testing.T) map[string]any {
		until(t, e, "logged", func() bool { return len(e.Logs()) == cases })
		r := e.Logs()[cases-1]
		values := map[string]any{}
		decoder := json.NewDecoder(bytes.NewReader(r.Attributes))
		require.NoError(t, decoder.Decode(&values))
		values[slog.LevelKey], values[slog.MessageKey] = r.SeverityText, r.Body
		return values
	})
}

// Logging does not wait for the engine, and what it cannot keep it counts.
func TestLogOffline(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		e.Stop()
		w := dial(t, e, iii.Options{Name: "talks"})
		defer w.Close()
		log := slog.New(iii.NewLogHandler(w, iii.LogOptions{}))
		began := time.Now()
		for i := range 1003 {
			log.Info("offline", "i", i)
		}
		require.Zero(t, time.Since(began))
		require.NoError(t, e.Start())
		require.NoError(t, w.WaitConnected(t.Context()))
		synctest.Wait()
		logs := e.Logs()
		require.Len(t, logs, 1001)
		require.Equal(t, 3.0, attributes(t, logs[0])["dropped"])
		require.Equal(t, "WARN", logs[0].SeverityText)
		for i, r := range logs[1:] {
			require.Equal(t, float64(i+3), attributes(t, r)["i"])
		}
		made, err := time.Parse(time.RFC3339Nano, attributes(t, logs[1])["time"].(string))
		require.NoError(t, err)
		require.True(t, made.Equal(began), "when it was made, not when it came")
	})
}

// What is logged until the end arrives, calls go first, and a worker may log about
// itself.
func TestLogsAreFlushed(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	keeper := connect(t, e, iii.Options{Name: "keeper"})
	log := slog.New(iii.NewLogHandler(keeper, iii.LogOptions{}))
	w := connect(t, e, iii.Options{Name: "talks", Logger: log})
	serve(t, e, w, "t::work", func(context.Context, iii.Invocation) (any, error) {
		for i := range 100 {
			log.Info("working", "i", i)
		}
		return nil, nil
	})
	_, err := w.Invoke(soon(t), "t::work", nil)
	require.NoError(t, err)
	require.NoError(t, w.Shutdown(soon(t)))
	require.NoError(t, keeper.Shutdown(soon(t)))
	until(t, e, "all gone", func() bool { return len(e.Workers()) == 0 })
	texts := map[string]int{}
	for _, r := range e.Logs() {
		texts[r.Body]++
	}
	require.Equal(t, 100, texts["working"])
	require.Contains(t, slices.Collect(maps.Keys(texts)), "connected to the iii engine")
	log.Info("after the end") // dropped without an error
}

type talkative struct{ log *slog.Logger }

func (v talkative) LogValue() slog.Value {
	v.log.Info("inner")
	return slog.StringValue("said")
}

// A value may log while it is logged.
func TestLogWithin(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	log := slog.New(iii.NewLogHandler(connect(t, e, iii.Options{}), iii.LogOptions{}))
	log.With("a", talkative{log}).Info("outer", "b", talkative{log})
	until(t, e, "three", func() bool { return len(e.Logs()) == 3 })
	require.Equal(t, "outer", e.Logs()[2].Body)
	require.Equal(t, "said", attributes(t, e.Logs()[2])["b"])
}

// A value that does not encode does not keep the record back.
func TestLogInvalidText(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	h := iii.NewLogHandler(w, iii.LogOptions{})
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "x", 0)
	r.Add("f", func() {})
	require.NoError(t, h.Handle(t.Context(), r), "slog reports the fault in the value")
	until(t, e, "logged", func() bool { return len(e.Logs()) == 1 })
	require.Contains(t, fmt.Sprint(attributes(t, e.Logs()[0])["f"]), "ERROR")
}
