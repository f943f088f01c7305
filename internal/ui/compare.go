package ui

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-run/parley/internal/summary"
)

// CompareWith is the comparison with one run chosen.
func (l links) CompareWith(k runKey) string {
	if l.files {
		return l.Compare()
	}
	return l.Compare() + "?" + url.Values{"b": {k.String()}}.Encode()
}

// A runChoice is a run that can be compared.
type runChoice struct{ Value, Text string }

// A difference is one measure of two runs.
type difference struct {
	Name, Before, After, Change, Interval string
	Verdict                               mark
}

// A change is one persona of both runs.
type change struct {
	Name, Scenario, Verdict    string
	Class                      string
	Before, After              []mark
	BeforeLink, AfterLink      string
	Turns, Reply, Tokens, Cost [2]string
	TurnsChange, ReplyChange   string
}

// compare is the page of two runs side by side.
func (s *site) compare(a, b string) (*view, error) {
	snapshot := s.source.Snapshot()
	v := newView(s.frame(), "compare", "compare", "Compare two runs")
	newest := map[runKey]int64{}
	for i := range snapshot.Conversations {
		c := &snapshot.Conversations[i]
		for _, k := range []runKey{{"simulation", c.Simulation}, {"agent", c.Agent}} {
			if k.ID != "" {
				newest[k] = max(newest[k], c.Started.UnixNano())
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(newest), func(x, y runKey) int {
		return cmp.Or(-cmp.Compare(x.Kind, y.Kind), cmp.Compare(newest[y], newest[x]), cmp.Compare(x.ID, y.ID))
	})
	var options []runChoice
	for _, k := range keys[:min(len(keys), maxRuns)] {
		options = append(options, runChoice{k.String(), k.title()})
	}
	before, okA := runKeyOf(a)
	after, okB := runKeyOf(b)
	if !okA && !okB && len(keys) > 1 && keys[0].Kind == keys[1].Kind { // the newest two
		before, after, okA, okB = keys[1], keys[0], true, true
	}
	data := struct {
		Before, After, Action string
		Options               []runChoice
		Files                 bool
		Titles                [2]string
	}{Action: s.Compare(), Options: options, Files: s.files}
	if okA {
		data.Before, data.Titles[0] = before.String(), before.title()
	}
	if okB {
		data.After, data.Titles[1] = after.String(), after.title()
	}
	v.Data = data
	errs := []error{s.notices(v, snapshot)}
	if !okA || !okB {
		text := "Choose two runs: a simulation or an agent before, and one after."
		if len(options) < 2 {
			text = "There are fewer than two runs: a run is what all conversations of one simulation or of one agent are."
		}
		errs = append(errs, v.add("summary", "none", "searched", searched{Text: text}))
		return v, firstError(errs)
	}
	old, readA, closedA := s.figures(before.of(snapshot.Conversations))
	now, readB, closedB := s.figures(after.of(snapshot.Conversations))
	if readA+readB < closedA+closedB {
		v.refresh = refreshReading
		errs = append(errs, v.add("notices", "reading", "searched", searched{Text: fmt.Sprintf("Reading the conversations: %s of %s.", number(int64(readA+readB)), number(int64(closedA+closedB)))}))
	}
	c := summary.Compare(old, now, summary.DefaultRules(), summary.DefaultTolerance)
	errs = append(errs, v.add("summary", "verdict", "searched", searched{Text: compareText(c, len(old), len(now))}))
	for _, d := range c.Differences {
		errs = append(errs, v.add("differences", keyOf(d.Name, d.Currency), "difference", newDifference(d)))
	}
	for _, p := range c.Personas {
		errs = append(errs, v.add("personas", keyOf(p.Name, p.Scenario), "change", s.change(p)))
	}
	for i, only := range [][]summary.Row{c.OnlyBefore, c.OnlyAfter} {
		for _, r := range only {
			ch := change{Name: line(r.Name, 120), Scenario: line(r.Scenario, 120), Verdict: [2]string{"only before", "only after"}[i], Class: "quiet"}
			ch.side(i, r.Side)
			errs = append(errs, v.add("personas", keyOf("only", strconv.Itoa(i), r.Name, r.Scenario), "change", ch))
		}
	}
	return v, firstError(errs)
}

func compareText(c summary.Comparison, before, after int) string {
	text := fmt.Sprintf("%s before, %s after; %s in both.", count(before, "conversation"), count(after, "conversation"), count(c.Aligned, "persona"))
	switch {
	case c.Same:
		return text + " There is no difference."
	case c.Regressed > 0:
		return text + fmt.Sprintf(" %s ended otherwise, %s worse.", count(c.Changed, "persona"), number(int64(c.Regressed)))
	case c.Changed > 0:
		return text + fmt.Sprintf(" %s ended otherwise, none worse.", count(c.Changed, "persona"))
	}
	return text + " All ended alike."
}

var verdicts = map[summary.Verdict]mark{
	summary.Worse: {"worse", "bad"}, summary.Better: {"better", "good"}, summary.Same: {"same", "quiet"}, summary.Unclear: {"unclear", "warn"}, summary.Neutral: {"", ""},
}

func newDifference(d summary.Difference) difference {
	out := difference{Name: line(measureName(d.Name), 60), Before: measured(d, d.Before), After: measured(d, d.After), Verdict: verdicts[d.Verdict]}
	if d.Change != 0 {
		out.Change = signed(d, d.Change)
		if d.Before != 0 {
			out.Change += fmt.Sprintf(" (%+.0f %%)", 100*d.Relative)
		}
	}
	if d.Interval != nil {
		out.Interval = signed(d, d.Interval.Low) + " to " + signed(d, d.Interval.High)
	}
	return out
}

func measureName(name string) string {
	switch name {
	case "reply_seconds":
		return "reply of the executor"
	case "exchange_seconds":
		return "answer of the persona"
	case "overhead_seconds":
		return "overhead of a turn"
	}
	return words(name)
}

func measured(d summary.Difference, v float64) string {
	switch d.Unit {
	case summary.Rate:
		return fmt.Sprintf("%.0f %%", 100*v)
	case summary.Seconds:
		return seconds(v)
	case summary.Micros:
		return cmp.Or(money(v/1e6, d.Currency), "0")
	}
	if v >= 1000 {
		return number(int64(v + 0.5))
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func signed(d summary.Difference, v float64) string {
	if v < 0 {
		return "−" + measured(d, -v)
	}
	return "+" + measured(d, v)
}

func (c *change) side(i int, s summary.Side) {
	marks := counts(s.Results)
	if i == 0 {
		c.Before = marks
	} else {
		c.After = marks
	}
	c.Turns[i], c.Cost[i] = fmt.Sprintf("%.1f", s.Turns), moneys(s.Cost)
	if s.Reply.N > 0 {
		c.Reply[i] = seconds(s.Reply.P50)
	}
	if s.Tokens > 0 {
		c.Tokens[i] = number(int64(s.Tokens + 0.5))
	}
}

func (s *site) change(p summary.Change) change {
	c := change{Name: line(p.Name, 120), Scenario: line(p.Scenario, 120), Verdict: "same", Class: "quiet"}
	c.side(0, p.Before)
	c.side(1, p.After)
	var worse, better []string
	for _, d := range p.Differences {
		switch d.Verdict {
		case summary.Worse:
			worse = append(worse, measureName(d.Name))
		case summary.Better:
			better = append(better, measureName(d.Name))
		}
	}
	switch {
	case p.Regressed:
		c.Verdict, c.Class = "fails more", "bad"
	case len(worse) > 0:
		c.Verdict, c.Class = "worse: "+line(strings.Join(worse, ", "), 80), "bad"
	case p.ResultsDiffer:
		c.Verdict, c.Class = "ends otherwise", "warn"
	case len(better) > 0:
		c.Verdict, c.Class = "better: "+line(strings.Join(better, ", "), 80), "good"
	}
	if p.BeforeID != "" {
		c.BeforeLink = s.Conversation(p.BeforeID)
	}
	if p.AfterID != "" {
		c.AfterLink = s.Conversation(p.AfterID)
	}
	return c
}
