package check

import (
	"slices"
	"strings"
	"time"
)

// A Schedule is one of Temporal's, which an operator has made.
type Schedule struct {
	At      time.Time `json:"at"`
	Name    string    `json:"name"`
	Agent   string    `json:"agent"`
	Seconds int       `json:"seconds"`
	Times   int       `json:"times"`
	Overlap string    `json:"overlap"`
}

// schedules: each has as many runs as it has times, one after the other, none twice.
func (c *checking) schedules() {
	for _, s := range c.Schedules {
		prefix := "schedule/" + s.Agent + "/" + s.Name + "-"
		var due []time.Time
		for id, runs := range c.runs {
			text, ok := strings.CutPrefix(id, prefix)
			if !ok {
				continue
			}
			at, err := time.Parse(time.RFC3339, text)
			c.require(err == nil, RuleSchedule, id, "its id has no time")
			due = append(due, at)
			c.ranOnce(id, runs)
		}
		slices.SortFunc(due, time.Time.Compare)
		c.require(len(due) == s.Times, RuleSchedule, prefix, "it has %d runs, and was to have %d", len(due), s.Times)
		for i := 1; i < len(due); i++ {
			step := due[i].Sub(due[i-1])
			c.require(step == time.Duration(s.Seconds)*time.Second, RuleSchedule, prefix, "after the run of %s comes that of %s", clock(due[i-1]), clock(due[i]))
		}
	}
}

// ranOnce looks at one run of a schedule. A reset makes further runs of the same workflow.
func (c *checking) ranOnce(id string, runs []*Workflow) {
	w := newest(runs)
	begun := 0
	for _, r := range runs {
		if r.Reset.IsZero() {
			begun++
		}
	}
	c.require(begun == 1, RuleSchedule, id, "it was begun %d times", begun)
	waits := w.Status == "Running" && slices.Contains(visible, w.Shown)
	c.require(w.Status != "Running" || waits, RuleSchedule, id, "it is %s (%s)", w.Status, w.Shown)
	replies := 0
	for _, s := range steps(runs) {
		if s.Name == "conversation.Reply" && s.Ended == "completed" && !s.Result.HandedOver {
			replies++
		}
	}
	c.require(replies <= 1 || c.acted(id, "reset", "resume"), RuleSchedule, id, "the agent has answered %d times", replies)
}
