package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/label"
)

// remindAfter is how often the log repeats that a provider asks to slow down: it asks so
// in the answer to every request of a burst.
const remindAfter = time.Minute

// Executors counts and logs what rate limits, fail-over chains and budgets do.
type Executors struct {
	logger *slog.Logger

	waits     metric.Float64Histogram
	queued    metric.Int64Counter
	throttled metric.Int64Counter
	waiting   metric.Int64Gauge
	inFlight  metric.Int64Gauge
	pace      metric.Float64Gauge
	switches  metric.Int64Counter
	breakers  metric.Int64Gauge
	cost      metric.Float64Counter
	labels    label.Set

	mu     sync.Mutex
	logged map[limit.Key]time.Time // when a quota was last in the log
}

var (
	_ limit.Observer    = (*Executors)(nil)
	_ failover.Observer = (*Executors)(nil)
	_ budget.Observer   = (*Executors)(nil)
)

// NewExecutors makes the instruments. The logger may be nil.
func NewExecutors(meter metric.Meter, logger *slog.Logger) (*Executors, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	x := &Executors{logger: logger, logged: make(map[limit.Key]time.Time)}
	var errs [9]error
	x.waits, errs[0] = meter.Float64Histogram("parley.limit.wait", metric.WithUnit("s"),
		metric.WithDescription("Time that requests waited in the worker for their turn, by quota."),
		metric.WithExplicitBucketBoundaries(.01, .05, .1, .5, 1, 2, 5, 10, 20, 30, 60))
	x.queued, errs[1] = meter.Int64Counter("parley.limit.queued",
		metric.WithDescription("Requests that were returned to Temporal, to be retried at their turn, by quota."))
	x.throttled, errs[2] = meter.Int64Counter("parley.limit.throttled",
		metric.WithDescription("Answers by which a provider asked to slow down, by quota."))
	x.waiting, errs[3] = meter.Int64Gauge("parley.limit.waiting",
		metric.WithDescription("Requests that wait for their turn, by quota."))
	x.inFlight, errs[4] = meter.Int64Gauge("parley.limit.in_flight",
		metric.WithDescription("Calls under way, by quota."))
	x.pace, errs[5] = meter.Float64Gauge("parley.limit.pace",
		metric.WithDescription("The part of its limits that a quota makes use of: 1 is all."))
	x.switches, errs[6] = meter.Int64Counter("parley.failover.switches",
		metric.WithDescription("Changes to the next link within an attempt, by chain, links and kind of error."))
	x.breakers, errs[7] = meter.Int64Gauge("parley.failover.breaker",
		metric.WithDescription("State of a provider's breaker: 0 closed, 1 half-open, 2 open."))
	x.cost, errs[8] = meter.Float64Counter("parley.cost",
		metric.WithDescription("Money of calls of executors that have prices, failed ones included, by executor, model and currency."))
	return x, errors.Join(errs[:]...)
}

// Limited implements limit.Observer.
func (x *Executors) Limited(ctx context.Context, e limit.Event) {
	by := metric.WithAttributes(x.labels.Of("quota", e.Key.String()))
	switch e.Type {
	case limit.EventSent:
		x.waits.Record(ctx, e.Wait.Seconds(), by)
	case limit.EventQueued:
		x.queued.Add(ctx, 1, by)
	case limit.EventThrottled:
		x.throttled.Add(ctx, 1, by)
		if x.toLog(e.Key) {
			x.logger.Warn("the provider asks to slow down", "quota", e.Key.String(), "pause", e.Wait.String(), "pace", e.Pace)
		}
	}
	x.waiting.Record(ctx, int64(e.Waiting), by)
	x.inFlight.Record(ctx, int64(e.InFlight), by)
	x.pace.Record(ctx, e.Pace, by)
}

func (x *Executors) toLog(key limit.Key) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	if last, ok := x.logged[key]; ok && now.Sub(last) < remindAfter {
		return false
	}
	x.logged[key] = now
	return true
}

// Spent implements budget.Observer.
func (x *Executors) Spent(ctx context.Context, s budget.Spending) {
	x.cost.Add(ctx, float64(s.Money)/float64(budget.One), metric.WithAttributes(
		x.labels.Of("executor", s.Executor), x.labels.Of("model", s.Model), x.labels.Of("currency", s.Currency)))
}

// Switched implements failover.Observer.
func (x *Executors) Switched(ctx context.Context, s failover.Switch) {
	x.switches.Add(ctx, 1, metric.WithAttributes(
		x.labels.Of("chain", s.Chain), x.labels.Of("from", s.From), x.labels.Of("to", s.To), x.labels.Of("kind", string(s.Kind))))
	x.logger.Info("failing over to the next link", "chain", s.Chain, "from", s.From, "to", s.To, "kind", string(s.Kind), "error", s.Err)
}

// BreakerChanged implements failover.Observer.
func (x *Executors) BreakerChanged(provider string, to failover.State) {
	states := map[failover.State]int64{failover.StateClosed: 0, failover.StateHalfOpen: 1, failover.StateOpen: 2}
	x.breakers.Record(context.Background(), states[to], metric.WithAttributes(x.labels.Of("provider", provider)))
	switch to {
	case failover.StateOpen:
		x.logger.Warn("the provider fails: no requests are sent for a while", "provider", provider)
	case failover.StateClosed:
		x.logger.Info("the provider answers again", "provider", provider)
	}
}
