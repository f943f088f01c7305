package command

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

var errClosed = errors.New("the executor is closed")

// A pool keeps programs running.
type pool struct {
	size        int // maximum number of programs
	concurrency int // maximum requests of one program at a time
	start       func() (*process, error)
	lastID      atomic.Int64

	mu        sync.Mutex
	processes []*process // those that have not exited
	load      map[*process]int
	changed   chan struct{} // closed, and replaced, when a request may be accepted again
	closed    bool
}

func newPool(cfg Config, start func() (*process, error)) *pool {
	return &pool{
		size: cfg.Processes, concurrency: cfg.Concurrency, start: start,
		load: make(map[*process]int), changed: make(chan struct{}),
	}
}

// nextID returns a new id for a request.
func (p *pool) nextID() string { return strconv.FormatInt(p.lastID.Add(1), 10) }

// acquire waits for a program with free capacity and reserves it. The caller must
// release it.
func (p *pool) acquire(ctx context.Context) (*process, error) {
	for {
		p.mu.Lock()
		got, err := p.take()
		changed := p.changed
		p.mu.Unlock()
		if got != nil || err != nil {
			return got, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take reserves a running program with free capacity, or starts one if the pool may
// grow.
func (p *pool) take() (*process, error) {
	if p.closed {
		return nil, errClosed
	}
	var best *process
	for _, have := range p.processes {
		if !have.stopping() && p.load[have] < p.concurrency && (best == nil || p.load[have] < p.load[best]) {
			best = have
		}
	}
	if best == nil || p.load[best] > 0 && len(p.processes) < p.size {
		if len(p.processes) >= p.size {
			return nil, nil
		}
		var err error
		if best, err = p.add(); err != nil {
			return nil, err
		}
	}
	p.load[best]++
	return best, nil
}

// add starts a program, and removes it from the list when it has exited.
func (p *pool) add() (*process, error) {
	started, err := p.start()
	if err != nil {
		return nil, err
	}
	p.processes = append(p.processes, started)
	go func() {
		<-started.gone
		p.mu.Lock()
		defer p.mu.Unlock()
		p.processes = slices.DeleteFunc(p.processes, func(have *process) bool { return have == started })
		if p.load[started] == 0 {
			delete(p.load, started)
		}
		p.announce()
	}()
	return started, nil
}

func (p *pool) release(used *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load[used]--
	if p.load[used] == 0 && !slices.Contains(p.processes, used) {
		delete(p.load, used)
	}
	p.announce()
}

// announce wakes those that wait for capacity.
func (p *pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// warm returns a running program, and starts one if there is none.
func (p *pool) warm() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	for _, have := range p.processes {
		if !have.stopping() {
			return have, nil
		}
	}
	if len(p.processes) >= p.size {
		return p.processes[0], nil
	}
	return p.add()
}

// close stops all programs and waits until they have exited.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	processes := slices.Clone(p.processes)
	p.announce()
	p.mu.Unlock()
	for _, have := range processes {
		have.stop(errClosed)
	}
	for _, have := range processes {
		<-have.gone
	}
}
