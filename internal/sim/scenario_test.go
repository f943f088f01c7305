package sim_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

func TestParseScenarioReportsAllFaultsWithLines(t *testing.T) {
	t.Parallel()
	_, err := sim.ParseScenario([]byte(`name: broken
colour: blue
objectives:
  - name: one
    measure: luck
  - {name: two, criteria: c, measure: restraint}
personas:
  - key: has spaces
    summary: s
    purpose: p
    openings: [hello]
    fallback: {say: [hm]}
    content: {at: -1, after: 3}
    give_up: {at: 2, after: -1}
  - key: twice
    mood: 3
    openings: []
    rules:
      - say: [always]
      - when: {matches: "("}
        mood: 1
      - when: {turn: -1}
      - when: {contains_any: [" "]}
        say: [x, ""]
  - key: twice
    summary: s
    purpose: p
    openings: [hello]
    fallback: {say: [hm], mood: high}
`))
	require.Error(t, err)
	for _, want := range []string{
		`line 2: unknown key colour`,
		`line 4: objectives[0].criteria: criteria is missing`,
		`line 5: objectives[0].measure: unknown measure "luck"`,
		`line 6: objectives[1]: measure restraint needs`,
		`line 8: personas[0].key: key "has spaces"`,
		`line 13: personas[0].content.at: a persona is content at a mood above 0, not -1`,
		`line 13: personas[0].content.after`,
		`line 14: personas[0].give_up.at`,
		`line 14: personas[0].give_up.after`,
		`line 15: personas[1].summary: summary is missing`,
		`line 16: unknown key mood`,
		`line 17: personas[1].openings: there must be at least one line`,
		`line 15: personas[1].fallback.say: there must be at least one line`,
		`line 19: personas[1].rules[0]: a rule needs a condition`,
		`line 20: personas[1].rules[1].when.matches: error parsing regexp`,
		`line 22: personas[1].rules[2].when: turn`,
		`line 22: personas[1].rules[2]: a rule must say something`,
		`line 23: personas[1].rules[3].when.contains_any[0]: the line is empty`,
		`line 24: personas[1].rules[3].say[1]: the line is empty`,
		`line 25: personas[2].key: key "twice" is taken by personas[1]`,
		"line 29: cannot unmarshal !!str `high` into int",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "sim.")
}

func TestScenariosThatAreNoYAML(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"Empty":  {"", "at least one persona"},
		"Broken": {"personas: [", "line 1"},
		"List":   {"- a\n- b\n", "line 1: cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sim.ParseScenario([]byte(test.text))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestLoadScenario(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(file, []byte(small), 0o600))
	s, err := sim.LoadScenario(file)
	require.NoError(t, err)
	require.Equal(t, "mine", s.Name)
	_, err = sim.LoadScenario(file + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	_, err = sim.LoadScenario(file)
	require.ErrorContains(t, err, "mine.yaml")
}

const small = `
name: mine
personas:
  - key: only
    summary: Somebody
    purpose: To ask
    openings: [hello]
    rules:
      - when: {contains_any: ["yes"]}
        mood: 3
    fallback: {say: [hm], mood: -1}
    content: {say: [thanks]}
    give_up: {say: [bye]}
`

func TestOwnScenario(t *testing.T) {
	t.Parallel()
	s, err := sim.ParseScenario([]byte(small))
	require.NoError(t, err)
	b := setup(t, sim.Config{Scenario: s}, sim.Setup{Conversations: 2})
	all := b.conversations(0)
	b.run(all[0], []string{"no"})
	require.Equal(t, "user: hello, assistant: no, user: hm, assistant: no, user: hm, assistant: no, user: bye", strings.Join(b.transcript(all[0]), ", "))
	b.run(all[1], []string{"yes"})
	require.Equal(t, "user: hello, assistant: yes, user: thanks", strings.Join(b.transcript(all[1]), ", "))
	require.Equal(t, "agent", b.get(b.sim(0, "")).body["agent"].(map[string]any)["name"])
}
