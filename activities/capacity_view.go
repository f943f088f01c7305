package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/platforms"
)

// capacityViews holds a view of the capacity of each platform instance. All polls of
// a worker that serve the same instance share one.
type capacityViews struct {
	runs     Runs
	pressure *Pressure
	mu       sync.Mutex
	views    map[string]*capacityView
}

func newCapacityViews(runs Runs, count *Pressure) *capacityViews {
	return &capacityViews{runs: runs, pressure: count, views: make(map[string]*capacityView)}
}

// acquire returns the view of an instance. The poll calls release when it ends.
func (c *capacityViews) acquire(inst platforms.Instance) *capacityView {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.views[inst.Name]
	if !ok {
		v = newCapacityView(inst.Name, max(inst.MaxOpen, 0), c.runs)
		v.meter, v.fixed = c.pressure.of(inst), inst.FixedMaxOpen
		c.views[inst.Name] = v
	}
	v.users++
	return v
}

// release ends a poll's use of a view. The last one waits until nothing watches for
// the view any more.
func (c *capacityViews) release(v *capacityView) {
	c.mu.Lock()
	v.users--
	last := v.users == 0
	if last {
		delete(c.views, v.platform)
	}
	c.mu.Unlock()
	if last {
		v.cancel()
		v.watchers.Wait()
	}
}

// A capacityView is what a worker knows about the open conversations of a platform
// instance. With a limit, the workflow Capacity decides and the view is a copy of its
// state; without one, it counts what visibility lists. It notices at once when a
// conversation closes, whichever worker runs it.
type capacityView struct {
	platform string
	limit    int  // zero: none
	fixed    bool // the limit is not to be reduced
	meter    *meter
	runs     Runs
	users    int           // guarded by capacityViews.mu
	syncing  chan struct{} // held by the poll that syncs
	ctx      context.Context
	cancel   context.CancelFunc
	watchers sync.WaitGroup

	mu       sync.Mutex
	open     map[string]Reservation
	inactive map[string]bool // queued, parked or stranded: not to be started
	watched  map[string]bool
	released map[string]Reservation // to be reported to Capacity
	counts   CapacityCounts         // of the newest answer of Capacity
	reduced  *pressure.Reduction    // of the same
	schedule syncSchedule
	suspects suspects
	change   chan struct{} // closed and replaced when a reservation may be free
}

func newCapacityView(platform string, limit int, runs Runs) *capacityView {
	ctx, cancel := context.WithCancel(context.Background())
	return &capacityView{
		platform: platform, limit: limit, runs: runs, ctx: ctx, cancel: cancel,
		syncing: make(chan struct{}, 1), change: make(chan struct{}),
		open: make(map[string]Reservation), inactive: make(map[string]bool),
		watched: make(map[string]bool), released: make(map[string]Reservation),
		suspects: suspects{described: make(map[string]time.Time), seen: make(map[string]suspicion)},
	}
}

// reserve asks for reservations and reports those that have ended. Without a limit,
// all that is wanted is granted.
func (v *capacityView) reserve(ctx context.Context, req ReserveRequest) (ReserveResult, error) {
	if v.limit == 0 {
		return v.grantAll(req.Wanted), nil
	}
	v.mu.Lock()
	released := maps.Clone(v.released)
	v.mu.Unlock()
	req.Limit = v.limit
	if v.fixed && v.reduction() != nil {
		req.Pressure = &pressure.Report{Off: true}
	}
	req.Ended = slices.AppendSeq(req.Ended, maps.Values(released))
	out, err := v.runs.Reserve(ctx, v.platform, req)
	if err != nil {
		return out, fmt.Errorf("inbox: reserve capacity of %q: %w", v.platform, err)
	}
	v.applyReserve(req, out)
	return out, nil
}

func (v *capacityView) grantAll(wanted []Reservation) (out ReserveResult) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range wanted {
		if _, ok := v.open[r.ID]; ok {
			out.Known = append(out.Known, r.ID)
			continue
		}
		v.open[r.ID] = r
		out.Granted = append(out.Granted, r)
	}
	return out
}

