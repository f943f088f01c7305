// Package figure has what the benchmarks say: numbers beside those of another program
// that was measured in the same run, and the goals.
package figure

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A Row is one measurement.
type Row struct {
	Section string `json:"section"`
	Case    string `json:"case"`
	Unit    string `json:"unit"`
	// Value is ours: the median of the rounds.
	Value float64 `json:"value"`
	// Other is the other program's, if there is one, and With its name.
	Other float64 `json:"other,omitempty"`
	With  string  `json:"with,omitempty"`
	// Ratio is the median of the rounds' ratios of ours to the other's. Low and High are
	// the least and the greatest. Zero: there is none.
	Ratio float64 `json:"ratio,omitempty"`
	Low   float64 `json:"ratio_low,omitempty"`
	High  float64 `json:"ratio_high,omitempty"`
	// Goal is what is aimed at. Nil: nothing.
	Goal *Goal `json:"goal,omitempty"`
}

// A Goal bounds a row's ratio, or its value if the row has no ratio.
type Goal struct {
	AtMost  float64 `json:"at_most,omitempty"`
	AtLeast float64 `json:"at_least,omitempty"`
	// Exact goals are counts, which are the same in every run: a run that misses one fails.
	// Their AtMost may be zero; of other goals, zero bounds nothing.
	Exact bool `json:"exact,omitempty"`
}

// AtMost and AtLeast are goals that depend on the machine; Count is one that does not.
func AtMost(limit float64) *Goal  { return &Goal{AtMost: limit} }
func AtLeast(limit float64) *Goal { return &Goal{AtLeast: limit} }
func Count(limit float64) *Goal   { return &Goal{AtMost: limit, Exact: true} }

// Met reports whether the row reaches its goal. A row without one does.
func (r Row) Met() bool {
	if r.Goal == nil {
		return true
	}
	value := r.Value
	if r.Ratio != 0 {
		value = r.Ratio
	}
	return (r.Goal.AtMost == 0 && !r.Goal.Exact || value <= r.Goal.AtMost) && (r.Goal.AtLeast == 0 || value >= r.Goal.AtLeast)
}

// Against makes a row of the rounds' values of ours and of another.
func Against(with string, ours, others []float64) Row {
	r := Row{Value: Median(ours), Other: Median(others), With: with}
	var ratios []float64
	for i := range ours {
		if others[i] > 0 {
			ratios = append(ratios, ours[i]/others[i])
		}
	}
	if len(ratios) > 0 {
		r.Ratio, r.Low, r.High = Median(ratios), slices.Min(ratios), slices.Max(ratios)
	}
	return r
}

// Percentile is the value below or at which p of the values are. No values: NaN.
func Percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// Median is the middle value, or the mean of the two middle ones. No values: NaN.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Print writes the rows as a table.
func Print(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	section := ""
	for _, r := range rows {
		if r.Section != section {
			section = r.Section
			if _, err := fmt.Fprintf(t, "\n%s\t\tParley\tother\tratio\tspread\tgoal\n", section); err != nil {
				return err
			}
		}
		other, ratio, spread := "", "", ""
		if r.With != "" {
			other = Number(r.Other) + " " + r.With
		}
		if r.Ratio != 0 {
			ratio, spread = Number(r.Ratio), Number(r.Low)+" to "+Number(r.High)
		}
		if _, err := fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Case, r.Unit, Number(r.Value), other, ratio, spread, r.goal()); err != nil {
			return err
		}
	}
	return t.Flush()
}

func (r Row) goal() string {
	if r.Goal == nil {
		return ""
	}
	limit := "at most " + Number(r.Goal.AtMost)
	if r.Goal.AtLeast != 0 {
		limit = "at least " + Number(r.Goal.AtLeast)
	}
	if !r.Met() {
		limit += ", missed"
	}
	return limit
}

// Number writes a number with three significant digits, or all of those before the point.
func Number(f float64) string {
	switch a := math.Abs(f); {
	case math.IsNaN(f):
		return "none"
	case a >= 100 || f == math.Trunc(f):
		return strconv.FormatFloat(f, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strings.TrimRight(strconv.FormatFloat(f, 'f', 3, 64), "0")
}

// Missed are the rows that fail a run: counts above their bounds.
func Missed(rows []Row) []Row {
	var out []Row
	for _, r := range rows {
		if r.Goal != nil && r.Goal.Exact && !r.Met() {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Compare(a.Case, b.Case) })
	return out
}
