package activities

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/platforms"
)

// PressureConfig is what a Pressure needs.
type PressureConfig struct {
	Runs    Runs
	Metrics *Metrics // nil: nothing is counted
	// Window is how long calls are counted. Zero: pressure.DefaultWindow.
	Window time.Duration
}

// Pressure counts this worker's calls on platforms with a limit, and reports to the
// workflow Capacity of the instance while calls show that the platform has too much to do,
// or while its limit is reduced: at most twice a window for each instance (once, if all calls are good), and
// nothing while all is well. The activities of conversations and of inboxes of a worker share one.
// A nil Pressure counts nothing.
type Pressure struct {
	runs    Runs
	metrics *Metrics
	window  time.Duration
	ctx     context.Context
	stop    context.CancelFunc

	mu      sync.Mutex // a meter's mutex may be held when it is taken, not the reverse
	meters  map[string]*meter
	sending sync.WaitGroup
}

// NewPressure returns the meters of a worker. Call [Pressure.Stop] once its activities have
// ended.
func NewPressure(cfg PressureConfig) *Pressure {
	if cfg.Metrics == nil {
		cfg.Metrics = noMetrics()
	}
	p := &Pressure{
		runs: cfg.Runs, metrics: cfg.Metrics, window: cmp.Or(max(cfg.Window, 0), pressure.DefaultWindow), meters: make(map[string]*meter),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Stop ends all reports and returns when none is on its way.
func (p *Pressure) Stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.stop() // no report begins any more
	meters := slices.Collect(maps.Values(p.meters))
	p.mu.Unlock()
	for _, m := range meters {
		m.mu.Lock()
		if m.next != nil && m.next.Stop() {
			p.sending.Done()
		}
		m.mu.Unlock()
	}
	p.sending.Wait()
}

// of returns the meter of an instance, nil where there is no limit that could be reduced.
func (p *Pressure) of(inst platforms.Instance) *meter {
	if p == nil || inst.MaxOpen <= 0 || inst.FixedMaxOpen {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m, ok := p.meters[inst.Name]
	if !ok {
		m = &meter{of: p, platform: inst.Name, limit: inst.MaxOpen, usual: make(map[string]*baseline)}
		p.meters[inst.Name] = m
	}
	return m
}

// begin reserves a report that is to be sent, unless the worker has stopped.
func (p *Pressure) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return false
	}
	p.sending.Add(1)
	return true
}

// send sends a report and returns how the limit is now reduced.
func (p *Pressure) send(m *meter, r pressure.Report) (*pressure.Reduction, error) {
	out, err := p.runs.Reserve(p.ctx, m.platform, ReserveRequest{Limit: m.limit, Pressure: &r})
	if err != nil {
		return nil, err
	}
	if out.Change == pressure.Lowered {
		p.metrics.lowered(p.ctx, m.platform)
	}
	return out.Reduced, nil
}
