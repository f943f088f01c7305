package activities

import (
	"context"
	"sync"

	"github.com/parley-run/parley/platforms"
)

// rooms holds a room per platform instance. All polls of a worker that serve the
// same instance share its room; what other workers run is seen by listing.
type rooms struct {
	runs Runs
	mu   sync.Mutex
	all  map[string]*room
}

func newRooms(runs Runs) *rooms { return &rooms{runs: runs, all: make(map[string]*room)} }

func (r *rooms) enter(inst platforms.Instance) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	it, ok := r.all[inst.Name]
	if !ok {
		ctx, cancel := context.WithCancel(context.Background())
		it = &room{
			name: inst.Name, limit: inst.MaxOpen, runs: r.runs, ctx: ctx, cancel: cancel,
			inside: make(map[string]*guest), change: make(chan struct{}),
		}
		r.all[inst.Name] = it
	}
	it.users++
	return it
}

// leave ends a poll's use of a room. The last one out waits until nothing watches
// for it any more.
func (r *rooms) leave(it *room) {
	r.mu.Lock()
	it.users--
	last := it.users == 0
	if last {
		delete(r.all, it.name)
	}
	r.mu.Unlock()
	if last {
		it.cancel()
		it.watchers.Wait()
	}
}

// A room knows which conversations of a platform instance are open, and how many
// more may be. It notices at once when one closes, whichever worker runs it.
type room struct {
	name     string
	limit    int
	runs     Runs
	ctx      context.Context
	cancel   context.CancelFunc
	watchers sync.WaitGroup
	users    int // guarded by rooms.mu

	mu     sync.Mutex
	inside map[string]*guest
	change chan struct{} // closed and replaced when a place becomes free
}

type guest struct {
	simulation string
	watched    bool
}

// take reserves a place, or reports that there is none.
func (r *room) take(id, simulation string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit > 0 && len(r.inside) >= r.limit {
		return false
	}
	r.inside[id] = &guest{simulation: simulation}
	return true
}

// release undoes a take whose conversation did not start. Nobody is told: nothing
// has changed for those who wait.
func (r *room) release(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inside, id)
}

func (r *room) giveBack(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.inside[id]; !ok {
		return
	}
	delete(r.inside, id)
	close(r.change)
	r.change = make(chan struct{})
}

// watch gives the place back when the conversation closes.
func (r *room) watch(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchLocked(id)
}

func (r *room) watchLocked(id string) {
	it, ok := r.inside[id]
	if !ok || it.watched {
		return
	}
	it.watched = true
	r.watchers.Go(func() {
		r.runs.Wait(r.ctx, id)
		if r.ctx.Err() == nil {
			r.giveBack(id)
		}
	})
}

// observe adds conversations found running. The limit does not hold them back:
// they run already.
func (r *room) observe(open []OpenRun) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range open {
		if _, ok := r.inside[o.WorkflowID]; !ok {
			r.inside[o.WorkflowID] = &guest{simulation: o.Simulation}
		}
		r.watchLocked(o.WorkflowID)
	}
}

func (r *room) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.inside[id]
	return ok
}

func (r *room) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.inside)
}

// free is how many more may be opened. Without a limit it is always something.
func (r *room) free() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit <= 0 {
		return 1
	}
	return max(0, r.limit-len(r.inside))
}

func (r *room) openBySimulation() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	open := make(map[string]int)
	for _, it := range r.inside {
		open[it.simulation]++
	}
	return open
}

// changed is closed when the next place becomes free.
func (r *room) changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.change
}
