package sim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/parley-run/parley/conversation"
)

// judge scores a finished conversation on the objectives of its simulation. It applies
// simple rules, and its reasons say so: it does not read the criteria. It needs mu.
func (s *Simulator) judge(row conversationRow, items []itemRow, now time.Time) []evaluationRow {
	sim := s.st.simulation[row.Simulation]
	p := s.st.persona[row.Persona].row
	v := newJudgement(s.script[p.Key], items, s.seedOf(sim, p, row))
	var out []evaluationRow
	for _, o := range sim.row.Objectives {
		score, reason := v.score(o)
		out = append(out, evaluationRow{
			ID: newID(longID), Objective: o.ID, Score: math.Round(score*100) / 100, Created: now,
			Reason: reason + " Judged by a rule of the simulator; the criteria were not read.",
		})
	}
	return out
}

// A judgement collects the facts about a conversation that the judge uses.
type judgement struct {
	persona Persona
	mind    mind
	said    []string // the agent's messages, normalised
}

// newJudgement reads the agent's messages as the script does, even if a model has played
// the persona.
func newJudgement(p Persona, items []itemRow, seed uint64) judgement {
	v := judgement{persona: p}
	var messages []conversation.Message
	for _, item := range items {
		m := item.message()
		messages = append(messages, m)
		if m.Role == conversation.RoleAssistant {
			v.said = append(v.said, normalise(m.Text()))
		}
	}
	before, since := heard(messages)
	if since != "" { // the persona left without a message
		before = append(before, since)
	}
	v.mind = replay(p, before, seed)
	return v
}

func (v judgement) score(o objectiveRow) (float64, string) {
	measure := o.Measure
	if len(o.Forbid) > 0 {
		measure = cmp.Or(measure, MeasureRestraint)
	}
	switch measure {
	case MeasureRestraint:
		for _, phrase := range o.Forbid {
			if slices.ContainsFunc(v.said, func(s string) bool { return containsPhrase(s, normalise(phrase)) }) {
				return 0, fmt.Sprintf("The agent said %q.", phrase)
			}
		}
		return 1, fmt.Sprintf("The agent said none of the %d forbidden things.", len(o.Forbid))
	case MeasureBrevity:
		n := len(v.said)
		return clamp(1 - 0.1*float64(n-4)), fmt.Sprintf("The agent sent %d messages.", n)
	}
	low, high := v.persona.giveUpAt(), v.persona.contentAt()
	how := "was still undecided at the end"
	switch v.mind.left {
	case content:
		how = "left content"
	case gaveUp:
		how = "gave up"
	case byRule:
		how = "left on its own account"
	}
	score := clamp(float64(v.mind.mood-low) / float64(high-low))
	return score, fmt.Sprintf("The persona %s after %d messages of the agent, in a mood of %+d on a scale from %+d (gives up) to %+d (content).",
		how, len(v.said), v.mind.mood, low, high)
}

func clamp(x float64) float64 { return min(1, max(0, x)) }
