package summary

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// DefaultTolerance is the relative change up to which a measure counts as the same.
const DefaultTolerance = 0.1

// A Comparison is the difference between two runs. Conversations are aligned by persona and
// scenario. Everything is sorted by regression, the worst first.
type Comparison struct {
	// Same means that no persona and no measure differs, however little.
	Same bool `json:"same"`
	// Aligned counts the personas of both runs; all differences are theirs.
	Aligned int `json:"aligned"`
	// OnlyBefore and OnlyAfter are the personas of one run.
	OnlyBefore []Row `json:"only_before"`
	OnlyAfter  []Row `json:"only_after"`
	// Changed counts the personas whose results differ, Regressed those with a higher rate of
	// failures.
	Changed   int `json:"changed"`
	Regressed int `json:"regressed"`
	// Differences are over all aligned personas.
	Differences []Difference `json:"differences"`
	Personas    []Change     `json:"personas"`
	Tolerance   float64      `json:"tolerance"`
}

// Regressions counts the personas with a higher rate of failures, and the measures of the
// whole that are worse.
func (c Comparison) Regressions() int {
	n := c.Regressed
	for _, d := range c.Differences {
		if d.Verdict == Worse && d.Name != failureRate { // it is that of personas
			n++
		}
	}
	return n
}

// A Change is one persona of both runs.
type Change struct {
	Name     string `json:"name"`
	Scenario string `json:"scenario,omitempty"`
	Before   Side   `json:"before"`
	After    Side   `json:"after"`
	// ResultsDiffer means that the conversations ended otherwise, by their rates.
	ResultsDiffer bool `json:"results_differ"`
	// Regressed means that a larger part of them failed.
	Regressed   bool         `json:"regressed"`
	Differences []Difference `json:"differences"`
	// BeforeID and AfterID name one conversation of each run: a failed one if there is one.
	BeforeID string `json:"before_id,omitempty"`
	AfterID  string `json:"after_id,omitempty"`
}

// A Verdict says what a difference means.
type Verdict string

// The verdicts. A difference is worse or better if it exceeds the tolerance and its interval
// excludes zero, and unclear if it exceeds the tolerance only. The rate of failures needs
// neither.
const (
	Worse   Verdict = "worse"
	Better  Verdict = "better"
	Same    Verdict = "same"
	Unclear Verdict = "unclear"
	Neutral Verdict = "neutral" // neither direction of the measure is worse
)

// A Difference is that of one measure, after minus before: of means over conversations.
type Difference struct {
	Measure
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Change float64 `json:"change"`
	// Relative is Change as a part of Before. Zero where Before is.
	Relative float64 `json:"relative"`
	// Interval is that of Change. Nil: there are too few values. Its basis is "personas" if
	// one value for each persona was resampled, in pairs, and "conversations" if those of each
	// run were.
	Interval *Interval `json:"interval,omitempty"`
	Basis    string    `json:"basis,omitempty"`
	NBefore  int       `json:"n_before"`
	NAfter   int       `json:"n_after"`
	Verdict  Verdict   `json:"verdict"`
}

// Compare compares two runs. tolerance is relative: see [DefaultTolerance].
func Compare(before, after []Case, rules Rules, tolerance float64) Comparison {
	old, now := byGroup(before), byGroup(after)
	c := Comparison{Same: true, Tolerance: tolerance, OnlyBefore: []Row{}, OnlyAfter: []Row{}, Differences: []Difference{}, Personas: []Change{}}
	all := measures(rules, currencies(before, after))
	var pairs []pair
	for g, cases := range old {
		if now[g] == nil {
			c.OnlyBefore = append(c.OnlyBefore, Row{Name: g.name, Scenario: g.scenario, Side: sideOf(cases, rules)})
			continue
		}
		pairs = append(pairs, pair{g, cases, now[g]})
	}
	for g, cases := range now {
		if old[g] == nil {
			c.OnlyAfter = append(c.OnlyAfter, Row{Name: g.name, Scenario: g.scenario, Side: sideOf(cases, rules)})
		}
	}
	for _, only := range [][]Row{c.OnlyBefore, c.OnlyAfter} {
		slices.SortFunc(only, func(a, b Row) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Scenario, b.Scenario)) })
	}
	// The order decides what is resampled with what: it must not be that of a map.
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.scenario, b.scenario))
	})
	c.Aligned = len(pairs)
	c.Same = len(c.OnlyBefore)+len(c.OnlyAfter) == 0
	for _, p := range pairs {
		change := p.change(rules, all, tolerance)
		if change.ResultsDiffer {
			c.Changed++
		}
		if change.Regressed {
			c.Regressed++
		}
		c.Same = c.Same && !change.ResultsDiffer && !slices.ContainsFunc(change.Differences, func(d Difference) bool { return d.Change != 0 || d.NBefore != d.NAfter })
		c.Personas = append(c.Personas, change)
	}
	for _, m := range all {
		if d, ok := over(pairs, m, tolerance); ok {
			c.Differences = append(c.Differences, d)
		}
	}
	slices.SortStableFunc(c.Differences, worstDifference)
	slices.SortStableFunc(c.Personas, worstChange)
	return c
}

// A pair has the conversations of one persona in both runs.
type pair struct {
	group
	before, after []Case
}

func byGroup(cases []Case) map[group][]Case {
	out := map[group][]Case{}
	for _, c := range cases {
		out[groupOf(c)] = append(out[groupOf(c)], c)
	}
	return out
}

