// Package iiiotlp brings the spans of OpenTelemetry's SDK to an iii engine:
//
//	exporter, err := otlptrace.New(ctx, iiiotlp.NewClient(w))
//	if err != nil { … }
//	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
//	…
//	err = w.Shutdown(ctx)        // the last handlers end
//	err = provider.Shutdown(ctx) // their spans are sent
//
// Engines show what a worker does by its own spans; the SDKs' are of kind internal
// and called "execute <function id>". Metrics and logs have no such client: their
// exporters in OpenTelemetry's SDK keep the conversion to themselves. Whoever has
// them in OTLP's JSON sends them with [iii.Telemetry], and [iii.NewLogHandler] is
// for logs.
package iiiotlp
