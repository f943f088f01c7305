// Package telemetry collects the metrics of one worker, those of the Temporal SDK
// included, in a registry of its own and serves them to Prometheus; or it sends them
// to a provider that the caller has. [Tracing] makes the spans of a worker.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
)

// Metrics are the instruments of a worker.
type Metrics struct {
	// Meter makes Parley's own instruments.
	Meter metric.Meter
	// Temporal takes the SDK's: temporal_activity_execution_latency_seconds,
	// temporal_worker_task_slots_available and so on.
	Temporal client.MetricsHandler
	// Handler serves all of them as Prometheus reads them. Nil: the provider is the
	// caller's, see [Of].
	Handler http.Handler

	shutdown func(context.Context) error
}

// scope names Parley's own instruments and spans.
const scope = "github.com/parley-run/parley"

// seconds are the boundaries of the SDK's histograms. OpenTelemetry's own are
// meant for milliseconds; ours reach from a query to a slow model.
var seconds = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// New returns an empty collection that knows the process, the Go runtime and the
// version of the build.
func New(version string, logger *slog.Logger) (*Metrics, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	registry := prometheus.NewRegistry()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "parley_build_info", Help: "Always 1; the version is a label.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter),
		sdkmetric.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Name: "temporal_*", Kind: sdkmetric.InstrumentKindHistogram},
			sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: seconds}},
		)),
	)
	m := Of(provider, logger)
	m.Handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})
	m.shutdown = provider.Shutdown
	return m, nil
}

// Of sends everything to a provider that the caller has. There is no page of metrics:
// the provider's reader exports them.
func Of(provider metric.MeterProvider, logger *slog.Logger) *Metrics {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Metrics{
		Meter: provider.Meter(scope),
		Temporal: opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
			Meter:                provider.Meter("temporal-sdk-go"),
			UseMonotonicCounters: true,
			// The default is to panic. A number is not worth a worker.
			OnError: func(err error) { logger.Warn("metric dropped", "error", err) },
		}),
	}
}

// Shutdown ends the collection. It leaves a provider that the caller has alone.
func (m *Metrics) Shutdown(ctx context.Context) error {
	if m.shutdown == nil {
		return nil
	}
	if err := m.shutdown(ctx); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}
