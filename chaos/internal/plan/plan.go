// Package plan makes the list of faults of a chaos run. It is a pure function of the
// seed, the duration, the number of workers and the rates: the same four give the same
// plan, so a run can be repeated by its seed. Threads and timers of the programs are not
// under its control; a repeated run has the same faults at the same times, not the same
// interleaving.
package plan

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// A Kind is what a fault does.
type Kind string

// The kinds of faults.
const (
	Kill      Kind = "kill"       // SIGKILL of a worker, a new one after For
	Freeze    Kind = "freeze"     // SIGSTOP of a worker, SIGCONT after For
	Term      Kind = "term"       // SIGTERM of a worker, a new one after its exit
	Restart   Kind = "restart"    // SIGKILL of a service, started again after For
	Latency   Kind = "latency"    // every piece of data on a link is delayed, for For
	Reset     Kind = "reset"      // connections of a link are reset in the middle of the next answers, for For
	HalfOpen  Kind = "half-open"  // requests pass, answers do not, for For
	BlackHole Kind = "black-hole" // nothing passes and nothing is closed, for For
	Double    Kind = "double"     // the next POST of a link is delivered twice
	DiskFull  Kind = "disk-full"  // the disk below the Temporal server has no space left, for For
)

// Services are the programs beside the workers. Links lead from a worker to one of them.
var Services = []string{"temporal", "platform", "model", "tools", "pulse"}

// Effects are the moments right before an effect that aimed faults choose from: names of
// the worker's test hooks.
var Effects = []string{"claim", "exchange", "reply", "tool", "end", "report"}

// A Fault happens once, At after the start.
type Fault struct {
	At     time.Duration
	Kind   Kind
	Target string // a worker ("worker-0") or a service
	Link   string // of network faults: the service that Target's link leads to
	For    time.Duration
}

func (f Fault) String() string {
	s := fmt.Sprintf("%8s %s %s", f.At.Round(time.Millisecond), f.Kind, f.Target)
	if f.Link != "" {
		s += ">" + f.Link
	}
	if f.For > 0 {
		s += fmt.Sprintf(" for %s", f.For.Round(time.Millisecond))
	}
	return s
}

// An Aim is what happens to one process of a worker right before an effect.
type Aim struct {
	Effect string
	Nth    int
	// Act is Kill, Freeze, or BlackHole: the worker is cut off from Temporal.
	Act Kind
	For time.Duration
}

// Hook is the aim as the worker's test hook. A cut-off freezes the worker for as long as
// it takes to cut its link.
func (a Aim) Hook() string {
	act := "stop"
	if a.Act == Kill {
		act = "kill"
	}
	return fmt.Sprintf("%s=%s@%d", a.Effect, act, a.Nth)
}

// Rates are faults per minute; that of Aimed is for processes of a worker per minute.
type Rates map[Kind]float64

// Default are rates that reach, in 50 minutes, 200 kills, 50 freezes and 20 restarts of
// each service.
func Default() Rates {
	return Rates{Kill: 4.5, Freeze: 1.2, Term: 0.8, Restart: 2.4, Latency: 1, Reset: 1, HalfOpen: 0.5, BlackHole: 0.7, Double: 0.5, DiskFull: 0.4, Aimed: 3, Clock: 1}
}

// Kinds that do not happen at a time of the plan, where kinds are chosen.
const (
	// Aimed are the faults right before an effect.
	Aimed Kind = "aimed"
	// Clock is another wall clock for each process of a worker. Its rate says only that
	// there are such.
	Clock Kind = "clock"
)

// Only are the default rates of some kinds, and none of the others.
func Only(kinds []Kind) (Rates, error) {
	out, all := Rates{}, Default()
	for _, k := range kinds {
		rate, ok := all[k]
		if !ok {
			return nil, fmt.Errorf("plan: no kind of fault is called %q: use %v", k, append(slices.Clone(Kinds), Aimed, Clock))
		}
		out[k] = rate
	}
	return out, nil
}

