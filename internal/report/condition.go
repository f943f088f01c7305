package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/internal/summary"
)

// A Condition compares a figure of a report with a limit: "reply_p95>5s". It is made by
// [ParseCondition].
type Condition struct {
	Text   string // as it was given
	figure string
	op     string
	limit  float64
}

// A figure is what conditions know by one name.
type figure struct {
	unit summary.Unit
	// of returns the value and whether it is known.
	of func(*Report) (float64, bool)
	// compares needs a baseline.
	compares bool
}

// figures are those that conditions know.
var figures = func() map[string]figure {
	all := map[string]figure{}
	plain := func(name string, of func(*Report) int) {
		all[name] = figure{unit: summary.Plain, of: func(r *Report) (float64, bool) { return float64(of(r)), true }}
	}
	plain("conversations", func(r *Report) int { return r.Summary.Coverage.Read })
	plain("unread", func(r *Report) int { return r.Summary.Coverage.Exist - r.Summary.Coverage.Read })
	plain("open", func(r *Report) int { return r.Summary.Coverage.Open })
	plain("passed", func(r *Report) int { return r.Summary.Passed })
	plain("failed", func(r *Report) int { return r.Summary.Failed })
	plain("undecided", func(r *Report) int { return r.Summary.Undecided })
	plain("retries", func(r *Report) int { return r.Summary.Retries })
	plain("tool_errors", func(r *Report) int {
		n := 0
		for _, t := range r.Summary.Tools {
			n += t.Errors
		}
		return n
	})
	rate := func(name string, part func(*Report) int, whole func(*Report) int) {
		all[name] = figure{unit: summary.Rate, of: func(r *Report) (float64, bool) {
			if whole(r) == 0 {
				return 0, false
			}
			return float64(part(r)) / float64(whole(r)), true
		}}
	}
	decided := func(r *Report) int { return r.Summary.Passed + r.Summary.Failed }
	rate("failed_rate", func(r *Report) int { return r.Summary.Failed }, decided)
	rate("passed_rate", func(r *Report) int { return r.Summary.Passed }, decided)
	rate("ended_rate", func(r *Report) int {
		n := 0
		for _, c := range r.Conversations {
			if c.Outcome == "ended" {
				n++
			}
		}
		return n
	}, func(r *Report) int { return r.Summary.Coverage.Read })
	for name, of := range map[string]func(*Report) summary.Distribution{
		"reply":    func(r *Report) summary.Distribution { return r.Summary.Reply },
		"exchange": func(r *Report) summary.Distribution { return r.Summary.Exchange },
		"overhead": func(r *Report) summary.Distribution { return r.Summary.Overhead },
		"duration": func(r *Report) summary.Distribution { return r.Summary.Duration },
		"turns":    func(r *Report) summary.Distribution { return r.Summary.Turns },
		"tokens":   func(r *Report) summary.Distribution { return r.Summary.Tokens },
	} {
		unit := summary.Seconds
		if name == "turns" || name == "tokens" {
			unit = summary.Plain
		}
		for suffix, pick := range percentiles {
			all[name+"_"+suffix] = figure{unit: unit, of: func(r *Report) (float64, bool) { d := of(r); return pick(d), d.N > 0 }}
		}
	}
	all["score_mean"] = figure{unit: summary.Rate, of: func(r *Report) (float64, bool) {
		total, n := 0.0, 0
		for _, c := range r.Conversations {
			if s, ok := c.Score(); ok {
				total, n = total+s, n+1
			}
		}
		if n == 0 {
			return 0, false
		}
		return total / float64(n), true
	}}
	all["cost"] = figure{unit: summary.Plain, of: func(r *Report) (float64, bool) {
		if len(r.Summary.Cost) != 1 { // of two currencies neither is the cost
			return 0, false
		}
		return float64(r.Summary.Cost[0].Micros) / 1e6, true
	}}
	all["regressions"] = figure{unit: summary.Plain, compares: true, of: func(r *Report) (float64, bool) { return float64(r.Comparison.Regressions()), true }}
	all["changed"] = figure{unit: summary.Plain, compares: true, of: func(r *Report) (float64, bool) { return float64(r.Comparison.Changed), true }}
	all["missing"] = figure{unit: summary.Plain, compares: true, of: func(r *Report) (float64, bool) { return float64(len(r.Comparison.OnlyBefore)), true }}
	return all
}()

