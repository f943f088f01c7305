// Package telemetry collects the metrics of one worker, those of the Temporal SDK
// included. It serves them to Prometheus, pushes them to a collector, or sends them
// to a provider that the caller has.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
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
	// Handler serves all of them as Prometheus reads them, and OneRun's four as JSON to
	// clients that accept only that. Nil: there is no such page.
	Handler http.Handler
	// Pushed says where they are pushed to, for the log. Empty: nowhere.
	Pushed string

	shutdown func(context.Context) error
}

// scope names Parley's own instruments and spans.
const scope = "github.com/parley-run/parley"

// seconds are the boundaries of the SDK's histograms. OpenTelemetry's own are
// meant for milliseconds; ours reach from a query to a slow model.
var seconds = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// mostSeries bounds the series of one instrument, whatever its attributes are: beyond it,
// all values are one series with the attribute otel_metric_overflow.
const mostSeries = 2000

// shutdownWithin bounds the last push, to a collector that may not answer.
const shutdownWithin = 5 * time.Second

// Options say how metrics are exported.
type Options struct {
	// Version is that of the build.
	Version string
	// Lookup finds the variables OTEL_… that choose exporters: see [Exporters]. Nil: there
	// is the page for Prometheus alone.
	Lookup func(name string) (string, bool)
	// Logger receives what is wrong with a push. Nil: nothing is logged.
	Logger *slog.Logger
}

// New returns an empty collection that knows the version of the build and, for Prometheus,
// the process and the Go runtime.
func New(ctx context.Context, o Options) (*Metrics, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Lookup == nil {
		o.Lookup = func(string) (string, bool) { return "", false }
	}
	use, err := Exporters(o.Lookup)
	if err != nil {
		return nil, err
	}
	provide := []sdkmetric.Option{
		sdkmetric.WithCardinalityLimit(mostSeries),
		sdkmetric.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Name: "temporal_*", Kind: sdkmetric.InstrumentKindHistogram},
			sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: seconds}},
		)),
	}
	var page http.Handler
	if use.Prometheus {
		registry, reader, err := registry()
		if err != nil {
			return nil, err
		}
		page = pageOf(registry)
		provide = append(provide, sdkmetric.WithReader(reader))
	}
	if use.Push != nil {
		reader, err := use.Push.reader(ctx, o.Logger)
		if err != nil {
			return nil, err
		}
		provide = append(provide, sdkmetric.WithReader(reader), sdkmetric.WithResource(describe(o.Lookup, o.Version)))
	}
	provider := sdkmetric.NewMeterProvider(provide...)
	m, err := Of(provider, o.Logger)
	if err != nil {
		return nil, err
	}
	m.Handler, m.shutdown = page, provider.Shutdown
	if use.Push != nil {
		m.Pushed = use.Push.Endpoint
	}
	return m, m.build(o.Version)
}

// registry collects for Prometheus.
func registry() (*prometheus.Registry, sdkmetric.Reader, error) {
	r := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := r.Register(c); err != nil {
			return nil, nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(r), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, nil, fmt.Errorf("telemetry: %w", err)
	}
	return r, reader, nil
}

// build says which build the worker is.
func (m *Metrics) build(version string) error {
	_, err := m.Meter.Int64ObservableGauge("parley.build_info", metric.WithDescription("Always 1; the version is a label."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(1, metric.WithAttributes(attribute.String("version", version)))
			return nil
		}))
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}

// Of sends everything to a provider that the caller has. There is no page of metrics:
// the provider's reader exports them.
func Of(provider metric.MeterProvider, logger *slog.Logger) (*Metrics, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	m := &Metrics{Meter: provider.Meter(scope)}
	of, err := newInstruments(m.Meter)
	if err != nil {
		return nil, err
	}
	m.Temporal = handler{of: of, MetricsHandler: opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                provider.Meter("temporal-sdk-go"),
		UseMonotonicCounters: true,
		// The default is to panic. A number is not worth a worker.
		OnError: func(err error) { logger.Warn("metric dropped", "error", err) },
	})}
	return m, nil
}

// Shutdown ends the collection, after a last push, for which it waits some seconds at most.
// It leaves a provider that the caller has alone.
func (m *Metrics) Shutdown(ctx context.Context) error {
	if m.shutdown == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, shutdownWithin)
	defer cancel()
	if err := m.shutdown(ctx); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}