// Times are rates that many times as high.
func (r Rates) Times(factor float64) Rates {
	out := Rates{}
	for kind, rate := range r {
		out[kind] = rate * factor
	}
	return out
}

// Kinds are the kinds of faults at a time, in the order in which a plan draws them.
var Kinds = []Kind{Kill, Freeze, Term, Restart, Latency, Reset, HalfOpen, BlackHole, Double, DiskFull}

// A Plan is the result of New.
type Plan struct {
	Seed     uint64
	Duration time.Duration
	Faults   []Fault // by time
	// Aims has for each worker the aims of its processes, one after the other. Beyond
	// the last there is none.
	Aims [][]Aim
	// Clocks has for each worker how far the wall clocks of its processes are ahead. After
	// the last it begins again. Nil: none is.
	Clocks [][]time.Duration
}

// Clock is how far the wall clock of a worker's process is ahead.
func (p Plan) Clock(worker, life int) time.Duration {
	if len(p.Clocks) == 0 {
		return 0
	}
	all := p.Clocks[worker]
	return all[life%len(all)]
}

// Leading and trailing time without new faults.
const (
	quietStart = 4 * time.Second
	quietEnd   = 5 * time.Second
)

// New makes the plan. Each kind with a rate above zero happens at least once.
func New(seed uint64, duration time.Duration, workers int, rates Rates) Plan {
	random := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	p := Plan{Seed: seed, Duration: duration}
	window := max(duration-quietStart-quietEnd, time.Second)
	for _, kind := range Kinds {
		rate := rates[kind]
		if rate <= 0 {
			continue
		}
		n := max(1, int(rate*duration.Minutes()+0.5))
		for i := range n {
			f := Fault{At: quietStart + time.Duration(random.Int64N(int64(window))), Kind: kind}
			f.Target = fmt.Sprintf("worker-%d", random.IntN(workers))
			shape(&f, i, random)
			p.Faults = append(p.Faults, f)
		}
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	for range workers {
		p.Aims = append(p.Aims, aims(duration, rates, random))
	}
	if rates[Clock] > 0 {
		for range workers {
			p.Clocks = append(p.Clocks, clocks(random))
		}
	}
	return p
}

// shape draws what the kind needs. i is the fault's number within its kind: restarts go
// round the services.
func shape(f *Fault, i int, random *rand.Rand) {
	switch f.Kind {
	case Kill:
		f.For = between(random, 0, 3*time.Second)
	case Freeze:
		f.For = between(random, 5*time.Second, 60*time.Second)
	case Term:
	case Restart:
		f.Target = Services[i%len(Services)]
		f.For = between(random, 0, 8*time.Second)
	case DiskFull:
		f.Target = "temporal"
		f.For = between(random, 3*time.Second, 15*time.Second)
	case Double:
		f.Link = []string{"platform", "model", "tools", "pulse"}[random.IntN(4)]
	default:
		f.Link = Services[random.IntN(len(Services))]
		f.For = between(random, 2*time.Second, 25*time.Second)
	}
}

func aims(duration time.Duration, rates Rates, random *rand.Rand) []Aim {
	var out []Aim
	if rates[Aimed] <= 0 {
		return nil
	}
	for range max(2, int(duration.Minutes()*rates[Aimed])) {
		a := Aim{
			Effect: Effects[random.IntN(len(Effects))],
			Nth:    1 + random.IntN(6),
			Act:    []Kind{Kill, Kill, Freeze, BlackHole}[random.IntN(4)],
			For:    between(random, 5*time.Second, 40*time.Second),
		}
		if a.Effect == "claim" || a.Effect == "end" {
			a.Nth = 1 + random.IntN(2)
		}
		out = append(out, a)
	}
	return out
}

// clocks draws ten: a third is right, the others are up to ten minutes ahead or behind.
func clocks(random *rand.Rand) []time.Duration {
	out := make([]time.Duration, 10)
	for i := range out {
		if random.IntN(3) > 0 {
			out[i] = between(random, -10*time.Minute, 10*time.Minute)
		}
	}
	return out
}

func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)))
}