// applyReserve copies what a Reserve has changed.
func (v *capacityView) applyReserve(req ReserveRequest, out ReserveResult) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range slices.Concat(req.Ended, req.Parked, req.Stranded) {
		if v.released[r.ID] == r {
			delete(v.released, r.ID)
		}
		if v.open[r.ID] == r {
			delete(v.open, r.ID)
		}
	}
	for _, r := range out.Granted {
		v.open[r.ID] = r
		v.suspects.described[r.ID] = time.Now()
	}
	for _, id := range out.Known {
		v.inactive[id] = true // the next sync says which reservation it holds, if any
	}
	v.counts = out.CapacityCounts
	v.reduce(out.Reduced)
}

// reduce takes in how far the limit is reduced. The caller holds the mutex.
func (v *capacityView) reduce(by *pressure.Reduction) {
	v.reduced = by
	v.meter.learn(by)
}

// reduction is how far the limit is reduced. Nil: it is not.
func (v *capacityView) reduction() *pressure.Reduction {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reduced
}

// unused releases reservations with which nothing is started.
func (v *capacityView) unused(unused ...Reservation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range unused {
		v.release(r)
	}
}

// release removes a reservation; the next Reserve reports it. The caller holds the
// mutex.
func (v *capacityView) release(r Reservation) {
	delete(v.open, r.ID)
	if v.limit > 0 {
		v.released[r.ID] = r
	}
}

// notStarted keeps or releases a reservation whose conversation was not started
// because a workflow of that id exists.
func (v *capacityView) notStarted(ctx context.Context, r Reservation) {
	info, err := v.runs.Describe(ctx, r.ID)
	if err != nil {
		return // the next sync finds out
	}
	if info.Running {
		v.started(r)
	} else {
		v.unused(r)
	}
}

// started watches a conversation that runs.
func (v *capacityView) started(r Reservation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watch(r.ID)
}

// maxWatched is how many conversations of an instance are watched, each by a request that
// waits at Temporal: a frontend lets 1,200 requests of a namespace wait. The end of others is
// noticed by the next comparison.
const maxWatched = 200

// watch notices the end of a conversation at once, where it makes room for another. The
// caller holds the mutex.
func (v *capacityView) watch(id string) {
	if v.limit == 0 || v.watched[id] || len(v.watched) >= maxWatched || v.ctx.Err() != nil {
		return
	}
	v.watched[id] = true
	v.watchers.Go(func() {
		v.runs.WaitClosed(v.ctx, id)
		if v.ctx.Err() != nil {
			return
		}
		// Another run of it may have started meanwhile.
		info, err := v.runs.Describe(v.ctx, id)
		v.closed(id, info, err)
	})
}

// closed handles the end of a watched conversation.
func (v *capacityView) closed(id string, info RunInfo, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.watched, id)
	r, counted := v.open[id]
	if !counted || err != nil || info.Running {
		return
	}
	if v.limit > 0 && !info.endedAfter(r) {
		return // an earlier run has closed; the reservation is for the next
	}
	v.release(r)
	if v.limit > 0 {
		v.counts.Open--
	}
	close(v.change)
	v.change = make(chan struct{})
}

// numbers counts the conversations.
func (v *capacityView) numbers() CapacityCounts {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.limit == 0 {
		return CapacityCounts{Open: len(v.open)}
	}
	return v.counts
}

// has reports whether a conversation is open, parked, stranded or queued.
func (v *capacityView) has(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, ok := v.open[id]
	return ok || v.inactive[id]
}

// full reports whether the newest answer of Capacity left no capacity.
func (v *capacityView) full() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	limit := v.limit
	if v.reduced != nil {
		limit = min(limit, v.reduced.Limit)
	}
	return v.limit > 0 && (v.counts.Open >= limit || v.counts.Queued > 0)
}

func (v *capacityView) bySimulation() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	open := make(map[string]int)
	for _, r := range v.open {
		open[r.Simulation]++
	}
	return open
}

// changed is closed when a reservation may be free.
func (v *capacityView) changed() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.change
}

// isRefused reports whether an error is about one conversation alone, which the next
// attempt would meet again.
func isRefused(err error) bool {
	var e *conversation.Error
	return errors.As(err, &e) && e.Kind == conversation.Invalid
}