func (p pair) change(rules Rules, all []Measure, tolerance float64) Change {
	c := Change{
		Name: p.name, Scenario: p.scenario, Before: sideOf(p.before, rules), After: sideOf(p.after, rules), Differences: []Difference{},
		BeforeID: worstID(p.before, rules), AfterID: worstID(p.after, rules),
	}
	c.ResultsDiffer = !sameRates(c.Before, c.After)
	for _, m := range all {
		before, after := valuesOf(m, p.before), valuesOf(m, p.after)
		if len(before) == 0 || len(after) == 0 {
			continue
		}
		d := newDifference(m, stat.Mean(before, nil), stat.Mean(after, nil), len(before), len(after))
		if d.Interval = unpairedInterval(before, after); d.Interval != nil {
			d.Basis = "conversations"
		}
		d.judge(tolerance)
		c.Regressed = c.Regressed || m.Name == failureRate && d.Verdict == Worse
		c.Differences = append(c.Differences, d)
	}
	slices.SortStableFunc(c.Differences, worstDifference)
	return c
}

// over is the difference of a measure over all pairs: the mean of what the personas have,
// each with the same weight.
func over(pairs []pair, m Measure, tolerance float64) (Difference, bool) {
	var before, after, differences, allBefore, allAfter []float64
	for _, p := range pairs {
		b, a := valuesOf(m, p.before), valuesOf(m, p.after)
		if len(b) == 0 || len(a) == 0 {
			continue
		}
		before, after = append(before, stat.Mean(b, nil)), append(after, stat.Mean(a, nil))
		differences = append(differences, after[len(after)-1]-before[len(before)-1])
		allBefore, allAfter = append(allBefore, b...), append(allAfter, a...)
	}
	if len(before) == 0 {
		return Difference{}, false
	}
	d := newDifference(m, stat.Mean(before, nil), stat.Mean(after, nil), len(allBefore), len(allAfter))
	if d.Interval = pairedInterval(differences); d.Interval != nil {
		d.Basis = "personas"
	} else if d.Interval = unpairedInterval(allBefore, allAfter); d.Interval != nil {
		d.Basis = "conversations"
	}
	d.judge(tolerance)
	return d, true
}

func newDifference(m Measure, before, after float64, nBefore, nAfter int) Difference {
	d := Difference{Measure: m, Before: before, After: after, Change: after - before, NBefore: nBefore, NAfter: nAfter}
	if before != 0 {
		d.Relative = d.Change / math.Abs(before)
	}
	return d
}

// judge sets the verdict.
func (d *Difference) judge(tolerance float64) {
	worse := d.Change*float64(d.Worse) > 0
	large := d.Change != 0 && (d.Before == 0 || math.Abs(d.Relative) > tolerance)
	certain := d.Interval != nil && d.Interval.excludesZero()
	if d.Name == failureRate {
		large, certain = d.Change != 0, true
	}
	switch {
	case d.Worse == 0:
		d.Verdict = Neutral
	case !large:
		d.Verdict = Same
	case !certain:
		d.Verdict = Unclear
	case worse:
		d.Verdict = Worse
	default:
		d.Verdict = Better
	}
}

// badness is how much worse a measure is, relative to what it was. Negative: better.
func (d Difference) badness() float64 {
	relative := d.Relative
	if d.Before == 0 {
		relative = float64(cmp.Compare(d.Change, 0)) // from nothing: as much as twice
	}
	return relative * float64(d.Worse)
}

func worstDifference(a, b Difference) int {
	rank := map[Verdict]int{Worse: 0, Unclear: 1, Better: 2, Same: 3, Neutral: 4}
	first := func(d Difference) int {
		if d.Name == failureRate {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank[a.Verdict], rank[b.Verdict]), cmp.Compare(first(a), first(b)), cmp.Compare(b.badness(), a.badness()))
}

// worstChange orders by the rise of the rate of failures, then by the fall of the score, then
// changed results first, then by the largest relative regression of any other measure.
func worstChange(a, b Change) int {
	changed := func(c Change) int {
		if c.ResultsDiffer {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(b.rise(failureRate), a.rise(failureRate)),
		cmp.Compare(b.rise("score"), a.rise("score")),
		cmp.Compare(changed(b), changed(a)),
		cmp.Compare(b.worst(), a.worst()),
		cmp.Compare(a.Name, b.Name), cmp.Compare(a.Scenario, b.Scenario))
}

// rise is how much worse a measure is, in its own unit.
func (c Change) rise(measure string) float64 {
	for _, d := range c.Differences {
		if d.Name == measure {
			return d.Change * float64(d.Worse)
		}
	}
	return 0
}

func (c Change) worst() float64 {
	worst := math.Inf(-1)
	for _, d := range c.Differences {
		if d.Name != failureRate && d.Name != "score" {
			worst = max(worst, d.badness())
		}
	}
	return worst
}

// worstID names a failed conversation, or the first.
func worstID(cases []Case, rules Rules) string {
	for _, c := range cases {
		if rules.Class(c) == Failed {
			return c.ID
		}
	}
	return cases[0].ID
}

func sameRates(a, b Side) bool {
	rates := func(s Side) map[string]float64 {
		out := map[string]float64{}
		for _, r := range s.Results {
			out[r.Name] = float64(r.N) / float64(s.Conversations)
		}
		return out
	}
	before, after := rates(a), rates(b)
	if len(before) != len(after) {
		return false
	}
	for name, rate := range before {
		if math.Abs(after[name]-rate) > 1e-9 {
			return false
		}
	}
	return true
}

func currencies(runs ...[]Case) []string {
	var out []string
	for _, cases := range runs {
		for _, m := range costs(cases) {
			if !slices.Contains(out, m.Currency) {
				out = append(out, m.Currency)
			}
		}
	}
	slices.Sort(out)
	return out
}
