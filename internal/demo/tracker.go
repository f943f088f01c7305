package demo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/sim"
)

// A tracker records the progress of the conversations.
type tracker struct {
	total int
	began time.Time

	order    []string // in the simulator's order
	begun    map[string]bool
	finished map[string]Conversation
	parked   map[string]Conversation
	scores   map[string]float64
	messages int
	first    time.Time // when the first one began
	changed  time.Time // the last change
}

func newTracker(total int, now time.Time) *tracker {
	return &tracker{
		total: total, began: now, changed: now,
		begun: make(map[string]bool), finished: make(map[string]Conversation), parked: make(map[string]Conversation),
		scores: make(map[string]float64),
	}
}

// update reads the simulator's report and returns the conversations that have begun
// since.
func (t *tracker) update(report []sim.ConversationReport, now time.Time) []string {
	var begun []string
	messages := 0
	t.order = t.order[:0]
	for _, c := range report {
		t.order = append(t.order, c.ID)
		messages += c.AgentMessages + c.PersonaMessages
		t.scores[c.ID] = mean(c.Scores)
		if c.Starts == 0 || t.begun[c.ID] {
			continue
		}
		t.begun[c.ID] = true
		begun = append(begun, c.ID)
		if t.first.IsZero() {
			t.first = now
		}
	}
	if len(begun) > 0 || messages != t.messages {
		t.changed = now
	}
	t.messages = messages
	return begun
}

// finish records the ending of a conversation.
func (t *tracker) finish(c Conversation, now time.Time) {
	t.finished[c.ID] = c
	delete(t.parked, c.ID)
	t.changed = now
}

// park records which conversations need attention, and returns those that did not
// before.
func (t *tracker) park(waiting []Conversation, now time.Time) []Conversation {
	before := t.parked
	t.parked = make(map[string]Conversation)
	var fresh []Conversation
	for _, c := range waiting {
		if _, over := t.finished[c.ID]; over {
			continue
		}
		t.parked[c.ID] = c
		if _, known := before[c.ID]; !known {
			fresh = append(fresh, c)
		}
	}
	if len(fresh) > 0 {
		t.changed = now
	}
	return fresh
}

// done means that every conversation has finished.
func (t *tracker) done() bool { return len(t.finished) >= t.total }

const (
	// parkedPatience bounds the silence of the others once one needs attention: its cause
	// may keep them from beginning.
	parkedPatience = 30 * time.Second
	// patience bounds the silence of all: slow models answer within it.
	patience = 5 * time.Minute
)

// stuck means that further waiting is of no use.
func (t *tracker) stuck(now time.Time) bool {
	silence := now.Sub(t.changed)
	switch {
	case t.done():
		return false
	case len(t.finished)+len(t.parked) >= t.total:
		return true
	case len(t.parked) > 0:
		return silence > parkedPatience
	default:
		return silence > patience
	}
}

// line is the progress in one line.
func (t *tracker) line(now time.Time) string {
	parts := []string{fmt.Sprintf("conversations %s %d/%d", bar(len(t.finished), t.total), len(t.finished), t.total)}
	if talking := len(t.begun) - len(t.finished) - len(t.parked); talking > 0 {
		parts = append(parts, fmt.Sprintf("%d talking", talking))
	}
	if n := len(t.parked); n > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting for an operator", n))
	}
	if t.messages > 0 {
		parts = append(parts, plural(t.messages, "message"))
	}
	if len(t.begun) == 0 {
		parts = append(parts, "waiting for the first one to begin")
	}
	return strings.Join(parts, " · ") + after(now.Sub(t.began))
}

// all lists the conversations in the simulator's order: finished ones with their
// outcome, the others with their state.
func (t *tracker) all(workflowID func(id string) string) []Conversation {
	out := make([]Conversation, 0, t.total)
	for _, id := range t.order {
		c, ok := t.finished[id]
		if !ok {
			c, ok = t.parked[id]
		}
		if !ok {
			c = Conversation{ID: id, WorkflowID: workflowID(id), Outcome: "talking", Detail: "it has made no progress for a long time"}
			if !t.begun[id] {
				c.Outcome, c.Detail = "waiting", "no worker has claimed it"
			}
		}
		c.score = t.scores[id]
		out = append(out, c)
	}
	return out
}

func mean(scores map[string]float64) float64 {
	sum := 0.0
	for _, score := range scores {
		sum += score
	}
	return sum / max(float64(len(scores)), 1)
}

// finest chooses a conversation to show: one that its persona ended, of a readable
// length.
func finest(all []Conversation) (Conversation, bool) {
	if len(all) == 0 {
		return Conversation{}, false
	}
	return slices.MaxFunc(all, func(a, b Conversation) int { return cmp.Compare(charm(a), charm(b)) }), true
}

func charm(c Conversation) int {
	score := 0
	if c.ended() {
		score += 100
	}
	if c.EndedBy == "persona" {
		score += 50
	}
	// Three to four turns show enough, and a happy ending is nice.
	return score - 5*max(3-c.Turns, c.Turns-4, 0) + int(30*c.score)
}
