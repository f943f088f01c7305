package iii_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

const oneSpan = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c",` +
	`"spanId":"b7ad6b7169203331","name":"execute t::f","kind":1,"startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}`

// By the endpoint for telemetry where there is one; else as a worker without a name.
func TestTelemetry(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		t.Run(map[bool]string{true: "era known", false: "found out"}[known], func(t *testing.T) {
			t.Parallel()
			eachEra(t, func(t *testing.T, e *iiitest.Engine, era iii.Era) {
				opts := iii.Options{Name: "talks"}
				if known {
					opts.Era = era
				}
				w := connect(t, e, opts)
				until(t, e, "described", func() bool { return len(e.Workers()) == 1 && e.Workers()[0] == "talks" })
				telemetry := w.Telemetry()
				path, workers := "/otel", 1
				if era < iii.EraC {
					path, workers = "/", 2
				}
				require.NoError(t, telemetry.Export(soon(t), iii.Traces, json.RawMessage(oneSpan)))
				require.NoError(t, telemetry.Export(soon(t), iii.Metrics, json.RawMessage(`{"resourceMetrics":[]}`)))
				require.NoError(t, telemetry.Export(soon(t), iii.Logs, json.RawMessage(`{"resourceLogs":[]}`)))
				require.Equal(t, []iiitest.Telemetry{
					{Path: path, Signal: "OTLP", Request: json.RawMessage(oneSpan)},
					{Path: path, Signal: "MTRC", Request: json.RawMessage(`{"resourceMetrics":[]}`)},
					{Path: path, Signal: "LOGS", Request: json.RawMessage(`{"resourceLogs":[]}`)},
				}, e.Telemetry())
				require.Equal(t, []string{"execute t::f"}, e.Spans())
				require.Len(t, e.Workers(), workers)

				// It outlives the worker.
				require.NoError(t, w.Shutdown(soon(t)))
				require.NoError(t, telemetry.Export(soon(t), iii.Traces, json.RawMessage(oneSpan)))
				require.NoError(t, telemetry.Close(soon(t)))
				require.NoError(t, telemetry.Close(soon(t)), "again")
				require.ErrorIs(t, telemetry.Export(soon(t), iii.Traces, json.RawMessage(oneSpan)), iii.ErrClosed)
				until(t, e, "gone", func() bool { return len(e.Workers()) == 0 })
				require.ErrorContains(t, telemetry.Export(soon(t), iii.Traces, json.RawMessage(`{`)), "JSON")
			})
		})
	}
}

func TestTelemetryWaitsForTheEngine(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		w := dial(t, e, iii.Options{})
		defer w.Close()
		telemetry := w.Telemetry()
		defer func() { require.NoError(t, telemetry.Close(t.Context())) }()
		require.NoError(t, telemetry.Export(t.Context(), iii.Traces, json.RawMessage(oneSpan)))
		e.Stop()
		synctest.Wait()
		began := time.Now()
		err := telemetry.Export(t.Context(), iii.Traces, json.RawMessage(oneSpan))
		require.ErrorIs(t, err, iii.ErrTimeout)
		require.ErrorIs(t, err, iii.ErrNotSent)
		require.Equal(t, 30*time.Second, time.Since(began))

		sent := make(chan error, 1)
		go func() { sent <- telemetry.Export(t.Context(), iii.Traces, json.RawMessage(oneSpan)) }()
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("enough"))
		require.ErrorContains(t, telemetry.Export(ctx, iii.Traces, json.RawMessage(oneSpan)), "enough", "one after the other")
		require.NoError(t, e.Start())
		require.NoError(t, <-sent)
		require.Len(t, e.Spans(), 2)
	})
}

// Credentials go with it, and are not shown when they are refused.
func TestTelemetryRefused(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraA, iii.EraC} {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, iiitest.Options{Era: era, Authorize: func(r *http.Request) error {
				if r.Header.Get("Authorization") != "Bearer s3cret" {
					return errors.New("who are you")
				}
				return nil
			}}, func(t *testing.T, e *iiitest.Engine) {
				w := dial(t, e, iii.Options{Era: era, Headers: http.Header{"Authorization": {"Bearer s3cret"}}})
				defer w.Close()
				telemetry := w.Telemetry()
				require.NoError(t, telemetry.Export(t.Context(), iii.Traces, json.RawMessage(oneSpan)))
				require.NoError(t, telemetry.Close(t.Context()))

				stranger := dial(t, e, iii.Options{Era: era, Headers: http.Header{"Authorization": {"wr0ng"}}})
				defer stranger.Close()
				telemetry = stranger.Telemetry()
				err := telemetry.Export(t.Context(), iii.Traces, json.RawMessage(oneSpan))
				require.Error(t, err)
				require.NotContains(t, err.Error(), "wr0ng")
				require.NoError(t, telemetry.Close(t.Context()))
				require.Len(t, e.Spans(), 1)
			})
		})
	}
}
