package check

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// visible are the states in which an operator sees that a conversation waits.
var visible = []string{"paused", "needs_attention", "needs_approval"}

func (c *checking) conversations() {
	for _, id := range slices.Sorted(maps.Keys(c.Platform)) {
		t := c.Platform[id]
		workflow := c.byTalk[id]
		c.require(workflow != "", RuleBegun, "", "conversation %s is %s on the platform, and no workflow runs it", id, t.Status)
		if workflow == "" {
			continue
		}
		runs := c.runs[workflow]
		c.outcome(workflow, t, newest(runs))
		c.claims(workflow, t)
		c.order(workflow, t)
		c.transcript(workflow, t, runs)
	}
	for id, runs := range c.runs {
		w := newest(runs)
		switch {
		case w.Status == "Terminated" && c.acted(id, "terminate"):
		case w.Status == "Failed" && isRun(id): // reported as failed, or shown so
		case w.Status == "Failed" || w.Status == "Terminated" || w.Status == "TimedOut":
			c.require(false, RuleOutcome, id, "the workflow is %s: %s", w.Status, w.Outcome.Detail)
		}
	}
}

func (c *checking) outcome(id string, t *Talk, w *Workflow) {
	waits := w.Status == "Running" && slices.Contains(visible, w.Shown)
	switch t.Status {
	case "ended":
		c.require(w.Status != "Running" || waits, RuleOutcome, id, "it has ended on the platform, and the workflow is %s (%s)", w.Status, w.Shown)
	case "in_progress":
		if w.Status == "Terminated" && c.acted(id, "terminate") {
			c.leftBehind(id, t, w)
			break
		}
		if w.Outcome.Kind == "claim_lost" && c.doubled[id] {
			c.orphans++ // its claim was delivered twice, and the second one refused
			break
		}
		c.require(waits, RuleOutcome, id, "it is in progress on the platform, and the workflow is %s (%s), outcome %q", w.Status, w.Shown, w.Outcome.Kind)
	default:
		c.require(waits || w.Status == "Terminated" && c.acted(id, "terminate") || c.acted(id, "cancel", "end"), RuleBegun, id, "it is %s on the platform, and the workflow is %s (%s)", t.Status, w.Status, w.Shown)
	}
	lost := w.Outcome.Kind == "claim_lost" && !c.doubled[id]
	c.require(!lost, RuleClaim, id, "its claim counts as lost, and no other system claims conversations here")
}

// Adoption may need this much longer than its setting: the search for orphans is periodic,
// and capacity may be used up.
const adoptionTakes = time.Minute

// leftBehind looks at a conversation that an operator has terminated. No program has told the
// platform.
func (c *checking) leftBehind(id string, t *Talk, w *Workflow) {
	c.left++
	after := c.settings["adopt_after"]
	if after == 0 {
		return
	}
	age := c.end.Sub(w.Closed)
	c.require(age < time.Duration(after)*time.Second+adoptionTakes, RuleOutcome, id,
		"it was terminated %s before the end, is in progress on the platform, and was not adopted after %v s", age.Round(time.Second), after)
}

func (c *checking) claims(id string, t *Talk) {
	n := 0
	for _, call := range t.Calls {
		if call.Op == "start" && call.Status == 200 {
			n++
		}
	}
	c.require(n <= 1 || c.doubled[id], RuleClaim, id, "the platform has accepted %d claims", n)
}

// order looks at the platform's messages alone.
func (c *checking) order(id string, t *Talk) {
	seen := map[string]bool{}
	var faults []string
	for i, item := range t.Items {
		if i > 0 && t.Items[i-1].Role == item.Role {
			faults = append(faults, fmt.Sprintf("messages %d and %d are both of the %s", i, i+1, item.Role))
		}
		if item.Role != "assistant" {
			continue
		}
		tok := token(item.text())
		if tok != "" && seen[tok] {
			faults = append(faults, fmt.Sprintf("message %d is there twice: %q", i+1, item.text()))
		}
		seen[tok] = true
		if owner := c.owner[tok]; owner != "" && owner != id {
			faults = append(faults, fmt.Sprintf("message %d belongs to %s", i+1, owner))
		}
	}
	c.require(len(faults) == 0 || c.doubled[id], RuleOrder, id, "%v", faults)
}

// transcript compares what the exchanges have recorded with what the platform has. A
// conversation that ran to its end by itself has the same on both sides. One that was
// interrupted may have sent one exchange that was never recorded.
func (c *checking) transcript(id string, t *Talk, runs []*Workflow) {
	var has []string
	for _, item := range t.Items {
		has = append(has, item.text())
	}
	if c.disturbed(id) {
		c.partly(id, has, runs)
		return
	}
	recorded := exchanged(steps(runs))
	surplus := 0
	w := newest(runs)
	if w.Status == "Running" || c.acted(id, "end", "cancel", "takeover") {
		surplus = inFlight
	}
	same := len(has) >= len(recorded) && slices.Equal(has[:len(recorded)], recorded) && len(has)-len(recorded) <= surplus
	c.require(same || c.doubled[id], RuleTranscript, id, "the platform has %d messages, Temporal %d: %s", len(has), len(recorded), difference(has, recorded))
}

// inFlight is what one exchange brings: our message, and the answer to it.
const inFlight = 2

// exchanged are the texts of messages that exchanges have recorded.
func exchanged(all []Step) []string {
	var out []string
	for _, s := range all {
		if s.Name != "conversation.Exchange" || s.Ended != "completed" || s.Result.HandedOver {
			continue
		}
		for _, m := range s.Input.Messages[:min(s.Result.Taken, len(s.Input.Messages))] {
			out = append(out, m.text())
		}
		for _, m := range s.Result.Messages {
			out = append(out, m.text())
		}
	}
	return out
}

// partly compares a conversation that was terminated or reset. No run has all of it. What
// a run has recorded is on the platform, in that order; and the platform has little that
// none has recorded: for each act one exchange, which ended after it.
func (c *checking) partly(id string, has []string, runs []*Workflow) {
	known := map[string]bool{}
	for _, w := range runs {
		at := 0
		for _, text := range exchanged(w.Steps) {
			known[text] = true
			i := slices.Index(has[at:], text)
			c.require(i >= 0 || c.doubled[id], RuleTranscript, id, "run %s has recorded %q, which the platform does not have after its first %d messages", w.Run, text, at)
			if i < 0 {
				return
			}
			at += i + 1
		}
	}
	unknown, acts := 0, 0
	for _, text := range has {
		if !known[text] {
			unknown++
		}
	}
	for _, a := range c.acts[id] {
		if slices.Contains([]string{"terminate", "reset", "end", "cancel", "takeover"}, a.Act) {
			acts++
		}
	}
	c.require(unknown <= inFlight*(acts+1) || c.doubled[id], RuleTranscript, id, "the platform has %d messages that no run has recorded, after %d acts of operators", unknown, acts)
}

func difference(has, recorded []string) string {
	for i := range max(len(has), len(recorded)) {
		a, b := "nothing", "nothing"
		if i < len(has) {
			a = fmt.Sprintf("%q", has[i])
		}
		if i < len(recorded) {
			b = fmt.Sprintf("%q", recorded[i])
		}
		if a != b {
			return fmt.Sprintf("message %d is %s on the platform and %s in Temporal", i+1, a, b)
		}
	}
	return "no difference"
}
