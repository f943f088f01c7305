package process

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/health"
	"github.com/parley-run/parley/internal/iiiserve"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/platforms/iiiengine"
)

// engines are the iii engines that the configuration names, in its order.
type engines []*iiiengine.Platform

func enginesOf(a *assemble.Assembly) engines {
	var all engines
	for _, p := range a.Config.Platforms {
		if platform, ok := a.Platforms[p.Name].Platform.(*iiiengine.Platform); ok && !p.Given {
			all = append(all, platform)
		}
	}
	return all
}

func (all engines) introduce(version string, logger *slog.Logger) {
	for _, p := range all {
		p.Introduce(version, logger)
	}
}

// connections are for the readiness page.
func (all engines) connections() []health.Connection {
	var connections []health.Connection
	for _, p := range all {
		connections = append(connections, health.Connection{Name: "platform " + p.Config().Name, Err: p.Connected})
	}
	return connections
}

// count makes the metric that tells which engines are connected.
func (all engines) count(meter metric.Meter) error {
	if len(all) == 0 {
		return nil
	}
	_, err := meter.Int64ObservableGauge("parley.iii.connected",
		metric.WithDescription("Whether the iii engine of a platform is connected: 1 or 0."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for _, p := range all {
				var connected int64
				if p.Connected() == nil {
					connected = 1
				}
				o.Observe(connected, metric.WithAttributes(attribute.String("platform", p.Config().Name)))
			}
			return nil
		}))
	return err
}

// services serve conversations on each of the engines.
func (all engines) services(
	a *assemble.Assembly, temporal *connect.Client, logger *slog.Logger,
) ([]Service, error) {
	var services []Service
	for _, p := range all {
		server, err := iiiserve.New(iiiserve.Config{
			Platform: p, Agents: iiiserve.Agents(a.Config, p.Config().Name),
			Launcher: launch.Launcher{Client: temporal.Client, TaskQueue: a.Config.TaskQueue},
			Operator: &operate.Operator{
				Client: temporal.Client, Address: temporal.Address, Namespace: temporal.Namespace, TaskQueue: a.Config.TaskQueue,
				Converter: temporal.Converter,
			},
			Logger: logger,
		})
		if err != nil {
			return nil, err
		}
		services = append(services, server)
	}
	return services, nil
}
