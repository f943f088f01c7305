package pulse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/internal/rest"
)

const (
	// foreignEvery is how often other workers are listed.
	foreignEvery = time.Minute
	// foreignFor is how long a worker that has claimed a task counts as there.
	foreignFor = 10 * time.Minute
	// foreignSample is how many tasks are read for it, of a type and a state.
	foreignSample = 10
	// maxForeign bounds how many are named.
	maxForeign = 20
)

// foreign are the workers other than Parleys that claim tasks of our types.
type foreign struct {
	mu     sync.Mutex
	seen   map[string]time.Time // by Pulse's clock
	listed time.Time            // by ours
}

func (f *foreign) note(name string, at time.Time) {
	if name == "" || strings.HasPrefix(name, WorkerPrefix) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	name = rest.Clip(name)
	if _, known := f.seen[name]; !known && len(f.seen) >= maxForeign {
		return
	}
	if f.seen == nil {
		f.seen = map[string]time.Time{}
	}
	if at.After(f.seen[name]) {
		f.seen[name] = at
	}
}

// names are those that have claimed a task lately.
func (f *foreign) names(now time.Time) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name, at := range f.seen {
		if now.Sub(at) > foreignFor {
			delete(f.seen, name)
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// due reports whether it is time to list them, and notes that it is done.
func (f *foreign) due() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.listed.IsZero() && time.Since(f.listed) < foreignEvery {
		return false
	}
	f.listed = time.Now()
	return true
}

// lookForOthers finds workers in the locks of tasks that are being run and of those
// that have been. It is no fault if they cannot be read.
func (p *Platform) lookForOthers(ctx context.Context) {
	for _, name := range p.types {
		for _, status := range []string{StatusProcessing, StatusCompleted} {
			n := 0
			for t, err := range p.client.tasks(ctx, Filter{Status: status, Type: name}, foreignSample) {
				if err == nil && t.Type == name {
					p.noteClaim(t.lock())
				}
				if n++; n == foreignSample {
					break
				}
			}
		}
	}
}

func (p *Platform) noteClaim(l lock) {
	if !l.At.IsZero() && p.client.clock.now().Sub(l.At.Time) < foreignFor {
		p.foreign.note(l.By, l.At.Time)
	}
}

// Advice says which other workers run the same tasks. Pulse does not keep two workers
// from running one task.
func (p *Platform) Advice() []string {
	var advice []string
	for _, name := range p.foreign.names(p.client.clock.now()) {
		advice = append(advice, fmt.Sprintf("worker %q also claims %s tasks on this Pulse, and a task may run twice: "+
			"give the tasks for Parley a type of their own and name it in types, or stop that worker", name, strings.Join(p.types, " and ")))
	}
	return advice
}

// others is the same as an error, for checks.
func (p *Platform) others(ctx context.Context) error {
	p.lookForOthers(ctx)
	names := p.foreign.names(p.client.clock.now())
	if len(names) == 0 {
		return nil
	}
	return &conversation.Error{
		Kind: conversation.Unavailable, Op: "pulse: other workers", Answered: true,
		Err:    errors.New(strings.Join(names, ", ") + " also claims tasks of the types that Parley runs, and a task may run twice"),
		Remedy: "give the tasks for Parley a type of their own and name it in types, or stop that worker",
	}
}
