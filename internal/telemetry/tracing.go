package telemetry

import (
	"fmt"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// Tracing makes spans of what a client starts and of the workflows and activities
// that its workers run, and carries them from one to the next in Temporal's headers.
// Workflow code makes none while it is replayed. Queries make none at all: they read
// and are no step of a conversation.
func Tracing(provider trace.TracerProvider) (interceptor.Interceptor, error) {
	spans, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer:              provider.Tracer(scope),
		DisableQueryTracing: true,
		// A header that another program wrote must not fail a workflow task.
		AllowInvalidParentSpans: true,
	})
	if err != nil {
		return nil, fmt.Errorf("telemetry: tracing: %w", err)
	}
	return spans, nil
}
