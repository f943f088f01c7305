// Package iiiotlp brings the spans of OpenTelemetry's SDK to an iii engine:
//
//	exporter, err := otlptrace.New(ctx, iiiotlp.NewClient(w))
//	if err != nil { … }
//	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
//	…
//	err = w.Shutdown(ctx)        // the last handlers end
//	err = provider.Shutdown(ctx) // their spans are sent
//
// Engines show what a worker does by its own spans. Those of today's official SDKs
// are called "execute <function id>" and of kind internal, those of 0.11 and before
// "call <function id>" and of kind server.
//
// Metrics and logs have no such client: OpenTelemetry's exporters for them keep the
// conversion to themselves. Who has them in OTLP's JSON sends them with
// [iii.Telemetry]; [iii.NewLogHandler] is for logs.
package iiiotlp
