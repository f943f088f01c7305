package process

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/health"
)

// connections are, for the readiness page, the platforms that keep one.
func connections(a *assemble.Assembly) []health.Connection {
	var all []health.Connection
	for _, c := range a.Connections() {
		all = append(all, health.Connection{Name: "platform " + c.Platform, Err: c.Err})
	}
	return all
}

// countConnections makes the gauges that say which platforms are connected.
func countConnections(meter metric.Meter, a *assemble.Assembly) error {
	byMetric := make(map[string][]assemble.Connection)
	for _, c := range a.Connections() {
		if c.Metric != "" {
			byMetric[c.Metric] = append(byMetric[c.Metric], c)
		}
	}
	for name, all := range byMetric {
		_, err := meter.Int64ObservableGauge(name,
			metric.WithDescription("Whether the platform is connected: 1 or 0."),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				for _, c := range all {
					var connected int64
					if c.Err() == nil {
						connected = 1
					}
					o.Observe(connected, metric.WithAttributes(attribute.String("platform", c.Platform)))
				}
				return nil
			}))
		if err != nil {
			return err
		}
	}
	return nil
}
