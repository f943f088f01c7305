package check

import (
	"fmt"
	"maps"
	"slices"
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
		if w := newest(runs); w.Status == "Failed" || w.Status == "Terminated" || w.Status == "TimedOut" {
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
		if w.Outcome.Kind == "claim_lost" && c.doubled[id] {
			c.orphans++ // its claim was delivered twice, and the second one refused
			break
		}
		c.require(waits, RuleOutcome, id, "it is in progress on the platform, and the workflow is %s (%s), outcome %q", w.Status, w.Shown, w.Outcome.Kind)
	default:
		c.require(waits || c.acted(id, "cancel", "end"), RuleBegun, id, "it is %s on the platform, and the workflow is %s (%s)", t.Status, w.Status, w.Shown)
	}
	lost := w.Outcome.Kind == "claim_lost" && !c.doubled[id]
	c.require(!lost, RuleClaim, id, "its claim counts as lost, and no other system claims conversations here")
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
	var recorded []string
	for _, s := range steps(runs) {
		if s.Name != "conversation.Exchange" || s.Ended != "completed" || s.Result.HandedOver {
			continue
		}
		for _, m := range s.Input.Messages[:min(s.Result.Taken, len(s.Input.Messages))] {
			recorded = append(recorded, m.text())
		}
		for _, m := range s.Result.Messages {
			recorded = append(recorded, m.text())
		}
	}
	var has []string
	for _, item := range t.Items {
		has = append(has, item.text())
	}
	const inFlight = 2 // ours, and the answer to it
	surplus := 0
	w := newest(runs)
	if w.Status == "Running" || c.acted(id, "end", "cancel", "takeover") {
		surplus = inFlight
	}
	same := len(has) >= len(recorded) && slices.Equal(has[:len(recorded)], recorded) && len(has)-len(recorded) <= surplus
	c.require(same || c.doubled[id], RuleTranscript, id, "the platform has %d messages, Temporal %d: %s", len(has), len(recorded), difference(has, recorded))
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
