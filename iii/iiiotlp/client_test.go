package iiiotlp_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/iii/iiiotlp"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Row 25: the span of a handler arrives as the engine reads it, with its caller's
// as parent, after the worker has gone.
func TestSpans(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraA, iii.EraB, iii.EraC, iii.EraD, iii.EraE, iii.EraF} {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			e := iiitest.Start(t, iiitest.Options{Era: era})
			w, err := iii.Connect(t.Context(), iii.Options{URL: e.URL()})
			require.NoError(t, err)
			t.Cleanup(w.Close)
			exporter, err := otlptrace.New(ctx, iiiotlp.NewClient(w))
			require.NoError(t, err)
			provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter),
				sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "talks"))))
			tracer := provider.Tracer("test", trace.WithInstrumentationVersion("1.2"))
			other := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{7}, SpanID: trace.SpanID{8}})
			_, err = w.RegisterFunction(iii.Function{ID: "t::f", Handler: func(ctx context.Context, _ iii.Invocation) (any, error) {
				_, span := tracer.Start(ctx, "execute t::f", trace.WithLinks(trace.Link{SpanContext: other}),
					trace.WithAttributes(attribute.Int("n", 1<<60), attribute.StringSlice("s", []string{"a"})))
				span.AddEvent("began")
				span.SetStatus(codes.Error, "no money")
				span.End()
				return nil, nil
			}})
			require.NoError(t, err)

			ctx, caller := tracer.Start(ctx, "caller", trace.WithSpanKind(trace.SpanKindClient))
			_, err = w.Invoke(ctx, "t::f", nil)
			require.NoError(t, err)
			caller.End()
			require.NoError(t, w.Shutdown(ctx))
			require.NoError(t, provider.Shutdown(ctx))
			require.ElementsMatch(t, []string{"caller", "execute t::f"}, e.Spans())
			require.Empty(t, e.Faults())

			spans := received(t, e)
			require.JSONEq(t, `{"key":"service.name","value":{"stringValue":"talks"}}`, string(spans.resource))
			executed, called := spans.named["execute t::f"], spans.named["caller"]
			require.Equal(t, caller.SpanContext().TraceID().String(), executed["traceId"])
			require.Equal(t, caller.SpanContext().SpanID().String(), executed["parentSpanId"])
			require.Equal(t, caller.SpanContext().SpanID().String(), called["spanId"])
			require.NotContains(t, called, "parentSpanId")
			require.Equal(t, 1.0, executed["kind"], "internal")
			require.Equal(t, 3.0, called["kind"], "client")
			require.Equal(t, map[string]any{"code": 2.0, "message": "no money"}, executed["status"])
			link := executed["links"].([]any)[0].(map[string]any)
			require.Equal(t, other.TraceID().String(), link["traceId"])
			require.Equal(t, other.SpanID().String(), link["spanId"])
			require.Contains(t, executed["attributes"], map[string]any{"key": "n", "value": map[string]any{"intValue": "1152921504606846976"}})
		})
	}
}

type spans struct {
	resource json.RawMessage // the first attribute
	named    map[string]map[string]any
}

func received(t *testing.T, e *iiitest.Engine) spans {
	t.Helper()
	all := spans{named: map[string]map[string]any{}}
	for _, frame := range e.Telemetry() {
		var request struct {
			ResourceSpans []struct {
				Resource   struct{ Attributes []json.RawMessage }
				ScopeSpans []struct{ Spans []map[string]any }
			}
		}
		require.NoError(t, json.Unmarshal(frame.Request, &request))
		for _, r := range request.ResourceSpans {
			all.resource = r.Resource.Attributes[0]
			for _, scope := range r.ScopeSpans {
				for _, span := range scope.Spans {
					all.named[span["name"].(string)] = span
				}
			}
		}
	}
	return all
}