var percentiles = map[string]func(summary.Distribution) float64{
	"mean": func(d summary.Distribution) float64 { return d.Mean },
	"p50":  func(d summary.Distribution) float64 { return d.P50 },
	"p90":  func(d summary.Distribution) float64 { return d.P90 },
	"p95":  func(d summary.Distribution) float64 { return d.P95 },
	"p99":  func(d summary.Distribution) float64 { return d.P99 },
	"max":  func(d summary.Distribution) float64 { return d.Max },
}

// FigureNames are the names that conditions know.
func FigureNames() []string { return slices.Sorted(maps.Keys(figures)) }

// operators has the longer ones first.
var operators = []string{"<=", ">=", "==", "!=", "<", ">", "="}

// ParseCondition reads "failed>0", "ended_rate<0.95", "ended_rate<95%" or "reply_p95>5s".
// baseline says whether there is one to compare with.
func ParseCondition(text string, baseline bool) (Condition, error) {
	c := Condition{Text: strings.Join(strings.Fields(text), "")}
	at := strings.IndexAny(c.Text, "<>=!")
	if at <= 0 {
		return c, fmt.Errorf("%q is no condition: write FIGURE, one of < <= > >= = !=, and a limit, such as failed>0", text)
	}
	c.figure = c.Text[:at]
	for _, op := range operators {
		if strings.HasPrefix(c.Text[at:], op) {
			c.op = op
			break
		}
	}
	f, ok := figures[c.figure]
	switch {
	case !ok:
		return c, fmt.Errorf("%q: unknown figure %q: use %s", text, c.figure, strings.Join(FigureNames(), ", "))
	case c.op == "":
		return c, fmt.Errorf("%q: use one of < <= > >= = !=", text)
	case f.compares && !baseline:
		return c, fmt.Errorf("%q compares with a baseline: give --baseline", text)
	}
	var err error
	if c.limit, err = limit(f.unit, c.Text[at+len(c.op):]); err != nil {
		return c, fmt.Errorf("%q: %w", text, err)
	}
	return c, nil
}

func limit(unit summary.Unit, text string) (float64, error) {
	switch unit {
	case summary.Seconds:
		d, err := duration.Parse(text)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("the limit %q is no duration: write 5s or 300ms", text)
		}
		return d.Seconds(), nil
	case summary.Rate:
		number, isPercent := strings.CutSuffix(text, "%")
		v, err := decimal(number)
		if isPercent {
			v /= 100
		}
		if err != nil || v < 0 || v > 1 {
			return 0, fmt.Errorf("the limit %q is no rate: write 0.95 or 95%%", text)
		}
		return v, nil
	}
	v, err := decimal(text)
	if err != nil || v < 0 {
		return 0, fmt.Errorf("the limit %q is no number", text)
	}
	return v, nil
}

// decimal reads digits with a point only: strconv knows names of numbers and hexadecimal.
func decimal(text string) (float64, error) {
	if strings.Trim(text, "0123456789.") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}

// Met reports whether the condition holds, and the sentence that says so. A condition on a
// figure that is not known is met: nothing shows that it does not hold.
func (c Condition) Met(r *Report) (bool, string) {
	f := figures[c.figure]
	v, known := f.of(r)
	if !known {
		return true, fmt.Sprintf("%s: %s is not known", c.Text, c.figure)
	}
	var met bool
	switch c.op {
	case "<":
		met = v < c.limit
	case "<=":
		met = v <= c.limit
	case ">":
		met = v > c.limit
	case ">=":
		met = v >= c.limit
	case "!=":
		met = v != c.limit
	default:
		met = v == c.limit
	}
	return met, fmt.Sprintf("%s: %s is %s", c.Text, c.figure, value(summary.Measure{Unit: f.unit}, v))
}
