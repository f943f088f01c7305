package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// payments: once Temporal has recorded an answer, the same request is not paid again.
// The same request has the same key; or, whatever its key, the same messages, with an
// earlier answer of this conversation among them.
func (c *checking) payments() {
	byKey, byDigest := map[string][]Payment{}, map[string][]Payment{}
	for _, p := range c.Payments {
		if p.Key != "" {
			byKey[p.Key] = append(byKey[p.Key], p)
		}
		if p.Previous != "" {
			byDigest[p.Digest] = append(byDigest[p.Digest], p)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.runs)) {
		for _, s := range steps(c.runs[id]) {
			for _, tok := range s.answers() {
				first, ok := c.paid[tok]
				if !ok {
					c.require(false, RulePaid, id, "the answer %s is recorded, and the model has not given it", tok)
					continue
				}
				c.paidAgain(id, s, first, append(slices.Clone(byKey[first.Key]), byDigest[first.Digest]...))
			}
		}
	}
}

func (c *checking) paidAgain(id string, s Step, first Payment, all []Payment) {
	for _, p := range all {
		late := p.At.After(s.Closed)
		reconciled := p.Key != first.Key && c.acted(id, "resume", "takeover")
		// A reset forgets what was recorded after its point; but not what the platform has.
		forgotten := p.Key != first.Key && c.disturbedBetween(id, s.Scheduled, p.At) && !c.delivered(id, first.Token, p.At)
		c.require(!late || reconciled || forgotten || c.doubled[id], RulePaid, id,
			"the answer %s was recorded at %s; %s was paid for the same request at %s", first.Token, clock(s.Closed), p.Token, clock(p.At))
	}
}

// delivered reports that the platform had the answer at that time, with some time to spare
// for a request on its way.
func (c *checking) delivered(id, answer string, at time.Time) bool {
	const underWay = 60 * time.Second
	t := c.Platform[id[strings.LastIndex(id, "/")+1:]]
	return t != nil && slices.ContainsFunc(t.Items, func(i Item) bool {
		return i.Role == "assistant" && token(i.text()) == answer && i.Created.Before(at.Add(-underWay))
	})
}

// repeats counts answers that were paid and not recorded: what a kill or a lost answer
// costs.
func (c *checking) repeats() (unrecorded, total int) {
	for _, p := range c.Payments {
		if c.owner[p.Token] == "" {
			unrecorded++
		}
	}
	return unrecorded, len(c.Payments)
}

type callID struct {
	token string
	n     int
}

// tools: a call whose result is recorded was made once; of a call in doubt the tool's
// server may have seen one; what no recorded answer asked for is never done.
func (c *checking) tools() {
	done := map[callID][]Effect{}
	for _, e := range c.Effects {
		done[callID{e.Token, e.N}] = append(done[callID{e.Token, e.N}], e)
	}
	for _, at := range slices.SortedFunc(maps.Keys(done), byToken) {
		effects := done[at]
		id := c.owner[at.token]
		c.require(id != "", RuleTool, "", "%s was called for the answer %s, which is recorded nowhere", effects[0].Tool, at.token)
		twice := len(effects) > 1 && effects[0].Tool != "look"
		c.require(!twice || c.doubled[id], RuleTool, id, "%s was done %d times for call %d of the answer %s", effects[0].Tool, len(effects), at.n, at.token)
	}
	for _, id := range slices.Sorted(maps.Keys(c.runs)) {
		for _, w := range c.runs[id] {
			c.afterReset(id, w, done)
		}
		for _, s := range steps(c.runs[id]) {
			if s.Name != "conversation.CallTool" || s.Ended != "completed" || s.Result.HandedOver || s.Result.IsError {
				continue
			}
			var at callID
			if found := tokensIn(string(s.Input.Call.Arguments)); len(found) > 0 {
				at.token = found[0]
			}
			_, _ = fmt.Sscanf(after(string(s.Input.Call.Arguments), `"n":`), "%d", &at.n)
			if strings.HasSuffix(strings.TrimSpace(s.Result.Content), " done") {
				c.require(len(done[at]) > 0, RuleTool, id, "the call of %s for the answer %s has the result %q, and was not made", s.Input.Call.Name, at.token, s.Result.Content)
			}
		}
	}
}

