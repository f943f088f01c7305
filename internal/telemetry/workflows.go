package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/internal/label"
	"github.com/parley-run/parley/workflows"
)

// own are the SDK's labels that have nothing to say of the metrics of workflow code: they
// are the same for all.
var own = map[string]bool{"client_name": true, "worker_type": true, "workflow_type": true, "activity_type": true}

// instruments are those of workflow code, which the SDK's handler cannot describe.
type instruments struct {
	counters map[string]metric.Int64Counter
	timers   map[string]metric.Float64Histogram
	labels   label.Set
}

func newInstruments(meter metric.Meter) (*instruments, error) {
	all := &instruments{counters: make(map[string]metric.Int64Counter), timers: make(map[string]metric.Float64Histogram)}
	for _, of := range workflows.Instruments() {
		var err error
		if of.Timer {
			all.timers[of.Name], err = meter.Float64Histogram(of.Name, metric.WithDescription(of.Description), metric.WithUnit("s"),
				metric.WithExplicitBucketBoundaries(of.Buckets...))
		} else {
			all.counters[of.Name], err = meter.Int64Counter(of.Name, metric.WithDescription(of.Description))
		}
		if err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	return all, nil
}

// handler gives the metrics of workflow code to Parley's instruments, and all others, the
// SDK's own, to the SDK's handler. It bounds the values of labels: they are names of
// tenants, task queues, workflows and so on, which callers choose.
type handler struct {
	client.MetricsHandler
	of   *instruments
	tags []attribute.KeyValue
}

var _ client.MetricsHandler = handler{}

// WithTags implements client.MetricsHandler.
func (h handler) WithTags(tags map[string]string) client.MetricsHandler {
	bounded := make(map[string]string, len(tags))
	all := append([]attribute.KeyValue(nil), h.tags...)
	for key, value := range tags {
		by := h.of.labels.Of(key, value)
		bounded[key] = by.Value.AsString()
		if !own[key] {
			all = append(all, by)
		}
	}
	return handler{MetricsHandler: h.MetricsHandler.WithTags(bounded), of: h.of, tags: all}
}

// Unwrap returns the SDK's handler.
func (h handler) Unwrap() client.MetricsHandler { return h.MetricsHandler }

// Counter implements client.MetricsHandler.
func (h handler) Counter(name string) client.MetricsCounter {
	if c, ok := h.of.counters[name]; ok {
		return counter{c, metric.WithAttributes(h.tags...)}
	}
	return h.MetricsHandler.Counter(name)
}

// Timer implements client.MetricsHandler.
func (h handler) Timer(name string) client.MetricsTimer {
	if t, ok := h.of.timers[name]; ok {
		return timer{t, metric.WithAttributes(h.tags...)}
	}
	return h.MetricsHandler.Timer(name)
}

type counter struct {
	to metric.Int64Counter
	by metric.MeasurementOption
}

// Inc implements client.MetricsCounter.
func (c counter) Inc(n int64) { c.to.Add(context.Background(), n, c.by) }

type timer struct {
	to metric.Float64Histogram
	by metric.MeasurementOption
}

// Record implements client.MetricsTimer.
func (t timer) Record(d time.Duration) { t.to.Record(context.Background(), d.Seconds(), t.by) }
