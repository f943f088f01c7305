package check

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// A poll older than this at the end is no poll.
const staleAfter = time.Minute

func (c *checking) inboxes() {
	inboxes := 0
	for _, w := range c.Workflows {
		if w.Type != "Inbox" || w.Status == "ContinuedAsNew" {
			continue
		}
		inboxes++
		polled := w.Heartbeats["inbox.Poll"]
		c.require(w.Status == "Running" && c.end.Sub(polled) < staleAfter+c.slowness(), RuleInbox, w.ID, "it is %s, and has last polled at %s; the run ended at %s", w.Status, clock(polled), clock(c.end))
	}
	c.require(inboxes > 0, RuleInbox, "", "there is none")
	for _, f := range c.Faults {
		if f.Kind == "exit" || f.Kind == "stuck" {
			c.require(false, RuleAlive, "", "%s at %s: %s", f.Target, clock(f.At), f.Kind)
		}
	}
	c.rules[RuleAlive].Checked++
}

// Growth that is tolerated between the first and the last third of a process's life.
const (
	warmUp     = 20 * time.Second
	judgedLife = 90 * time.Second
	factor     = 1.5
	moreRSS    = 64 << 20
	moreFDs    = 64
	moreOthers = 200
)

// A life is that of one process: what it used in its first and in its last third.
type life struct {
	name        string
	pid         int
	took        time.Duration
	early, late []Sample
}

