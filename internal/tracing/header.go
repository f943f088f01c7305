package tracing

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

const (
	// headerKey is that of Temporal's own interceptors for OpenTelemetry: a program that
	// has them starts conversations that link to its spans.
	headerKey = "_tracer-data"
	// seedKey has the seed of the root's id, from the second run on.
	seedKey = "_parley-trace-seed"
)

var w3c propagation.TraceContext

// writeContext puts a span's context into a header.
func writeContext(header map[string]*commonpb.Payload, of trace.SpanContext) {
	if header == nil || !of.IsValid() {
		return
	}
	fields := propagation.MapCarrier{}
	w3c.Inject(trace.ContextWithRemoteSpanContext(context.Background(), of), fields)
	if p, err := converter.GetDefaultDataConverter().ToPayload(map[string]string(fields)); err == nil {
		header[headerKey] = p
	}
}

// readContext is the context in a header. One that cannot be read is none: another program
// may have written it.
func readContext(header map[string]*commonpb.Payload) trace.SpanContext {
	p, ok := header[headerKey]
	if !ok {
		return trace.SpanContext{}
	}
	var fields map[string]string
	if converter.GetDefaultDataConverter().FromPayload(p, &fields) != nil {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(w3c.Extract(context.Background(), propagation.MapCarrier(fields)))
}

func writeSeed(header map[string]*commonpb.Payload, seed string) {
	if header == nil {
		return
	}
	if p, err := converter.GetDefaultDataConverter().ToPayload(seed); err == nil {
		header[seedKey] = p
	}
}

func readSeed(header map[string]*commonpb.Payload) (seed string) {
	if p, ok := header[seedKey]; ok {
		_ = converter.GetDefaultDataConverter().FromPayload(p, &seed)
	}
	return seed
}
