package process

import (
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
func countConnections(meter metric.Meter, a *assemble.Assembly) (stop func(), err error) {
	byMetric := make(map[string][]assemble.Connection)
	for _, c := range a.Connections() {
		if c.Metric != "" {
			byMetric[c.Metric] = append(byMetric[c.Metric], c)
		}
	}
	var all stops
	for name, connections := range byMetric {
		one, err := observe(meter, name, "Whether the platform is connected: 1 or 0.", func(observe func(int64, ...attribute.KeyValue)) {
			for _, c := range connections {
				var connected int64
				if c.Err() == nil {
					connected = 1
				}
				observe(connected, attribute.String("platform", c.Platform))
			}
		})
		if err != nil {
			all.call()
			return nil, err
		}
		all = append(all, one)
	}
	return all.call, nil
}
