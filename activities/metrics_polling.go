package activities

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/parley-run/parley/internal/label"
)

// polling is what the polls that run on this worker have seen, for gauges. A poll that ends
// takes its values with it: another worker reports them from then on.
type polling struct {
	mu sync.Mutex
	by map[inboxKey]*polled
}

// polled is one of the polls.
type polled struct {
	runs     int // how many polls of the inbox run here: one, for a moment two
	since    time.Time
	interval time.Duration
	status   PollStatus
	shown    bool
}

// begin is called when a poll begins, and end when it is over.
func (p *polling) begin(in PollInput) (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	it := p.by[in.key()]
	if it == nil {
		if p.by == nil {
			p.by = make(map[inboxKey]*polled)
		}
		it = &polled{since: time.Now()}
		p.by[in.key()] = it
	}
	it.runs++
	it.interval = cmp.Or(max(in.Settings.Interval, 0), defaultPollInterval)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if it.runs--; it.runs == 0 {
			delete(p.by, in.key())
		}
	}
}

// show takes in the newest status of a poll.
func (p *polling) show(in PollInput, status PollStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if it := p.by[in.key()]; it != nil {
		it.status, it.shown = status, true
	}
}

// age is for how long the platform has not answered.
func (it *polled) age(now time.Time) time.Duration {
	last := it.status.LastPoll
	if last.IsZero() {
		last = it.since
	}
	return max(now.Sub(last), 0)
}

// limit is how many conversations of the platform may be open. Zero: there is no limit.
func (it *polled) limit() int {
	if r := it.status.Reduced; r != nil && it.status.Limit > 0 {
		return max(min(it.status.Limit, r.Limit), 0)
	}
	return it.status.Limit
}

// platforms has one poll of each platform: all polls of a platform instance on a worker
// see the same capacity.
func (p *polling) platforms() map[string]*polled {
	all := make(map[string]*polled)
	for key, it := range p.by {
		if before := all[key.platform]; it.shown && (before == nil || before.status.LastPoll.Before(it.status.LastPoll)) {
			all[key.platform] = it
		}
	}
	return all
}

// agentSeen is what the polls of an agent have seen.
type agentSeen struct {
	assigned int
	age      time.Duration // of the oldest poll
	shown    bool
}

// agents has what the polls have seen, by platform and agent.
func (p *polling) agents(labels *label.Set) map[attribute.Set]agentSeen {
	now := time.Now()
	all := make(map[attribute.Set]agentSeen)
	for key, it := range p.by {
		by := attribute.NewSet(labels.Of("platform", key.platform), labels.Of("agent", key.agent))
		seen := all[by]
		seen.assigned += it.status.Waiting
		seen.age, seen.shown = max(seen.age, it.age(now)), seen.shown || it.shown
		all[by] = seen
	}
	return all
}

// onerunTasks are the four figures of OneRun's Python worker.
type onerunTasks struct{ processing, queued, max, interval float64 }

// tasks adds the figures of all polls of this worker up.
func (p *polling) tasks() (t onerunTasks) {
	for _, it := range p.platforms() {
		t.processing += float64(it.status.Open)
		t.max += float64(it.limit())
	}
	for _, it := range p.by {
		t.queued += float64(it.status.Waiting)
		if seconds := it.interval.Seconds(); t.interval == 0 || seconds < t.interval {
			t.interval = seconds
		}
	}
	return t
}

// register makes the gauges.
func (p *polling) register(meter metric.Meter, labels *label.Set) (metric.Registration, error) {
	var errs []error
	var all []metric.Observable
	gauge := func(name, unit, description string) metric.Float64ObservableGauge {
		g, err := meter.Float64ObservableGauge(name, metric.WithDescription(description), metric.WithUnit(unit))
		errs, all = append(errs, err), append(all, g)
		return g
	}
	var (
		assigned   = gauge("parley.conversations.assigned", "", "Conversations that the platform has assigned to the agent and that have not started, at the last poll.")
		waiting    = gauge("parley.conversations.waiting", "", "Conversations of a platform that wait for capacity.")
		reserved   = gauge("parley.capacity.reserved", "", "Conversations of a platform that hold capacity.")
		limit      = gauge("parley.capacity.limit", "", "Conversations of a platform that may hold capacity now: max_open, or fewer while the platform has too much to do.")
		free       = gauge("parley.capacity.free", "", "Conversations of a platform that could start now: the limit less those that hold or wait for capacity.")
		age        = gauge("parley.poll.age", "s", "Time since the platform last answered a poll, on the worker that polls.")
		processing = gauge("processing_tasks", "", "Conversations of this worker's inboxes that hold capacity, under the name of OneRun's Python worker.")
		queued     = gauge("queued_tasks", "", "Conversations of this worker's inboxes that have not started, under the name of OneRun's Python worker.")
		most       = gauge("max_concurrent_tasks", "", "The limit of conversations of this worker's inboxes, under the name of OneRun's Python worker; 0 without a limit.")
		interval   = gauge("poll_interval", "", "Seconds between two polls of this worker's inboxes, under the name of OneRun's Python worker; 0 while it polls for none.")
	)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for platform, it := range p.platforms() {
			by := metric.WithAttributes(labels.Of("platform", platform))
			o.ObserveFloat64(reserved, float64(it.status.Open), by)
			o.ObserveFloat64(waiting, float64(it.status.Queued), by)
			if n := it.limit(); n > 0 || it.status.Limit > 0 {
				o.ObserveFloat64(limit, float64(n), by)
				o.ObserveFloat64(free, float64(max(n-it.status.Open-it.status.Queued, 0)), by)
			}
		}
		for by, seen := range p.agents(labels) {
			if seen.shown {
				o.ObserveFloat64(assigned, float64(seen.assigned), metric.WithAttributeSet(by))
			}
			o.ObserveFloat64(age, seen.age.Seconds(), metric.WithAttributeSet(by))
		}
		t := p.tasks()
		o.ObserveFloat64(processing, t.processing)
		o.ObserveFloat64(queued, t.queued)
		o.ObserveFloat64(most, t.max)
		o.ObserveFloat64(interval, t.interval)
		return nil
	}, all...)
}
