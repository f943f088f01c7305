package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

type (
	// Pulse is what the stand-in for Pulse has.
	Pulse struct {
		Tasks    map[string]Task
		Claims   []Claim
		Acks     []Ack
		Dropped  map[string]bool // completed by a restart of Pulse, without a run
		Restarts []time.Time
	}
	// A Task is the newest row of a task.
	Task struct {
		ID       string    `json:"id"`
		Status   string    `json:"status"`
		Next     int64     `json:"next"`
		Every    int64     `json:"every"`
		History  []Expired `json:"history"`
		Absolute bool      `json:"absolute"`
	}
	// Expired is a line of a task's history.
	Expired struct {
		At     int64  `json:"executed_at"`
		Status string `json:"status"`
	}
	// A Claim is one that Pulse has accepted.
	Claim struct {
		Task   string    `json:"task"`
		Worker string    `json:"worker"`
		Due    time.Time `json:"due"`
		At     time.Time `json:"at"`
	}
	// An Ack is a report that Pulse has accepted.
	Ack struct {
		Task    string    `json:"task"`
		Worker  string    `json:"worker"`
		Status  string    `json:"status"`
		Due     time.Time `json:"due"`
		At      time.Time `json:"at"`
		Counted bool      `json:"counted"`
	}
)

// entry reads a line of Pulse's state file.
func (p *Pulse) entry(line []byte) error {
	var e struct {
		Tasks     []Task     `json:"tasks"`
		Claims    []Claim    `json:"claims"`
		Acks      []Ack      `json:"acks"`
		Restarted *time.Time `json:"restarted"`
		Dropped   []string   `json:"dropped"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	for _, t := range e.Tasks {
		p.Tasks[t.ID] = t
	}
	p.Claims, p.Acks = append(p.Claims, e.Claims...), append(p.Acks, e.Acks...)
	if e.Restarted != nil {
		p.Restarts = append(p.Restarts, *e.Restarted)
	}
	for _, id := range e.Dropped {
		p.Dropped[id] = true
	}
	return nil
}

// occurrence names one run of a task, as its workflow is called.
func occurrence(task string, due time.Time) string {
	return fmt.Sprintf("pulse//%s@%d", task, due.Unix())
}

// isRun reports that a workflow is the run of a task or of a schedule, which may fail.
func isRun(id string) bool {
	return strings.HasPrefix(id, "pulse/") || strings.HasPrefix(id, "schedule/")
}

// tasks looks at each time at which a task was claimed, and at those that never were.
func (c *checking) tasks() {
	claims, acks := map[string][]Claim{}, map[string]int{}
	claimed := map[string]bool{}
	for _, x := range c.Pulse.Claims {
		id := occurrence(x.Task, x.Due)
		claims[id], claimed[x.Task] = append(claims[id], x), true
	}
	for _, a := range c.Pulse.Acks {
		if a.Counted {
			acks[occurrence(a.Task, a.Due)]++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(claims)) {
		c.occurred(id, claims[id], acks[id])
	}
	for id := range acks {
		// A report that arrives twice counts for the next time of a recurring task.
		c.require(len(claims[id]) > 0 || c.doubledTask(id), RuleTask, id, "it was reported without a claim")
	}
	for _, id := range slices.Sorted(maps.Keys(c.Pulse.Tasks)) {
		t := c.Pulse.Tasks[id]
		due := time.Unix(t.Next, 0)
		c.require(t.Status != "active" || due.After(c.end.Add(-patience)), RuleTask, id, "it was due at %s and was not claimed", clock(due))
		c.require(t.Status != "completed" || claimed[id] || c.Pulse.Dropped[id] || len(t.History) > 0, RuleTask, id, "it is completed without a claim")
		for _, h := range t.History {
			if h.Status == "expired" {
				c.onTime(id, time.Unix(h.At, 0), time.Unix(h.At, 0).Add(time.Minute))
			}
		}
	}
}

func (c *checking) occurred(id string, claims []Claim, acks int) {
	first := claims[0]
	c.require(!first.At.Before(first.Due), RuleTask, id, "it was due at %s, and claimed at %s", clock(first.Due), clock(first.At))
	c.onTime(id, first.Due, first.At)
	workers := map[string]bool{}
	for _, x := range claims {
		workers[x.Worker] = true
	}
	c.require(len(workers) == 1 || c.disturbed(id), RuleTask, id, "%d have claimed it", len(workers))
	runs := c.runs[id]
	if c.require(len(runs) > 0, RuleTask, id, "it was claimed, and no workflow runs it"); len(runs) == 0 {
		return
	}
	w := newest(runs)
	open := w.Status == "Running" && slices.Contains(visible, w.Shown)
	terminated := w.Status == "Terminated" && c.acted(id, "terminate")
	if acks == 0 && w.Outcome.Kind == "claim_lost" && c.doubledTask(id) {
		c.orphans++ // the second delivery of its claim looks like another worker's
		return
	}
	c.require(acks == 1 || acks == 0 && (open || terminated) || c.doubledTask(id), RuleTask, id, "it was reported %d times, and its workflow is %s %s", acks, w.Status, w.Outcome.Kind)
}

// doubledTask reports that the network has delivered a POST for the task twice.
func (c *checking) doubledTask(id string) bool {
	task, _, _ := strings.Cut(strings.TrimPrefix(id, "pulse//"), "@")
	return slices.ContainsFunc(c.Doubled, func(d Doubled) bool { return strings.Contains(d.Target, task) })
}

// patience is how late a task may be without any fault.
const patience = 10 * time.Second

// recovery is how long a fault may have consequences after its end: a heartbeat timeout,
// and the longest pause between two attempts at anything.
const recovery = 45 * time.Second

// onTime looks at how late a task was begun. Time within faults, and soon after them, does
// not count. The machine's own slowness is measured, and counts neither.
func (c *checking) onTime(id string, due, begun time.Time) {
	late := begun.Sub(due)
	if late <= patience {
		c.rules[RuleOnTime].Checked++
		return
	}
	at := due
	for _, f := range c.Faults { // in the order of time
		if !isFault(f.Kind) {
			continue
		}
		from, to := f.At, f.At.Add(time.Duration(f.Seconds*float64(time.Second))+recovery)
		if to.Before(at) || from.After(begun) {
			continue
		}
		from, to = later(from, at), earlier(to, begun)
		if to.After(from) {
			late -= to.Sub(from)
			at = to
		}
	}
	allowed := patience + c.slowness()
	c.require(late <= allowed, RuleOnTime, id, "it was due at %s and began at %s: %s of that are no fault's, %s are allowed",
		clock(due), clock(begun), late.Round(time.Millisecond), allowed.Round(time.Millisecond))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (c *checking) taskFigures(add func(name, format string, args ...any)) {
	expired := 0
	for _, t := range c.Pulse.Tasks {
		for _, h := range t.History {
			if h.Status == "expired" {
				expired++
			}
		}
	}
	add("Pulse", "%d tasks, %d runs claimed, %d reported, %d expired during faults, %d dropped by %d restarts of Pulse itself",
		len(c.Pulse.Tasks), len(c.Pulse.Claims), len(c.Pulse.Acks), expired, len(c.Pulse.Dropped), len(c.Pulse.Restarts))
	runs := 0
	for id := range c.runs {
		if strings.HasPrefix(id, "schedule/") {
			runs++
		}
	}
	add("schedules", "%d, with %d runs", len(c.Schedules), runs)
}
