package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

const (
	// syncEvery is how often a worker compares who holds the places of an instance
	// with what Temporal runs; up to a quarter is added.
	syncEvery = 10 * time.Second
	// While no place is free, it asks this often whether there is one now: those that
	// watch notice the end of a conversation, not that it is parked.
	askEvery = 3 * time.Second
	// checkedAtOnce is how many conversations are looked up in Temporal after each
	// such question, those first that were looked up longest ago.
	checkedAtOnce = 50
	// A conversation is looked up only when its place is this old: it may not have
	// been started before.
	checkedAfter = 5 * time.Second
	// strandedAfter is how long a worker must see that no worker takes a
	// conversation's task before the conversation loses its place.
	strandedAfter = time.Minute
)

// An OpenRun is a conversation workflow that is running.
type OpenRun struct {
	WorkflowID string
	Simulation string
}

// A RunInfo is what Temporal knows about a conversation's newest run, at this moment.
type RunInfo struct {
	// Exists is false where there is no such workflow.
	Exists  bool
	Running bool
	// Closed is when it ended. Zero while it is running.
	Closed time.Time
	// Parked: it waits for a person, or for a place.
	Parked bool
	// Stuck names the task that no worker can take, as far as Temporal knows. Empty:
	// all goes well.
	Stuck string
}

// places knows, for each platform instance, which conversations are open. All polls of
// a worker that serve the same instance share it.
type places struct {
	runs Runs
	mu   sync.Mutex
	all  map[string]*instance
}

func newPlaces(runs Runs) *places { return &places{runs: runs, all: make(map[string]*instance)} }

func (p *places) enter(inst platforms.Instance) *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	it, ok := p.all[inst.Name]
	if !ok {
		ctx, cancel := context.WithCancel(context.Background())
		it = &instance{
			name: inst.Name, limit: max(inst.MaxOpen, 0), runs: p.runs, ctx: ctx, cancel: cancel,
			syncing: make(chan struct{}, 1),
			open:    make(map[string]Reservation), known: make(map[string]bool), watched: make(map[string]bool), ended: make(map[string]Reservation),
			checked: make(map[string]time.Time), stuck: make(map[string]stuck), change: make(chan struct{}),
		}
		p.all[inst.Name] = it
	}
	it.users++
	return it
}

// leave ends a poll's use of an instance. The last one out waits until nothing watches
// for it any more.
func (p *places) leave(it *instance) {
	p.mu.Lock()
	it.users--
	last := it.users == 0
	if last {
		delete(p.all, it.name)
	}
	p.mu.Unlock()
	if last {
		it.cancel()
		it.watchers.Wait()
	}
}

// An instance is what a worker knows about the open conversations of a platform
// instance. With a limit, the workflow Capacity decides and this is a copy; without
// one, it counts what visibility lists. It notices at once when a conversation
// closes, whichever worker runs it.
type instance struct {
	name     string
	limit    int // zero: none
	runs     Runs
	ctx      context.Context
	cancel   context.CancelFunc
	watchers sync.WaitGroup
	users    int           // guarded by places.mu
	syncing  chan struct{} // held by the poll that asks

	mu      sync.Mutex
	open    map[string]Reservation
	known   map[string]bool // they hold no place, and are not to be started
	watched map[string]bool
	ended   map[string]Reservation // places that are free again, to be told
	counts  CapacityCounts         // Open is that of the last answer
	synced  time.Time              // zero: never
	next    time.Time              // when to compare again
	ask     time.Time              // when to ask again
	checked map[string]time.Time
	stuck   map[string]stuck
	change  chan struct{} // closed and replaced when a place may be free
}

// stuck is a task that no worker takes.
type stuck struct {
	task  string
	since time.Time
}