func (c *checking) lives() []life {
	byPID := map[int][]Sample{}
	for _, s := range c.Samples {
		byPID[s.PID] = append(byPID[s.PID], s)
	}
	var out []life
	for _, pid := range slices.Sorted(maps.Keys(byPID)) {
		all := byPID[pid]
		l := life{name: all[0].Name, pid: pid, took: all[len(all)-1].At.Sub(all[0].At)}
		if l.took < judgedLife {
			continue
		}
		for _, s := range all {
			switch age := s.At.Sub(all[0].At); {
			case age < warmUp:
			case age < l.took/3+warmUp:
				l.early = append(l.early, s)
			case age > l.took*2/3:
				l.late = append(l.late, s)
			}
		}
		if len(l.early) > 0 && len(l.late) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// processes compares what a process uses late with what it used early, or any other did:
// one that began in a quiet time has more to do later.
func (c *checking) processes() {
	lives := c.lives()
	for _, m := range []struct {
		name string
		more float64
		of   func(Sample) float64
	}{
		{"bytes of memory", moreRSS, func(s Sample) float64 { return float64(s.RSS) }},
		{"descriptors", moreFDs, func(s Sample) float64 { return float64(s.FDs) }},
		{"goroutines", moreOthers, func(s Sample) float64 { return float64(s.Goroutines) }},
	} {
		before := 0.0
		for _, l := range lives {
			before = max(before, most(l.early, m.of))
		}
		for _, l := range lives {
			now := most(l.late, m.of)
			c.require(now <= before*factor+m.more, RuleProcess, "", "%s (pid %d) had %.0f %s, and %s later %.0f; no process had more than %.0f early",
				l.name, l.pid, most(l.early, m.of), m.name, l.took.Round(time.Second), now, before)
		}
	}
}

func most(samples []Sample, of func(Sample) float64) float64 {
	var out float64
	for _, s := range samples {
		out = max(out, of(s))
	}
	return out
}

func (c *checking) figures() {
	add := func(name, format string, args ...any) {
		c.report.Figures = append(c.report.Figures, Figure{name, fmt.Sprintf(format, args...)})
	}
	counts, aimed := map[string]int{}, 0
	for _, f := range c.Faults {
		switch f.Kind {
		case "begin", "heal", "end", "start", "ready", "setting":
			continue
		case "skip":
			add("NOT DONE: "+f.Target, "%s", f.Effect)
			continue
		case "restart":
			counts["restart of "+f.Target]++
		default:
			counts[f.Kind]++
		}
		if f.Effect != "" {
			aimed++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		add("fault: "+name, "%d", counts[name])
	}
	add("of these, aimed right before an effect", "%d", aimed)
	acted := map[string]int{}
	for _, a := range c.Acts {
		if a.OK {
			acted[a.Act]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(acted)) {
		add("operators: "+name, "%d", acted[name])
	}
	clocks := 0
	for _, f := range c.Faults {
		if f.Kind == "start" && f.Seconds != 0 {
			clocks++
		}
	}
	add("processes of workers with another wall clock", "%d", clocks)
	add("POSTs that the network delivered twice", "%d (in %d conversations, which rules on repetition excuse)", len(c.Doubled), len(c.doubled))
	add("claims delivered twice, left for adoption", "%d", c.orphans)
	adopts := "adoption is off"
	if after := c.settings["adopt_after"]; after > 0 {
		adopts = fmt.Sprintf("adoption is after %.0f s", after)
	}
	add("left behind by an operator's terminate", "%d (%s)", c.left, adopts)
	c.taskFigures(add)
	ended := map[string]int{}
	for id := range c.runs {
		w := newest(c.runs[id])
		name := w.Outcome.Kind
		if name == "" {
			name = w.Status
			if w.Status == "Running" {
				name = w.Shown
			}
		}
		ended[name]++
	}
	for _, name := range slices.Sorted(maps.Keys(ended)) {
		add("conversations: "+name, "%d", ended[name])
	}
	unrecorded, total := c.repeats()
	stops := counts["kill"] + counts["freeze"] + counts["term"]
	add("answers paid", "%d, of which %d were never recorded (%.2f per kill, freeze or stop of a worker)", total, unrecorded, float64(unrecorded)/float64(max(stops, 1)))
	kills, frozen := c.resumption()
	if c.resume != "" {
		add("after the start of the only worker's next process", "%s", c.resume)
	}
	add("time until a conversation goes on, after a kill", "%s", kills)
	add("the same, after a freeze", "%s", frozen)
}

// resumption is how long conversations stood still around the kills, and freezes, of
// workers: those that moved in the ten seconds before, and did so again afterwards.
func (c *checking) resumption() (kills, freezes string) {
	var afterKill, afterFreeze []time.Duration
	for _, runs := range c.runs {
		moves := movements(runs)
		for _, f := range c.Faults {
			if f.Kind != "kill" && f.Kind != "freeze" {
				continue
			}
			i, _ := slices.BinarySearchFunc(moves, f.At, time.Time.Compare)
			if i == 0 || i == len(moves) || f.At.Sub(moves[i-1]) > 10*time.Second {
				continue
			}
			if d := moves[i].Sub(f.At); f.Kind == "kill" {
				afterKill = append(afterKill, d)
			} else {
				afterFreeze = append(afterFreeze, d)
			}
		}
	}
	return spread(afterKill), spread(afterFreeze)
}

func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	slices.Sort(all)
	at := func(q float64) time.Duration { return all[int(q*float64(len(all)-1))].Round(10 * time.Millisecond) }
	return fmt.Sprintf("median %s, 95%% %s, longest %s (%d)", at(0.5), at(0.95), at(1), len(all))
}

// resumed looks at a run with one worker that only kills disturb: the median conversation
// goes on within the heartbeat timeout and two seconds of the start of the process that
// goes on with it. On an idle machine a process is ready in a second; what it needs beyond
// is the machine's, and is allowed.
func (c *checking) resumed() {
	const spare, usual = 2 * time.Second, time.Second
	workers := map[string]bool{}
	var starts, kills []time.Time
	var ready []time.Duration
	for _, f := range c.Faults {
		switch {
		case f.Kind == "start":
			workers[f.Target] = true
			starts = append(starts, f.At)
		case f.Kind == "kill":
			kills = append(kills, f.At)
		case f.Kind == "ready":
			ready = append(ready, time.Duration(f.Seconds*float64(time.Second)))
		case isFault(f.Kind):
			return // something else was broken too
		}
	}
	if len(workers) != 1 || len(starts) < 2 {
		return
	}
	waited, timeout := c.waits(starts[1:], kills)
	if len(waited) == 0 {
		return
	}
	slow := max(0, median(ready)-usual)
	took, allowed := median(waited), timeout+spare+slow
	c.require(took <= allowed, RuleResume, "", "after the start of the process the median of %d waits is %s; the heartbeat timeout is %s, a process needs %s to be ready, and %s are allowed",
		len(waited), took.Round(10*time.Millisecond), timeout, median(ready).Round(10*time.Millisecond), allowed.Round(10*time.Millisecond))
	c.resume = fmt.Sprintf("%s; heartbeat timeout %s, ready after %s, allowed %s", spread(waited), timeout, median(ready).Round(10*time.Millisecond), allowed.Round(10*time.Millisecond))
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// isFault reports that the harness has done something to a program or a link.
func isFault(kind string) bool {
	return !slices.Contains([]string{"setting", "skip", "start", "ready", "begin", "heal", "end"}, kind)
}

// waits are the times that conversations with an activity under way at the death of the
// worker needed from each of these starts until they went on, if no kill came before, and
// the longest heartbeat timeout of those activities.
func (c *checking) waits(starts, kills []time.Time) (all []time.Duration, timeout time.Duration) {
	for _, runs := range c.runs {
		moves := movements(runs)
		for _, start := range starts {
			i, _ := slices.BinarySearchFunc(moves, start, time.Time.Compare)
			if i == 0 || i == len(moves) || slices.ContainsFunc(kills, func(k time.Time) bool { return k.After(start) && k.Before(moves[i]) }) {
				continue
			}
			busy := false
			for _, s := range steps(runs) {
				if s.Scheduled.Before(start) && (s.Closed.IsZero() || s.Closed.After(start)) && s.Heartbeat > 0 {
					busy, timeout = true, max(timeout, s.Heartbeat)
				}
			}
			if busy {
				all = append(all, moves[i].Sub(start))
			}
		}
	}
	return all, timeout
}

// movements are the times at which a conversation's steps began and ended.
func movements(runs []*Workflow) []time.Time {
	var moves []time.Time
	for _, s := range steps(runs) {
		moves = append(moves, s.Scheduled)
		if !s.Closed.IsZero() {
			moves = append(moves, s.Closed)
		}
	}
	slices.SortFunc(moves, time.Time.Compare)
	return moves
}

// slowness is what the machine itself takes: the slowest of a hundred steps that nothing
// has disturbed, or beginnings of tasks, three times.
func (c *checking) slowness() time.Duration {
	if c.slow > 0 {
		return c.slow
	}
	var took []time.Duration
	for id, runs := range c.runs {
		for _, w := range runs {
			if isRun(id) && len(w.Steps) > 0 && w.Reset.IsZero() {
				took = append(took, w.Steps[0].Scheduled.Sub(w.Started))
			}
		}
		for _, s := range steps(runs) {
			if s.Ended == "completed" && s.Attempt <= 1 {
				took = append(took, s.Closed.Sub(s.Scheduled))
			}
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	c.slow = 3 * took[len(took)*99/100]
	return c.slow
}
