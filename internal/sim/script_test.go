package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/sim"
)

// react says what a persona with one rule answers to what the agent says, after
// its opening. "-" is its fallback.
func react(t *testing.T, rule sim.Rule, agent ...string) []string {
	t.Helper()
	p := sim.Persona{
		Key: "p", Openings: []string{"hello"}, Rules: []sim.Rule{rule}, Fallback: sim.Reaction{Say: []string{"-"}},
		Content: sim.Leaving{At: 99, Say: []string{"content"}}, GiveUp: sim.Leaving{At: -99, After: 99, Say: []string{"gone"}},
	}
	return lines(t, p, agent...)
}

func lines(t *testing.T, p sim.Persona, agent ...string) (out []string) {
	t.Helper()
	messages := []conversation.Message{conversation.Text(conversation.RoleUser, p.Openings[0])}
	for _, said := range agent {
		messages = append(messages, conversation.Text(conversation.RoleAssistant, said))
		text, end, err := sim.ScriptPlayer{}.Reply(t.Context(), sim.PersonaTurn{Persona: p, Messages: messages})
		require.NoError(t, err)
		messages = append(messages, conversation.Text(conversation.RoleUser, text))
		if end {
			text += "|"
		}
		out = append(out, text)
	}
	return out
}

func TestConditions(t *testing.T) {
	t.Parallel()
	yes, no, two, minus := true, false, 2, -2
	for name, test := range map[string]struct {
		when  sim.When
		holds []string
		fails []string
	}{
		"ContainsAny": {sim.When{ContainsAny: []string{"refund", "money back"}}, []string{"A REFUND is due", "Refunded.", "your money\nback", "(refund)"}, []string{"prerefund", "money", ""}},
		"WordStart":   {sim.When{ContainsAny: []string{"no"}}, []string{"No!", "say no", "know, no"}, []string{"know", "I know nothing"[:6]}},
		"Quotes":      {sim.When{ContainsAny: []string{"can't"}}, []string{"I can’t", "I can't"}, []string{"I can"}},
		"Accents":     {sim.When{ContainsAny: []string{"sí"}}, []string{"¡Sí!", "claro, SÍ"}, []string{"así"}},
		"Symbol":      {sim.When{ContainsAny: []string{"$20"}}, []string{"It is $20 now"}, []string{"20"}},
		"ContainsAll": {sim.When{ContainsAll: []string{"full", "refund"}}, []string{"a refund, in full"}, []string{"a refund", "full"}},
		"NotContains": {sim.When{NotContains: []string{"sorry"}}, []string{"hello"}, []string{"I am SORRY"}},
		"Both":        {sim.When{ContainsAny: []string{"refund"}, NotContains: []string{"not"}}, []string{"a refund"}, []string{"not a refund", "hello"}},
		"Matches":     {sim.When{Matches: `\bFH-\d+$`}, []string{"it is fh-12"}, []string{"FH-", "FH-12 it is"}},
		"Asks":        {sim.When{Asks: &yes}, []string{"Really? Yes.", "真的？"}, []string{"Really."}},
		"DoesNotAsk":  {sim.When{Asks: &no}, []string{"Really."}, []string{"Really?"}},
		"WordsOver":   {sim.When{WordsOver: 3}, []string{"a b c d"}, []string{"a b c"}},
		"Turn":        {sim.When{Turn: 2}, []string{"x"}, nil},
		"OtherTurn":   {sim.When{Turn: 3}, nil, []string{"x"}},
		"FromTurn":    {sim.When{FromTurn: 2}, []string{"x"}, nil},
		"LaterTurn":   {sim.When{FromTurn: 3}, nil, []string{"x"}},
		"MoodAtMost":  {sim.When{MoodAtMost: &two}, []string{"x"}, nil},
		"MoodAtLeast": {sim.When{MoodAtLeast: &two}, nil, []string{"x"}},
		"MoodNot":     {sim.When{MoodAtMost: &minus}, nil, []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := sim.Rule{When: test.when, Say: []string{"+"}}
			for _, said := range test.holds {
				require.Equal(t, []string{"+"}, react(t, rule, said), "%q", said)
			}
			for _, said := range test.fails {
				require.Equal(t, []string{"-"}, react(t, rule, said), "%q", said)
			}
		})
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	hi := sim.When{ContainsAny: []string{"hi"}}
	for name, test := range map[string]struct {
		persona sim.Persona
		agent   []string
		want    []string
	}{
		"Once": {
			sim.Persona{Rules: []sim.Rule{{When: hi, Say: []string{"first"}, Once: true}, {When: hi, Say: []string{"later"}}}},
			[]string{"hi", "hi there", "hi you"}, []string{"first", "later", "later"},
		},
		"MoodOnlyGoesOn": {
			sim.Persona{Rules: []sim.Rule{{When: hi, Mood: 2}, {When: hi, Say: []string{"+"}}}},
			[]string{"hi", "hi there"}, []string{"+", "great|"},
		},
		"FirstWins":    {sim.Persona{Rules: []sim.Rule{{When: hi, Say: []string{"a"}}, {When: hi, Say: []string{"b"}, Mood: 9}}}, []string{"hi"}, []string{"a"}},
		"End":          {sim.Persona{Rules: []sim.Rule{{When: hi, Say: []string{"enough"}, End: true}}}, []string{"hi"}, []string{"enough|"}},
		"SilentEnd":    {sim.Persona{Rules: []sim.Rule{{When: hi, End: true}}}, []string{"hi"}, []string{"|"}},
		"Content":      {sim.Persona{Rules: []sim.Rule{{When: hi, Say: []string{"+"}, Mood: 3}}}, []string{"hi"}, []string{"great|"}},
		"GiveUp":       {sim.Persona{Fallback: sim.Reaction{Say: []string{"-"}, Mood: -2}}, []string{"a", "b"}, []string{"-", "bye|"}},
		"GiveUpAfter":  {sim.Persona{GiveUp: sim.Leaving{After: 3, Say: []string{"late"}}}, []string{"a", "b"}, []string{"-", "late|"}},
		"LeavesSilent": {sim.Persona{GiveUp: sim.Leaving{After: 2}}, []string{"a"}, []string{"|"}},
		"Repeat":       {sim.Persona{Repeat: sim.Reaction{Say: []string{"again?"}}}, []string{"Wait.", "wait. ", "go"}, []string{"-", "again?", "-"}},
		"RepeatRunsOut": {
			sim.Persona{Repeat: sim.Reaction{Say: []string{"again?"}}, Fallback: sim.Reaction{Say: []string{"-", "--", "---"}}},
			[]string{"x", "x", "x"}, nil,
		},
		"Silence":      {sim.Persona{Silence: sim.Reaction{Say: []string{"hello?"}}}, []string{"", " "}, []string{"hello?", "-"}},
		"NoSilence":    {sim.Persona{}, []string{""}, []string{"-"}},
		"AfterSilence": {sim.Persona{Repeat: sim.Reaction{Say: []string{"again?"}}}, []string{"x", "", "x"}, []string{"-", "-", "again?"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := test.persona
			p.Openings = []string{"hello"}
			if p.Fallback.Say == nil {
				p.Fallback.Say = []string{"-"}
			}
			p.Content.Say = []string{"great"}
			if p.GiveUp.Say == nil && p.GiveUp.After == 0 {
				p.GiveUp.Say = []string{"bye"}
			}
			got := lines(t, p, test.agent...)
			if name == "RepeatRunsOut" {
				require.Equal(t, "again?", got[1])
				require.NotEqual(t, "again?", got[2], "rather another line than the same again")
				return
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestLinesAreUsedUpBeforeTheyRepeat(t *testing.T) {
	t.Parallel()
	var say, agent []string
	for i := range 6 {
		say = append(say, fmt.Sprintf("line %d", i))
	}
	for i := range 12 {
		agent = append(agent, strings.Repeat("x", i+1))
	}
	got := react(t, sim.Rule{When: sim.When{FromTurn: 2}, Say: say}, agent...)
	require.ElementsMatch(t, say, got[:6])
	for i := 1; i < len(got); i++ {
		require.NotEqual(t, got[i-1], got[i], "never twice in a row")
	}
}

// An opening comes first, whichever side opens, unless a rule is for turn 1.
func TestOpening(t *testing.T) {
	t.Parallel()
	p := sim.Persona{
		Openings: []string{"opening"}, Fallback: sim.Reaction{Say: []string{"-"}},
		Rules: []sim.Rule{{When: sim.When{ContainsAny: []string{"hello"}}, Say: []string{"+"}}},
	}
	open := func(p sim.Persona, messages ...conversation.Message) string {
		text, end, err := sim.ScriptPlayer{}.Reply(t.Context(), sim.PersonaTurn{Persona: p, Messages: messages})
		require.NoError(t, err)
		require.False(t, end)
		return text
	}
	greeting := conversation.Text(conversation.RoleAssistant, "hello")
	require.Equal(t, "opening", open(p))
	require.Equal(t, "opening", open(p, greeting))
	p.Rules = append(p.Rules, sim.Rule{When: sim.When{Turn: 1, ContainsAny: []string{"hello"}}, Say: []string{"hello yourself"}})
	require.Equal(t, "opening", open(p))
	require.Equal(t, "hello yourself", open(p, greeting))
}
