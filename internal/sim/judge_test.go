package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	persona := sim.Persona{
		Key: "p", Summary: "s", Purpose: "p", Openings: []string{"hello"}, Fallback: sim.Reaction{Say: []string{"-", "--", "---", "----", "-----"}},
		Rules:   []sim.Rule{{When: sim.When{ContainsAny: []string{"good"}}, Mood: 3}, {When: sim.When{ContainsAny: []string{"bad"}}, Mood: -3}},
		Content: sim.Leaving{Say: []string{"thanks"}}, GiveUp: sim.Leaving{Say: []string{"bye"}},
	}
	for name, test := range map[string]struct {
		objective sim.Objective
		agent     []string // then the agent ends it
		score     float64
		reason    string
	}{
		"Content":     {sim.Objective{}, []string{"good"}, 1, "left content after 1 messages"},
		"GaveUp":      {sim.Objective{}, []string{"bad"}, 0, "gave up"},
		"Undecided":   {sim.Objective{}, []string{"so"}, 0.5, "still undecided"},
		"Contentment": {sim.Objective{Measure: sim.MeasureContentment, Forbid: []string{"good"}}, []string{"good"}, 1, "left content"},
		"Brief":       {sim.Objective{Measure: sim.MeasureBrevity}, []string{"a", "b"}, 1, "2 messages"},
		"Long":        {sim.Objective{Measure: sim.MeasureBrevity}, []string{"a", "b", "c", "d", "e", "f"}, 0.8, "6 messages"},
		"Restrained":  {sim.Objective{Forbid: []string{"secret", "password"}}, []string{"secretly", "so"}[1:], 1, "none of the 2"},
		"Blurts":      {sim.Objective{Measure: sim.MeasureRestraint, Forbid: []string{"the secret"}}, []string{"The  SECRET is out"}, 0, `"the secret"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.objective.Name, test.objective.Criteria = "o", "c"
			s := &sim.Scenario{Personas: []sim.Persona{persona}, Objectives: []sim.Objective{test.objective}}
			b := setup(t, sim.Config{Scenario: s}, sim.Setup{Conversations: 1, MaxTurns: 40})
			c := b.conversations(0)[0]
			reply := b.post(b.conv(c, "/responses"), `{}`)
			for _, said := range test.agent {
				reply = b.post(b.conv(c, "/responses"), says(said))
			}
			if !reply.ended() {
				b.post(b.conv(c, "/end"), nil)
			}
			e := b.get(b.conv(c, "")).body["evaluations"].([]any)[0].(map[string]any)
			require.Equal(t, test.score, e["score"])
			require.Contains(t, e["reason"], test.reason)
			require.Contains(t, e["reason"], "the criteria were not read")
			require.Equal(t, b.seeded.ObjectiveIDs[0], e["objective_id"])
		})
	}
}
