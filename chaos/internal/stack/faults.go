//go:build unix

package stack

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/parley-run/parley/chaos/internal/plan"
	"github.com/parley-run/parley/chaos/internal/proxy"
	"github.com/parley-run/parley/internal/pause"
)

// A done is a line of the harness's own account: a fault that happened.
type done struct {
	At      time.Time `json:"at"`
	Kind    plan.Kind `json:"kind"`
	Target  string    `json:"target"`
	Link    string    `json:"link,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	// Effect is the moment of an aimed fault: it struck right before this effect.
	Effect string `json:"effect,omitempty"`
}

func (s *Stack) note(d done) {
	d.At = time.Now().UTC()
	_ = s.faults.Write(d)
}

// Note records an event of the harness, "begin", "heal" or "end".
func (s *Stack) Note(kind string) { s.note(done{Kind: plan.Kind(kind)}) }

// Declare records what the run is, and what of its plan this machine does not permit.
func (s *Stack) Declare(p plan.Plan) {
	s.note(done{Kind: "setting", Target: "seed", Seconds: float64(p.Seed)})
	s.note(done{Kind: "setting", Target: "adopt_after", Seconds: s.AdoptAfter.Seconds()})
	wants := func(k plan.Kind) bool {
		return slices.ContainsFunc(p.Faults, func(f plan.Fault) bool { return f.Kind == k })
	}
	if s.disk.missing != "" && wants(plan.DiskFull) {
		s.note(done{Kind: "skip", Target: string(plan.DiskFull), Effect: s.disk.missing})
	}
}

// Run carries out the plan, and returns when it is over or ctx is done. Afterwards
// everything runs, and every link is clear.
func (s *Stack) Run(ctx context.Context, p plan.Plan) {
	c := &carrying{Stack: s, lives: make([]int, len(s.Workers)), busy: make([]sync.Mutex, len(s.Workers)), plan: p}
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, p.Duration)
	defer cancel()
	for i := range s.Workers {
		wg.Go(func() { c.watch(ctx, i) })
	}
	begin := time.Now()
	for _, f := range p.Faults {
		if pause.For(ctx, time.Until(begin.Add(f.At))) != nil {
			break
		}
		wg.Go(func() { c.inflict(ctx, f) })
	}
	<-ctx.Done()
	wg.Wait()
	s.heal()
}

// heal ends all faults that still last. Workers get no further hooks.
func (s *Stack) heal() {
	for _, links := range s.Links {
		for _, l := range links {
			l.Set(proxy.Clear)
		}
	}
	s.disk.clear()
	for _, p := range s.Services {
		_ = p.Start()
	}
	for i, w := range s.Workers {
		w.Signal(syscall.SIGCONT)
		if w.PID() == 0 {
			_ = s.startWorker(calm, i, 0)
		}
	}
}

// calm is a plan without faults.
var calm = plan.New(0, time.Minute, 9, plan.Rates{})

// Tend starts again what has ended and thaws what an aim has frozen, until ctx is done:
// after the plan, processes may still carry a hook.
func (s *Stack) Tend(ctx context.Context) {
	for pause.For(ctx, 500*time.Millisecond) == nil {
		for i, w := range s.Workers {
			if w.PID() == 0 {
				s.note(done{Kind: plan.Kill, Target: w.Name, Effect: "late"})
				_ = s.startWorker(calm, i, 0)
			} else if w.Frozen() {
				s.note(done{Kind: plan.Freeze, Target: w.Name, Effect: "late", Seconds: 0.5})
				w.Signal(syscall.SIGCONT)
			}
		}
	}
}

// carrying is a plan that is being carried out.
type carrying struct {
	*Stack
	plan  plan.Plan
	busy  []sync.Mutex // held by what changes a worker's process
	mu    sync.Mutex
	lives []int
}

// next starts the worker's next process, with its aim.
func (c *carrying) next(i int) {
	c.mu.Lock()
	c.lives[i]++
	life := c.lives[i]
	c.mu.Unlock()
	_ = c.startWorker(c.plan, i, life)
}

// aim is that of the worker's present process.
func (c *carrying) aim(i int) (plan.Aim, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if life := c.lives[i]; life < len(c.plan.Aims[i]) {
		return c.plan.Aims[i][life], true
	}
	return plan.Aim{}, false
}

// watch waits for the aims to strike: the worker kills or stops itself.
func (c *carrying) watch(ctx context.Context, i int) {
	w := c.Workers[i]
	for pause.For(ctx, 50*time.Millisecond) == nil {
		if !c.busy[i].TryLock() {
			continue // a fault of the plan is under way
		}
		a, _ := c.aim(i)
		switch {
		case w.PID() == 0:
			if w.Killed() {
				c.note(done{Kind: plan.Kill, Target: w.Name, Effect: a.Effect})
			} else {
				c.note(done{Kind: "exit", Target: w.Name}) // by itself: never right
			}
			c.next(i)
		case w.Frozen():
			c.struck(ctx, i, a)
		}
		c.busy[i].Unlock()
	}
}

// struck goes on with a worker that has stopped itself right before an effect.
func (c *carrying) struck(ctx context.Context, i int, a plan.Aim) {
	w, link := c.Workers[i], c.Links[i]["temporal"]
	c.note(done{Kind: a.Act, Target: w.Name, Effect: a.Effect, Seconds: a.For.Seconds()})
	if a.Act == plan.BlackHole {
		link.Set(proxy.BlackHole)
		defer link.Set(proxy.Clear)
		w.Signal(syscall.SIGCONT)
	}
	_ = pause.For(ctx, a.For)
	w.Signal(syscall.SIGCONT)
}

func (c *carrying) inflict(ctx context.Context, f plan.Fault) {
	if f.Kind == plan.Restart {
		c.restart(ctx, f.Target, f.For)
		return
	}
	if f.Kind == plan.DiskFull {
		c.fillDisk(ctx, f)
		return
	}
	i := int(f.Target[len(f.Target)-1] - '0')
	switch f.Kind {
	case plan.Kill, plan.Freeze, plan.Term:
		c.busy[i].Lock()
		defer c.busy[i].Unlock()
		c.strike(ctx, i, f)
	case plan.Double:
		c.note(done{Kind: f.Kind, Target: f.Target, Link: f.Link})
		c.Links[i][f.Link].DoubleNext()
	default:
		c.note(done{Kind: f.Kind, Target: f.Target, Link: f.Link, Seconds: f.For.Seconds()})
		link := c.Links[i][f.Link]
		link.Set(modes[f.Kind])
		_ = pause.For(ctx, f.For)
		link.Set(proxy.Clear)
	}
}

// afterFull is how long the server has space again before it is restarted. SQLite's log
// may grow without end after a full disk, until the server is restarted.
const afterFull = 10 * time.Second

func (c *carrying) fillDisk(ctx context.Context, f plan.Fault) {
	if c.disk.missing != "" || c.disk.fill() != nil {
		return
	}
	c.note(done{Kind: f.Kind, Target: f.Target, Seconds: f.For.Seconds()})
	_ = pause.For(ctx, f.For)
	c.disk.clear()
	_ = pause.For(ctx, afterFull)
	c.restart(ctx, "temporal", 0)
}

func (c *carrying) restart(ctx context.Context, name string, away time.Duration) {
	p := c.Services[name]
	if p.Kill() {
		c.note(done{Kind: plan.Restart, Target: name, Seconds: away.Seconds()})
	}
	_ = pause.For(ctx, away)
	_ = p.Start()
}

var modes = map[plan.Kind]proxy.Mode{
	plan.Latency: proxy.Latency, plan.Reset: proxy.Reset, plan.HalfOpen: proxy.HalfOpen, plan.BlackHole: proxy.BlackHole,
}

// strike does something to a worker's process.
func (c *carrying) strike(ctx context.Context, i int, f plan.Fault) {
	w := c.Workers[i]
	if ctx.Err() != nil || w.PID() == 0 {
		return
	}
	c.note(done{Kind: f.Kind, Target: f.Target, Seconds: f.For.Seconds()})
	switch f.Kind {
	case plan.Kill:
		w.Kill()
		_ = pause.For(ctx, f.For)
		c.next(i)
	case plan.Freeze:
		w.Signal(syscall.SIGSTOP)
		_ = pause.For(ctx, f.For)
		w.Signal(syscall.SIGCONT)
	case plan.Term:
		w.Signal(syscall.SIGTERM)
		if !w.Await(20 * time.Second) { // its aim may have frozen it meanwhile
			w.Signal(syscall.SIGCONT)
			if !w.Await(20 * time.Second) {
				c.note(done{Kind: "stuck", Target: f.Target})
				w.Kill()
			}
		}
		c.next(i)
	}
}