// sync asks who holds places, if that is due, and finds out what has become of them.
func (i *instance) sync(ctx context.Context, interval time.Duration) error {
	select {
	case i.syncing <- struct{}{}:
		defer func() { <-i.syncing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	full := i.full()
	i.mu.Lock()
	compare, ask := !time.Now().Before(i.next), full && !time.Now().Before(i.ask)
	i.mu.Unlock()
	var err error
	switch {
	case !compare && !ask:
		return nil
	case i.limit == 0:
		err = i.list(ctx)
		interval *= 5
	default:
		err = i.reconcile(ctx, compare)
		interval = syncEvery
	}
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ask = time.Now().Add(askEvery)
	if compare {
		i.next = time.Now().Add(interval + rand.N(interval/4+1))
	}
	return nil
}

// list counts the running conversations of an instance without a limit.
func (i *instance) list(ctx context.Context) error {
	running, err := i.runs.Open(ctx, i.name)
	if err != nil {
		return fmt.Errorf("inbox: list open conversations: %w", err)
	}
	if i.synced.IsZero() {
		// Conversations that were started under a limit may wait for a place.
		if err := i.runs.Unlimit(ctx, i.name); err != nil {
			return fmt.Errorf("inbox: take the limit of %q away: %w", i.name, err)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.synced = time.Now()
	for _, r := range running {
		if _, ok := i.open[r.WorkflowID]; !ok {
			i.open[r.WorkflowID] = Reservation{ID: r.WorkflowID, Simulation: r.Simulation}
		}
		i.watch(r.WorkflowID)
	}
	return nil
}

// reconcile asks Capacity who holds the places, compares that with what Temporal runs,
// if asked to, and tells Capacity the difference.
func (i *instance) reconcile(ctx context.Context, compare bool) error {
	status, err := i.runs.Capacity(ctx, i.name)
	if err != nil {
		return fmt.Errorf("inbox: ask for the capacity of %q: %w", i.name, err)
	}
	if !compare {
		i.update(status)
		return nil
	}
	// What runs without a place shows only here. It may lag: each is looked up.
	running, err := i.runs.Open(ctx, i.name)
	if err != nil {
		return fmt.Errorf("inbox: list open conversations: %w", err)
	}
	req, err := i.compare(ctx, status, running)
	if err != nil {
		return fmt.Errorf("inbox: look up open conversations: %w", err)
	}
	i.update(status)
	if req.empty() && i.limit == status.Limit {
		return nil
	}
	_, err = i.reserve(ctx, req)
	return err
}

func (r ReserveRequest) empty() bool {
	return len(r.Ended)+len(r.Unused)+len(r.Parked)+len(r.Stranded)+len(r.Found)+len(r.Wanted) == 0
}

// compare looks conversations up, and says what Capacity should know of them.
func (i *instance) compare(ctx context.Context, status CapacityStatus, running []OpenRun) (req ReserveRequest, err error) {
	known := make(map[string]bool)
	for _, list := range [][]Reservation{status.Open, status.Queued, status.Parked, status.Stranded} {
		for _, p := range list {
			known[p.ID] = true
		}
	}
	for _, r := range running {
		if known[r.WorkflowID] {
			continue
		}
		info, err := i.runs.Look(ctx, r.WorkflowID)
		if err != nil {
			return req, err
		}
		if info.Running && !info.Parked {
			req.Found = append(req.Found, Reservation{ID: r.WorkflowID, Simulation: r.Simulation})
		}
	}
	for _, p := range i.toCheck(slices.Concat(status.Open, status.Parked, status.Stranded, status.Queued)) {
		info, err := i.runs.Look(ctx, p.ID)
		if err != nil {
			return req, err
		}
		holds := slices.Contains(status.Open, p)
		switch {
		case !info.Running:
			i.over(&req, p, info)
		case holds && info.Parked && i.seenTwice(p.ID, "parked", 0):
			req.Parked = append(req.Parked, p)
		case holds && info.Stuck != "" && i.seenTwice(p.ID, info.Stuck, strandedAfter):
			req.Stranded = append(req.Stranded, p)
		case !info.Parked && info.Stuck == "":
			i.unstick(p.ID)
		}
	}
	return req, nil
}

// over says what is to become of the place of a conversation that does not run.
func (i *instance) over(req *ReserveRequest, p Reservation, info RunInfo) {
	if info.Exists && info.Closed.After(p.Since) {
		req.Ended = append(req.Ended, p)
	} else {
		// It is an earlier run that has closed, or there has been none: whoever
		// reserved the place may still be about to use it.
		req.Unused = append(req.Unused, p)
	}
}

// toCheck chooses the conversations to look up now.
func (i *instance) toCheck(all []Reservation) []Reservation {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	ids := make(map[string]bool, len(all))
	due := all[:0:0]
	for _, p := range all {
		ids[p.ID] = true
		at, seen := i.checked[p.ID]
		if !seen {
			i.checked[p.ID] = now // first seen: it may be starting
		}
		if seen && now.Sub(at) >= checkedAfter {
			due = append(due, p)
		}
	}
	maps.DeleteFunc(i.checked, func(id string, _ time.Time) bool { return !ids[id] })
	maps.DeleteFunc(i.stuck, func(id string, _ stuck) bool { return !ids[id] })
	slices.SortStableFunc(due, func(a, b Reservation) int { return i.checked[a.ID].Compare(i.checked[b.ID]) })
	due = due[:min(len(due), checkedAtOnce)]
	for _, p := range due {
		i.checked[p.ID] = now
	}
	return due
}

// seenTwice reports whether a conversation has been in a bad way for so long, as far
// as this worker has seen.
func (i *instance) seenTwice(id, what string, atLeast time.Duration) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	before, ok := i.stuck[id]
	if !ok || before.task != what {
		i.stuck[id] = stuck{what, time.Now()}
		return false
	}
	return time.Since(before.since) >= atLeast
}

func (i *instance) unstick(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.stuck, id)
}

// update takes over what Capacity says.
func (i *instance) update(status CapacityStatus) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.synced = time.Now()
	i.counts = CapacityCounts{
		Open: len(status.Open), Queued: len(status.Queued), Parked: len(status.Parked), Stranded: len(status.Stranded),
	}
	clear(i.open)
	clear(i.known)
	for _, p := range status.Open {
		if ended, ok := i.ended[p.ID]; ok && ended == p {
			i.counts.Open--
			continue
		}
		i.open[p.ID] = p
		i.watch(p.ID)
	}
	for _, p := range slices.Concat(status.Queued, status.Parked, status.Stranded) {
		i.known[p.ID] = true
	}
}

// reserve asks for places and tells what has ended. Without a limit there are always
// some.
func (i *instance) reserve(ctx context.Context, req ReserveRequest) (ReserveResult, error) {
	i.mu.Lock()
	if i.limit == 0 {
		defer i.mu.Unlock()
		out := ReserveResult{}
		for _, p := range req.Wanted {
			if _, ok := i.open[p.ID]; ok {
				out.Known = append(out.Known, p.ID)
				continue
			}
			i.open[p.ID] = p
			out.Granted = append(out.Granted, p)
		}
		return out, nil
	}
	req.Limit = i.limit
	told := maps.Clone(i.ended)
	i.mu.Unlock()
	req.Ended = slices.AppendSeq(req.Ended, maps.Values(told))
	out, err := i.runs.Reserve(ctx, i.name, req)
	if err != nil {
		return out, fmt.Errorf("inbox: reserve places of %q: %w", i.name, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for id, p := range told {
		if i.ended[id] == p {
			delete(i.ended, id)
		}
	}
	for _, p := range slices.Concat(req.Ended, req.Parked, req.Stranded) {
		if i.open[p.ID] == p {
			delete(i.open, p.ID)
		}
	}
	for _, p := range out.Granted {
		i.open[p.ID] = p
		i.checked[p.ID] = time.Now()
	}
	for _, id := range out.Known {
		i.known[id] = true // which place it holds, if any, is learned later
	}
	i.counts = out.CapacityCounts
	return out, nil
}

// settle finds out what has become of a place whose conversation was not started,
// because there is a workflow of that id or because it is not known whether it was.
func (i *instance) settle(ctx context.Context, p Reservation) (running bool) {
	info, err := i.runs.Look(ctx, p.ID)
	if err != nil {
		return true // the next sync looks again
	}
	if info.Running {
		i.started(p)
		return true
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.open, p.ID)
	if i.limit > 0 {
		// Nothing of this place will be started any more.
		i.ended[p.ID] = p
	}
	return false
}

// unused gives back places that nothing is started with.
func (i *instance) unused(unused ...Reservation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range unused {
		delete(i.open, p.ID)
		if i.limit > 0 {
			i.ended[p.ID] = p
		}
	}
}

// started watches a conversation that runs.
func (i *instance) started(p Reservation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.watch(p.ID)
}

// watch notices the end of a conversation. The caller holds the mutex.
func (i *instance) watch(id string) {
	if i.watched[id] || i.ctx.Err() != nil {
		return
	}
	i.watched[id] = true
	i.watchers.Go(func() {
		i.runs.Wait(i.ctx, id)
		if i.ctx.Err() != nil {
			return
		}
		// There may be another run of it by now.
		info, err := i.runs.Look(i.ctx, id)
		i.mu.Lock()
		defer i.mu.Unlock()
		delete(i.watched, id)
		p, counted := i.open[id]
		if !counted || err != nil || info.Running {
			return
		}
		if i.limit == 0 || info.Exists && info.Closed.After(p.Since) {
			delete(i.open, id)
			if i.limit > 0 {
				i.ended[id] = p
				i.counts.Open--
			}
			close(i.change)
			i.change = make(chan struct{})
		}
	})
}

// status says how many conversations there are.
func (i *instance) status() CapacityCounts {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.limit == 0 {
		return CapacityCounts{Open: len(i.open)}
	}
	return i.counts
}

// has reports whether a conversation is open, parked, or waits for a place.
func (i *instance) has(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.open[id]
	return ok || i.known[id]
}

// full reports whether there was no place left when last heard of.
func (i *instance) full() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.limit > 0 && (i.counts.Open >= i.limit || i.counts.Queued > 0)
}

func (i *instance) bySimulation() map[string]int {
	i.mu.Lock()
	defer i.mu.Unlock()
	open := make(map[string]int)
	for _, p := range i.open {
		open[p.Simulation]++
	}
	return open
}

// changed is closed when the next place may be free.
func (i *instance) changed() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.change
}

// refused reports whether an error is about one conversation alone, which the next
// attempt would meet again.
func refused(err error) bool {
	var e *conversation.Error
	return errors.As(err, &e) && e.Kind == conversation.Invalid
}
