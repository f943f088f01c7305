package export

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/parley-run/parley/internal/printable"
)

const (
	variableQueueSize = "OTEL_BSP_MAX_QUEUE_SIZE"
	variableBatchSize = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
	// remindAfter is how often losses are logged.
	remindAfter = time.Minute
	maxReport   = 300
)

// capacity is how many spans have ended and are not exported yet, at most: those in the
// queue and those on their way. OpenTelemetry's queue reads the variables itself.
func (o Options) capacity() int64 {
	number := func(variable string, otherwise int64) int64 {
		if n, err := strconv.ParseInt(o.value(variable), 10, 64); err == nil && n > 0 {
			return n
		}
		return otherwise
	}
	queue := number(variableQueueSize, sdktrace.DefaultMaxQueueSize)
	return queue + min(queue, number(variableBatchSize, sdktrace.DefaultMaxExportBatchSize))
}

// counted is OpenTelemetry's queue with an exporter. It counts what does not arrive: a
// collector that is slow or away must not hold up a conversation, so the queue drops spans.
// The queue does not say so; what it cannot hold it has dropped.
type counted struct {
	sdktrace.SpanProcessor
	exporter sdktrace.SpanExporter
	capacity int64
	reports  *throttled

	// ended counts the spans that the queue was given, and taken those that it has handed to
	// the exporter.
	ended, taken atomic.Int64
	// failed counts those that the exporter could not send, and dropped those that the queue
	// did not take. Until the end, dropped may be too small by what is on its way at once.
	failed, dropped atomic.Int64
}

func newCounted(exporter sdktrace.SpanExporter, capacity int64, reports *throttled) *counted {
	c := &counted{exporter: exporter, capacity: capacity, reports: reports}
	c.SpanProcessor = sdktrace.NewBatchSpanProcessor(countedExporter{c})
	return c
}

// OnEnd gives a span to the queue. It does not wait.
func (c *counted) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() && c.ended.Add(1)-c.taken.Load()-c.dropped.Load() > c.capacity {
		c.reports.warn("more spans than the queue holds: some are lost", c.dropped.Add(1), errQueueFull)
	}
	c.SpanProcessor.OnEnd(s)
}

var errQueueFull = errors.New("the collector is away or too slow, or " + variableQueueSize + " is too small")

// countedExporter is the exporter, as the queue has it.
type countedExporter struct{ *counted }

func (e countedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.exporter.ExportSpans(ctx, spans)
	e.taken.Add(int64(len(spans)))
	if err != nil {
		e.reports.warn("spans were not exported: they are lost", e.failed.Add(int64(len(spans))), err)
	}
	return nil // it is reported
}

func (e countedExporter) Shutdown(ctx context.Context) error { return e.exporter.Shutdown(ctx) }

// lost is how many spans have not been exported, as far as known.
func (c *counted) lost() int64 { return c.failed.Load() + c.dropped.Load() }

// closed is called when the queue is empty, or was given up.
func (c *counted) closed() {
	if c.dropped.Store(c.ended.Load() - c.taken.Load()); c.lost() > 0 {
		c.reports.now("spans were not exported: they are lost", c.lost(), nil)
	}
}

// Count makes the counter of the spans that are lost.
func (p *Provider) Count(meter metric.Meter) error {
	_, err := meter.Int64ObservableCounter("parley.spans.dropped",
		metric.WithDescription("Spans that were not exported: the collector was away, or too slow."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			total := int64(0)
			for _, one := range p.counted {
				total += one.lost()
			}
			o.Observe(total)
			return nil
		}))
	return err
}

// throttled logs once in a while.
type throttled struct {
	logger *slog.Logger
	mu     sync.Mutex
	last   time.Time
}

func (t *throttled) warn(text string, spans int64, err error) {
	t.mu.Lock()
	recent := !t.last.IsZero() && time.Since(t.last) < remindAfter
	if !recent {
		t.last = time.Now()
	}
	t.mu.Unlock()
	if !recent {
		t.now(text, spans, err)
	}
}

func (t *throttled) now(text string, spans int64, err error) {
	var about []any
	if spans > 0 {
		about = append(about, "spans", spans)
	}
	if err != nil {
		about = append(about, "reason", printable.Clip(printable.Line(err.Error()), maxReport))
	}
	t.logger.Warn(text, about...)
}
