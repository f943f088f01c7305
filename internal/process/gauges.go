package process

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// A gauge is what an observable gauge is made of.
type gauge struct{ name, unit, description string }

// gauges are observable gauges, in the order of what they were made of.
type gauges []metric.Float64ObservableGauge

func newGauges(meter metric.Meter, of []gauge) (gauges, error) {
	var all gauges
	for _, g := range of {
		made, err := meter.Float64ObservableGauge(g.name, metric.WithDescription(g.description), metric.WithUnit(g.unit))
		if err != nil {
			return nil, fmt.Errorf("process: %w", err)
		}
		all = append(all, made)
	}
	return all, nil
}

func (g gauges) all() []metric.Observable {
	var all []metric.Observable
	for _, one := range g {
		all = append(all, one)
	}
	return all
}

// sums adds values up that have the same attributes, as those have that are counted as
// label.Other: observed one after another, only the last would count.
type sums struct {
	observer metric.Observer
	gauges   gauges
	by       map[sumKey]float64
}

type sumKey struct {
	gauge int
	by    attribute.Set
}

func (s *sums) to(gauge int, n float64, by ...attribute.KeyValue) {
	if s.by == nil {
		s.by = make(map[sumKey]float64)
	}
	s.by[sumKey{gauge, attribute.NewSet(by...)}] += n
}

func (s *sums) observe() {
	for key, n := range s.by {
		s.observer.ObserveFloat64(s.gauges[key.gauge], n, metric.WithAttributeSet(key.by))
	}
}

// observe has a gauge observed until stop is called: a provider may outlive the worker.
func observe(meter metric.Meter, name, description string, f func(observe func(n int64, by ...attribute.KeyValue))) (stop func(), err error) {
	g, err := meter.Int64ObservableGauge(name, metric.WithDescription(description))
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	registered, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		f(func(n int64, by ...attribute.KeyValue) { o.ObserveInt64(g, n, metric.WithAttributes(by...)) })
		return nil
	}, g)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	return func() { _ = registered.Unregister() }, nil // it cannot fail: the registration is the provider's own
}

// stops calls all of them.
type stops []func()

func (s stops) call() {
	for _, stop := range s {
		stop()
	}
}
