package summary_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/summary"
)

func compare(before, after []summary.Case) summary.Comparison {
	return summary.Compare(before, after, summary.DefaultRules(), summary.DefaultTolerance)
}

// A run compared with itself has no difference, in whatever order its conversations come,
// and however many one persona has.
func TestCompareWithItself(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 8, 200} {
		for _, personas := range []int{1, 5, n} {
			before := run(n, 0, func(i int, c *summary.Case) {
				c.Persona = fmt.Sprint("persona ", i%personas)
				if i%4 == 1 {
					c.Outcome, c.EndedBy = conversation.OutcomeFailed, ""
				}
				if i%3 == 1 {
					c.Currency = "EUR"
				}
			})
			after := slices.Clone(before)
			c := compare(before, after)
			require.True(t, c.Same)
			require.Zero(t, c.Changed)
			require.Zero(t, c.Regressions())
			for _, d := range c.Differences {
				require.Zero(t, d.Change, d.Name)
				require.Contains(t, []summary.Verdict{summary.Same, summary.Neutral}, d.Verdict)
			}
			// The order of the conversations changes rounding at most.
			rand.New(rand.NewPCG(3, 4)).Shuffle(n, func(i, j int) { after[i], after[j] = after[j], after[i] })
			shuffled := compare(before, after)
			require.Zero(t, shuffled.Changed)
			require.Zero(t, shuffled.Regressions())
			for _, d := range shuffled.Differences {
				require.InDelta(t, 0, d.Change, 1e-9, d.Name)
			}
		}
	}
}

func TestCompareWithAWorseExecutor(t *testing.T) {
	t.Parallel()
	before := run(40, 0, nil)
	after := run(40, 2, func(i int, c *summary.Case) {
		switch i {
		case 17:
			c.Outcome, c.EndedBy = conversation.OutcomeFailed, ""
		case 23:
			c.EndedBy = conversation.EndedByTurnLimit
		}
	})
	c := compare(before, after)
	require.False(t, c.Same)
	require.Equal(t, 40, c.Aligned)
	require.Equal(t, 2, c.Changed)
	require.Equal(t, 1, c.Regressed)
	require.Equal(t, 2, c.Regressions(), "a persona that failed, and slower replies")
	require.Equal(t, "persona 17", c.Personas[0].Name)
	require.Equal(t, "onerun/pr/cv17", c.Personas[0].AfterID)
	require.True(t, c.Personas[0].Regressed)
	require.Equal(t, "persona 23", c.Personas[1].Name)
	require.False(t, c.Personas[1].Regressed)

	first, second := c.Differences[0], c.Differences[1]
	require.Equal(t, "reply_seconds", second.Name)
	require.Equal(t, "failure_rate", first.Name)
	require.Equal(t, summary.Worse, second.Verdict)
	require.InDelta(t, 2, second.Change, 1e-9)
	require.Equal(t, "personas", second.Basis)
	require.InDelta(t, 2, second.Interval.Low, 0.01, "every persona is slower by the same")

	back := compare(after, before)
	require.Zero(t, back.Regressions())
	require.Equal(t, summary.Better, back.Differences[0].Verdict)
}

// Chance alone is no regression: two samples of the same executor.
func TestCompareSamplesOfOneExecutor(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	noisy := func(_ int, c *summary.Case) {
		for i := range c.Reply {
			c.Reply[i] = 1 + r.ExpFloat64()
		}
	}
	regressions := 0
	for range 100 {
		regressions += compare(run(30, 0, noisy), run(30, 0, noisy)).Regressions()
	}
	require.Less(t, regressions, 10, "95 %% intervals exclude the truth on one side in 2.5 %% of the cases")
}

func TestCompareByRates(t *testing.T) {
	t.Parallel()
	of := func(n, failed int, slower float64) []summary.Case {
		return run(n, slower, func(i int, c *summary.Case) {
			c.Persona = "Ann"
			if i < failed {
				c.Outcome, c.EndedBy = conversation.OutcomeFailed, ""
			}
		})
	}
	c := compare(of(10, 2, 0), of(20, 4, 0))
	require.Zero(t, c.Changed, "two of ten are four of twenty")
	require.Zero(t, c.Regressions())
	require.False(t, c.Same, "twice as many")
	c = compare(of(10, 2, 0), of(20, 8, 3))
	require.Equal(t, 1, c.Regressed)
	require.InDelta(t, 0.2, c.Personas[0].After.FailureRate()-c.Personas[0].Before.FailureRate(), 1e-9)
	require.Equal(t, "conversations", c.Differences[1].Basis)
	require.Equal(t, summary.Worse, c.Differences[1].Verdict)

	// Two conversations say little: the difference is shown, and not called worse.
	c = compare(of(2, 0, 0), of(2, 0, 3))
	require.Nil(t, c.Differences[0].Interval)
	require.Equal(t, summary.Unclear, c.Differences[0].Verdict)
	require.Zero(t, c.Regressions())
}

func TestCompareDifferentPersonas(t *testing.T) {
	t.Parallel()
	before, after := run(3, 0, nil), run(4, 0, nil)[1:]
	after[0].Scenario = "rain"
	c := compare(before, after)
	require.Equal(t, 1, c.Aligned)
	require.False(t, c.Same)
	require.Equal(t, []string{"persona 0", "persona 1"}, []string{c.OnlyBefore[0].Name, c.OnlyBefore[1].Name})
	require.Equal(t, []string{"persona 1rain", "persona 3"}, []string{c.OnlyAfter[0].Name + c.OnlyAfter[0].Scenario, c.OnlyAfter[1].Name})
}

func TestCompareCurrencies(t *testing.T) {
	t.Parallel()
	after := run(6, 0, func(_ int, c *summary.Case) { c.Currency = "EUR"; c.Usage.Cost *= 100 })
	c := compare(run(6, 0, nil), after)
	for _, d := range c.Differences {
		require.NotEqual(t, "cost", d.Name, "dollars are not compared with euros")
	}
	after = run(6, 0, func(_ int, c *summary.Case) { c.Usage.Cost *= 3 })
	c = compare(run(6, 0, nil), after)
	require.Equal(t, "cost", c.Differences[0].Name)
	require.Equal(t, "USD", c.Differences[0].Currency)
	require.Equal(t, 1, c.Regressions())
}
