package figure_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/bench/internal/figure"
)

func TestPercentileAndMedian(t *testing.T) {
	t.Parallel()
	values := []float64{5, 1, 4, 2, 3}
	require.Equal(t, 3.0, figure.Median(values))
	require.Equal(t, 2.5, figure.Median([]float64{1, 2, 3, 4}))
	require.Equal(t, 3.0, figure.Percentile(values, 0.5))
	require.Equal(t, 5.0, figure.Percentile(values, 0.95))
	require.Equal(t, 1.0, figure.Percentile(values, 0))
	require.Equal(t, []float64{5, 1, 4, 2, 3}, values, "the caller's order stays")
	require.True(t, math.IsNaN(figure.Median(nil)))
	require.True(t, math.IsNaN(figure.Percentile(nil, 0.5)))
}

func TestAgainst(t *testing.T) {
	t.Parallel()
	r := figure.Against("bare", []float64{10, 12, 30}, []float64{10, 10, 10})
	require.Equal(t, figure.Row{Value: 12, Other: 10, With: "bare", Ratio: 1.2, Low: 1, High: 3}, r)
	require.Zero(t, figure.Against("bare", []float64{10}, []float64{0}).Ratio, "no ratio to nothing")
}

func TestGoals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		row    figure.Row
		met    bool
		missed int
	}{
		"no goal":          {figure.Row{Value: 7}, true, 0},
		"ratio":            {figure.Row{Value: 7, Ratio: 1.04, Goal: figure.AtMost(1.05)}, true, 0},
		"ratio too high":   {figure.Row{Value: 7, Ratio: 1.06, Goal: figure.AtMost(1.05)}, false, 0},
		"too low":          {figure.Row{Value: 7, Goal: figure.AtLeast(8)}, false, 0},
		"count":            {figure.Row{Value: 7, Goal: figure.Count(7)}, true, 0},
		"count above":      {figure.Row{Value: 8, Goal: figure.Count(7)}, false, 1},
		"nothing measured": {figure.Row{Value: math.NaN(), Goal: figure.Count(7)}, false, 1},
	} {
		require.Equal(t, tt.met, tt.row.Met(), name)
		require.Len(t, figure.Missed([]figure.Row{tt.row}), tt.missed, name)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, figure.Print(&out, []figure.Row{
		{Section: "Throughput", Case: "turns", Unit: "1/s", Value: 31.234, Other: 30, With: "bare", Ratio: 1.041, Low: 0.9, High: 1.1, Goal: figure.AtLeast(0.95)},
		{Section: "Counts", Case: "events", Unit: "", Value: 65, Goal: figure.Count(60)},
	}))
	require.Equal(t, `
Throughput       Parley  other    ratio  spread       goal
turns       1/s  31.2    30 bare  1.04   0.9 to 1.10  at least 0.95

Counts    Parley  other  ratio  spread  goal
events    65                            at most 60, missed
`, out.String())
}

// A count may be bounded by nothing at all; a goal for times without a bound is none.
func TestNothingAllowed(t *testing.T) {
	t.Parallel()
	none := figure.Row{Section: "Kills", Case: "lost", Goal: figure.Count(0)}
	require.True(t, none.Met())
	some := none
	some.Value = 1
	require.Len(t, figure.Missed([]figure.Row{none, some}), 1)
	require.True(t, figure.Row{Value: 3, Goal: figure.AtLeast(2)}.Met())
	var out strings.Builder
	require.NoError(t, figure.Print(&out, []figure.Row{some}))
	require.Contains(t, out.String(), "at most 0, missed")
}
