package telemetry_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/internal/telemetry"
)

// An activity's span is below that of its workflow, and code in it finds it.
func TestTracing(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tracing, err := telemetry.Tracing(provider)
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{tracing}})
	var inside trace.SpanContext
	reply := func(ctx context.Context) error {
		inside = trace.SpanContextFromContext(ctx)
		return nil
	}
	env.RegisterActivity(reply)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 1e9})
		return workflow.ExecuteActivity(ctx, reply).Get(ctx, nil)
	})
	require.NoError(t, env.GetWorkflowError())
	ended := map[trace.SpanID]tracetest.SpanStub{}
	for _, s := range spans.GetSpans() {
		ended[s.SpanContext.SpanID()] = s
		require.Equal(t, "github.com/parley-run/parley", s.InstrumentationScope.Name)
	}
	activity, ok := ended[inside.SpanID()]
	require.True(t, ok)
	require.Contains(t, activity.Name, "RunActivity:")
	above := ended[activity.Parent.SpanID()]
	require.Contains(t, above.Name, "StartActivity:")
	require.Contains(t, ended[above.Parent.SpanID()].Name, "RunWorkflow:")
}

func TestMetricsOfACallersProvider(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	m, err := telemetry.Of(provider, nil)
	require.NoError(t, err)
	require.Nil(t, m.Handler)
	m.Temporal.Counter("temporal_request").Inc(3)
	counter, err := m.Meter.Int64Counter("parley.things")
	require.NoError(t, err)
	counter.Add(t.Context(), 2)
	require.NoError(t, m.Shutdown(t.Context()), "the caller shuts it down")
	var read metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &read))
	var names []string
	for _, s := range read.ScopeMetrics {
		for _, metric := range s.Metrics {
			names = append(names, metric.Name)
		}
	}
	require.ElementsMatch(t, []string{"temporal_request", "parley.things"}, names)
}
