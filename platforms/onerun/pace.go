package onerun

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// Up to so many simulations, all are listed each time.
	pacedFrom = 8
	// A simulation without anything queued is listed again each time at first, and
	// then after this time, twice as long each time, up to the longest.
	idleListings = 2
	idleFirst    = 2 * time.Second
	idleLongest  = 10 * time.Second
	// OneRun makes conversations once a minute for each simulation: from a little
	// before that until well after, a simulation is listed each time.
	wave      = time.Minute
	waveEarly = 5 * time.Second
	waveLate  = 15 * time.Second
	waves     = 3
	// A simulation that cannot be listed is retried after this time, twice as long
	// each time, up to the longest. Its fault is reported all the while.
	faultFirst   = 2 * time.Second
	faultLongest = 30 * time.Second
	// patience is how long the listing of one simulation may take, and impatience how
	// long once it has failed: the others wait for it.
	patience   = 10 * time.Second
	impatience = 5 * time.Second
)

// A pace decides when to list the queued conversations of a simulation.
type pace struct {
	mu sync.Mutex
	by map[string]*beat
}

// A beat is what the listings of one simulation have shown.
type beat struct {
	idle   int       // listings in a row without anything queued
	faults int       // in a row
	fault  error     // of the last
	next   time.Time // when to list it again
	news   time.Time // when something was queued last, or it was first seen
	seen   time.Time
}

// due reports whether to list a simulation now, and if not, the fault it had when it
// was listed last.
func (p *pace) due(id string, many bool, now time.Time) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil {
		p.by = make(map[string]*beat)
	}
	b := p.by[id]
	if b == nil {
		b = &beat{news: now}
		p.by[id] = b
	}
	b.seen = now
	switch {
	case b.faults > 0:
		return !now.Before(b.next), b.fault
	case !many || b.waveAt(now):
		return true, nil
	}
	return !now.Before(b.next), nil
}

// waveAt reports whether conversations are to be expected.
func (b *beat) waveAt(now time.Time) bool {
	since := now.Sub(b.news)
	if since >= waves*wave+waveLate {
		return false
	}
	into := (since + waveEarly) % wave
	return since+waveEarly >= wave && into < waveEarly+waveLate
}

// patienceFor is how long the listing of a simulation may take.
func (p *pace) patienceFor(id string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.by[id]; b != nil && b.faults > 0 {
		return impatience
	}
	return patience
}

// note records how a listing went.
func (p *pace) note(id string, queued int, fault error, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.by[id]
	if b == nil {
		return
	}
	var wait time.Duration
	switch {
	case fault != nil:
		wait = min(faultFirst<<min(b.faults, 10), faultLongest)
		b.faults, b.fault = b.faults+1, fault
	case queued > 0:
		b.news, b.idle, b.faults, b.fault = now, 0, 0, nil
	default:
		b.faults, b.fault = 0, nil
		if b.idle++; b.idle > idleListings {
			wait = min(idleFirst<<min(b.idle-idleListings-1, 10), idleLongest)
		}
	}
	b.next = now.Add(wait + rand.N(wait/4+1))
}

// forget drops the simulations that have not been in progress for long.
func (p *pace) forget(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, b := range p.by {
		if now.Sub(b.seen) > waves*wave {
			delete(p.by, id)
		}
	}
}
