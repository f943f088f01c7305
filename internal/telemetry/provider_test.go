package telemetry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/parley-run/parley/internal/telemetry"
)

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
