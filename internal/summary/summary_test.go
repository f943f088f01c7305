package summary_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/summary"
)

func TestDistribute(t *testing.T) {
	t.Parallel()
	values := make([]float64, 100)
	for i := range values {
		values[i] = float64(100 - i)
	}
	require.Equal(t, summary.Distribution{N: 100, Mean: 50.5, Min: 1, P50: 50, P90: 90, P95: 95, P99: 99, Max: 100}, summary.Distribute(values))
	require.Equal(t, 100.0, values[0], "the values are unchanged")
	require.Equal(t, summary.Distribution{N: 1, Mean: 3, Min: 3, P50: 3, P90: 3, P95: 3, P99: 3, Max: 3}, summary.Distribute([]float64{3}))
	require.Zero(t, summary.Distribute(nil))
}

func TestOf(t *testing.T) {
	t.Parallel()
	cases := run(10, 0, func(i int, c *summary.Case) {
		c.Executors, c.Models = []string{"main"}, []string{"m1"}
		switch i {
		case 3:
			c.Outcome, c.EndedBy, c.Reason = conversation.OutcomeFailed, "", "invalid: no"
			c.Failures = []summary.Failure{{Kind: conversation.Invalid, Attempts: 1, Final: 1, Conversations: 1}}
			c.Currency = "EUR"
		case 4:
			c.EndedBy = conversation.EndedByTurnLimit
			c.Failures, c.Retries = []summary.Failure{{Kind: conversation.Unavailable, Attempts: 3, Conversations: 1}}, 3
			c.Tools = []summary.Tool{{Name: "orders", Calls: 2, Errors: 1, Approved: 1}}
			c.Executors = []string{"main", "spare"}
		case 5:
			c.Outcome, c.EndedBy, c.Status, c.Open, c.Timed = "", "", "needs_attention", true, false
		case 6:
			c.Outcome, c.EndedBy, c.Status, c.Open = "", "", "talking", true
			c.Usage.Cost, c.Persona = 0, "persona 7"
		case 8:
			c.Outcome, c.EndedBy = conversation.OutcomeClaimLost, ""
		case 9:
			c.Evaluations = []conversation.Evaluation{{Objective: "kind", Score: 0.5}, {Objective: "brief", Score: 0.25}}
		}
	})
	s := summary.Of(cases, summary.Coverage{Exist: 12, Unread: []summary.Count{{Name: "gone", N: 2}}}, summary.DefaultRules())
	require.Equal(t, summary.Coverage{Exist: 12, Read: 10, Ended: 8, Open: 2, Timed: 9, Unread: []summary.Count{{Name: "gone", N: 2}}}, s.Coverage)
	require.Equal(t, "over 10 of 12 conversations, of which 8 have ended and 2 are open; 2 could not be read; times, failures and tools are known of 9", s.Coverage.String())
	require.False(t, s.Coverage.Whole())
	require.Equal(t, []int{6, 2, 2}, []int{s.Passed, s.Failed, s.Undecided})
	require.InDelta(t, 0.25, s.FailureRate(), 1e-9)
	require.Equal(t, []summary.Count{
		{Name: "ended by persona", N: 5}, {Name: "claim lost", N: 1}, {Name: "ended by turn limit", N: 1}, {Name: "failed", N: 1},
		{Name: "needs attention", N: 1}, {Name: "talking", N: 1},
	}, s.Results)
	require.Equal(t, []summary.Money{{Currency: "EUR", Micros: 1500, Conversations: 1}, {Currency: "USD", Micros: 12000, Conversations: 8}}, s.Cost)
	require.Zero(t, s.Usage.Cost, "money of two currencies is never added")
	require.EqualValues(t, 30, s.Usage.Calls)
	require.Equal(t, []summary.Failure{
		{Kind: conversation.Invalid, Attempts: 1, Final: 1, Conversations: 1}, {Kind: conversation.Unavailable, Attempts: 3, Conversations: 1},
	}, s.Failures)
	require.Equal(t, 3, s.Retries)
	require.Equal(t, []summary.Tool{{Name: "orders", Calls: 2, Errors: 1, Approved: 1}}, s.Tools)
	require.Equal(t, 29, s.Reply.N)
	require.Equal(t, "persona 3", s.Personas[0].Name, "the worst first")
	require.Len(t, s.Personas, 9)
	require.Equal(t, []string{"main", "spare"}, []string{s.Executors[0].Name, s.Executors[1].Name})
	require.Equal(t, 10, s.Executors[0].Conversations)
	require.Equal(t, 1, s.Evaluated)
	require.Equal(t, "brief", s.Evaluations[0].Name)
}

func TestNothing(t *testing.T) {
	t.Parallel()
	s := summary.Of(nil, summary.Coverage{}, summary.DefaultRules())
	require.Equal(t, "over all 0 conversations", s.Coverage.String())
	require.Zero(t, s.FailureRate())
	c := summary.Compare(nil, nil, summary.DefaultRules(), summary.DefaultTolerance)
	require.True(t, c.Same)
	require.Zero(t, c.Regressions())
}

func TestRules(t *testing.T) {
	t.Parallel()
	ended := summary.Case{Status: "closed", Outcome: conversation.OutcomeEnded, EndedBy: conversation.EndedByTurnLimit}
	rules, err := summary.NewRules([]string{"turn-limit", "open"}, 0.5)
	require.NoError(t, err)
	require.Equal(t, summary.Passed, summary.DefaultRules().Class(ended))
	require.Equal(t, summary.Failed, rules.Class(ended))
	require.Equal(t, summary.Failed, rules.Class(summary.Case{Status: "talking", Open: true}))
	require.Equal(t, summary.Undecided, summary.DefaultRules().Class(summary.Case{Status: "talking", Open: true}))
	require.Equal(t, summary.Failed, summary.DefaultRules().Class(summary.Case{Status: "terminated"}))
	ended.EndedBy, ended.Evaluations = conversation.EndedByPersona, []conversation.Evaluation{{Score: 0.4}}
	require.Equal(t, summary.Failed, rules.Class(ended))
	_, err = summary.NewRules([]string{"sad"}, 0)
	require.ErrorContains(t, err, `unknown failure "sad": use failed, cancelled`)
	require.Equal(t, summary.Passed, summary.Rules{}.Class(summary.Case{Outcome: conversation.OutcomeFailed}))
}
