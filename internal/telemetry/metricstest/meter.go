package metricstest

import (
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	"go.opentelemetry.io/otel/metric/noop"
)

// An Instruments is a provider whose meter records which instruments are made, and measures
// nothing.
type Instruments struct {
	embedded.MeterProvider

	mu   sync.Mutex
	made map[string]Metric
}

// Meter implements metric.MeterProvider.
func (m *Instruments) Meter(string, ...metric.MeterOption) metric.Meter { return meter{of: m} }

// Made are the instruments by name, without labels.
func (m *Instruments) Made() map[string]Metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.made
}

func (m *Instruments) add(name, kind, unit string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made == nil {
		m.made = make(map[string]Metric)
	}
	m.made[name] = Metric{Name: name, Type: kind, Unit: unit}
}

type meter struct {
	noop.Meter
	of *Instruments
}

func (m meter) Int64Counter(name string, o ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	m.of.add(name, "counter", metric.NewInt64CounterConfig(o...).Unit())
	return m.Meter.Int64Counter(name, o...)
}

func (m meter) Float64Counter(name string, o ...metric.Float64CounterOption) (metric.Float64Counter, error) {
	m.of.add(name, "counter", metric.NewFloat64CounterConfig(o...).Unit())
	return m.Meter.Float64Counter(name, o...)
}

func (m meter) Float64Histogram(name string, o ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	m.of.add(name, "histogram", metric.NewFloat64HistogramConfig(o...).Unit())
	return m.Meter.Float64Histogram(name, o...)
}

func (m meter) Int64Gauge(name string, o ...metric.Int64GaugeOption) (metric.Int64Gauge, error) {
	m.of.add(name, "gauge", metric.NewInt64GaugeConfig(o...).Unit())
	return m.Meter.Int64Gauge(name, o...)
}

func (m meter) Float64Gauge(name string, o ...metric.Float64GaugeOption) (metric.Float64Gauge, error) {
	m.of.add(name, "gauge", metric.NewFloat64GaugeConfig(o...).Unit())
	return m.Meter.Float64Gauge(name, o...)
}

func (m meter) Int64ObservableGauge(name string, o ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	m.of.add(name, "gauge", metric.NewInt64ObservableGaugeConfig(o...).Unit())
	return m.Meter.Int64ObservableGauge(name, o...)
}

func (m meter) Float64ObservableGauge(name string, o ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	m.of.add(name, "gauge", metric.NewFloat64ObservableGaugeConfig(o...).Unit())
	return m.Meter.Float64ObservableGauge(name, o...)
}