// afterReset looks at the turn after a reset: the run before may have made its calls, so
// that none is made that may not be repeated, unless an operator says so.
func (c *checking) afterReset(id string, w *Workflow, done map[callID][]Effect) {
	if w.Reset.IsZero() {
		return
	}
	turn := 0
	for _, s := range w.Steps {
		if s.Name != "conversation.Reply" || !s.Scheduled.After(w.Reset) {
			continue
		}
		if turn == 0 {
			turn = s.Input.Turn
		}
		if s.Input.Turn != turn {
			return
		}
		for _, tok := range s.answers() {
			for n := range 2 {
				for _, e := range done[callID{tok, n}] {
					c.require(e.Tool == "look" || c.acted(id, "approve"), RuleTool, id,
						"%s was done for the answer %s in the turn after a reset, which may repeat what the run before has done", e.Tool, tok)
				}
			}
		}
	}
}

func byToken(a, b callID) int {
	if n := strings.Compare(a.token, b.token); n != 0 {
		return n
	}
	return a.n - b.n
}

func after(text, mark string) string {
	_, rest, _ := strings.Cut(strings.ReplaceAll(text, " ", ""), mark)
	return rest
}

// senders: a client that repeats a message id gets the same reply; the agent was asked once.
func (c *checking) senders() {
	type key struct{ conversation, message string }
	replies, last := map[key]Delivery{}, map[key]Delivery{}
	var order []key
	for _, d := range c.Sent {
		k := key{d.Conversation, d.Message}
		if _, seen := last[k]; !seen {
			order = append(order, k)
		}
		last[k] = d
		if d.Code != 0 {
			continue
		}
		if first, ok := replies[k]; ok {
			forgotten := c.disturbedBetween(d.Conversation, first.At, d.At)
			c.require(forgotten || first.Reply == d.Reply && first.Turn == d.Turn, RuleSender, d.Conversation,
				"message %s got %q in turn %d and %q in turn %d", d.Message, first.Reply, first.Turn, d.Reply, d.Turn)
			continue
		}
		replies[k] = d
		tok := token(d.Reply)
		c.require(strings.HasPrefix(tok, operators) || c.owner[tok] == d.Conversation, RuleSender, d.Conversation,
			"message %s got %q, which is no recorded answer of this conversation", d.Message, d.Reply)
	}
	for _, k := range order {
		c.accepted(k.conversation, k.message, last[k], replies[k])
	}
}

// accepted looks at one message id in the history.
func (c *checking) accepted(id, message string, last, reply Delivery) {
	runs := c.runs[id]
	answers := map[string]bool{}
	accepted := false
	for _, w := range runs {
		for _, u := range w.Updates {
			if u.Name != "send" || u.ID != message {
				continue
			}
			accepted = true
			if u.Reply != "" {
				answers[u.Reply] = true
			}
		}
	}
	c.require(len(answers) <= 1 || c.disturbed(id), RuleSender, id, "message %s has %d different replies in the history", message, len(answers))
	asked := 0
	for _, s := range steps(runs) {
		if s.Name != "conversation.Reply" || s.Ended != "completed" || s.Input.Round > 0 || s.Result.HandedOver {
			continue
		}
		for _, m := range s.Input.New {
			if m.Role == "user" && m.text() == last.Text {
				asked++
			}
		}
	}
	c.require(asked <= 1 || c.acted(id, "takeover", "resume", "reset", "terminate"), RuleSender, id, "message %s was answered by the agent %d times", message, asked)
	if !accepted || reply.Code != 0 && len(answers) == 0 {
		return
	}
	open := len(runs) > 0 && newest(runs).Status == "Running"
	waits := open && slices.Contains(visible, newest(runs).Shown)
	c.require(len(answers) > 0 || waits || c.acted(id, "end", "cancel", "terminate"), RuleAnswered, id, "message %s was accepted and has no reply", message)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
