package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/page"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/summary"
)

// maxRows bounds tables that have a row for each persona. Conversations are all there.
const maxRows = 100

// HTML writes the report as one file that loads nothing.
func (r *Report) HTML(w io.Writer) error {
	p := page.Page{Title: r.Title, Lead: []string{sentence(r.Summary.Coverage.String()) + "."}, Foot: r.foot()}
	if len(r.Scope) > 0 {
		p.Lead = append(p.Lead, "Chosen: "+strings.Join(r.Scope, ", ")+".")
	}
	p.Sections = append(p.Sections, r.overview())
	if r.Comparison != nil {
		p.Sections = append(p.Sections, r.comparison(*r.Comparison))
	}
	p.Sections = append(p.Sections, r.latencies(), r.spending(), r.failures(), r.personas())
	if r.Summary.Evaluated > 0 || r.EvaluationNote != "" {
		p.Sections = append(p.Sections, r.evaluations())
	}
	p.Sections = append(p.Sections, r.conversations())
	return p.Write(w)
}

func (r *Report) foot() string {
	text := "Made by Parley"
	if r.Version != "" {
		text += " " + r.Version
	}
	return text + " on " + moment(r.Created) + ". Percentiles are nearest-rank. Failures are: " + cmp.Or(strings.Join(r.Rules.Failures, ", "), "none") + "."
}

func (r *Report) overview() page.Section {
	s := r.Summary
	failed := page.Plain
	if s.Failed > 0 {
		failed = page.Bad
	}
	facts := page.Facts{
		{Name: "Passed", Value: fmt.Sprint(s.Passed), Detail: "of " + count(s.Coverage.Read, "conversation")},
		{Name: "Failed", Value: fmt.Sprint(s.Failed), Detail: percent(s.FailureRate()) + " of the decided", Tone: failed},
		{Name: "Undecided", Value: fmt.Sprint(s.Undecided), Detail: "open, or another worker's"},
		{Name: "Turns", Value: number(s.Turns.Mean), Detail: "mean; " + number(s.Turns.Max) + " at most"},
	}
	if s.Reply.N > 0 {
		facts = append(facts, page.Fact{Name: "Reply latency, p95", Value: seconds(s.Reply.P95), Detail: "p50 " + seconds(s.Reply.P50) + ", over " + count(s.Reply.N, "turn")})
	}
	facts = append(facts, page.Fact{Name: "Tokens", Value: fmt.Sprint(s.Usage.InputTokens + s.Usage.OutputTokens), Detail: fmt.Sprintf("%d in, %d out", s.Usage.InputTokens, s.Usage.OutputTokens)},
		page.Fact{Name: "Cost", Value: moneys(s.Cost)})
	if s.Evaluated > 0 {
		if mean, ok := r.scoreMean(); ok {
			facts = append(facts, page.Fact{Name: "Score", Value: percent(mean), Detail: "mean over " + count(s.Evaluated, "conversation")})
		}
	}
	blocks := []page.Block{facts}
	if !s.Coverage.Whole() {
		blocks = append(blocks, page.Note{Text: "This is a part: " + s.Coverage.String() + ".", Tone: page.Bad})
		for _, u := range s.Coverage.Unread {
			blocks = append(blocks, page.Note{Text: fmt.Sprintf("%d not read: %s", u.N, u.Name), Tone: page.Bad})
		}
	}
	blocks = append(blocks, page.Charts{counts("Results", "conversations", s.Results), histogram("Turns", "conversations by their number of turns", r.each(func(c summary.Case) float64 { return float64(c.Turns) }), number)})
	return page.Section{Title: "Overview", Blocks: blocks}
}

func (r *Report) scoreMean() (float64, bool) { return figures["score_mean"].of(r) }

func (r *Report) each(of func(summary.Case) float64) []float64 {
	out := make([]float64, len(r.Conversations))
	for i, c := range r.Conversations {
		out[i] = of(c)
	}
	return out
}

func (r *Report) comparison(c summary.Comparison) page.Section {
	tone := page.Good
	if c.Regressions() > 0 {
		tone = page.Bad
	}
	s := page.Section{
		Title: "Comparison",
		Text: []string{
			"With " + baselineName(r.Baseline, plain) + ".",
			fmt.Sprintf("Personas are aligned by description and scenario. A measure is worse if it changed by more than %s and its 95 %% bootstrap interval (2,000 resamples, fixed seed) excludes no change. A persona is worse if a larger part of its conversations failed.", percent(c.Tolerance)),
		},
		Blocks: []page.Block{page.Note{Text: verdict(c, plain), Tone: tone}},
	}
	if c.Same {
		return s
	}
	s.Blocks = append(s.Blocks, differences("All personas of both runs, each with the same weight", c.Differences))
	table := page.Table{Caption: "Personas, the worst first", Head: heads("Persona", "Before", "After", "Failures", "Largest other change")}
	for _, p := range c.Personas[:min(len(c.Personas), maxRows)] {
		table.Rows = append(table.Rows, []page.Cell{
			{Text: persona(p.Name, p.Scenario), Link: r.link(p.AfterID)}, {Text: results(p.Before.Results)}, {Text: results(p.After.Results)},
			{Text: percent(p.Before.FailureRate()) + " → " + percent(p.After.FailureRate()), Tone: toneOf(p)}, {Text: largest(p)},
		})
	}
	s.Blocks = append(s.Blocks, table)
	if rest := len(c.Personas) - maxRows; rest > 0 {
		s.Blocks = append(s.Blocks, page.Note{Text: fmt.Sprintf("%d more personas are in the JSON form.", rest)})
	}
	for _, only := range []struct {
		rows []summary.Row
		text string
	}{{c.OnlyBefore, "Only in the baseline"}, {c.OnlyAfter, "Only in this run"}} {
		if len(only.rows) > 0 {
			s.Blocks = append(s.Blocks, personaTable(only.text, only.rows))
		}
	}
	return s
}

func toneOf(p summary.Change) page.Tone {
	switch b, a := p.Before.FailureRate(), p.After.FailureRate(); {
	case a > b:
		return page.Bad
	case a < b:
		return page.Good
	}
	return page.Plain
}

// largest is the first difference that is not of failures.
func largest(p summary.Change) string {
	for _, d := range p.Differences {
		if d.Name != "failure_rate" && d.Change != 0 {
			return fmt.Sprintf("%s %s (%s → %s; %s)", measureName(d.Measure), signed(d.Measure, d.Change), value(d.Measure, d.Before), value(d.Measure, d.After), spread(d))
		}
	}
	return "none"
}

func differences(caption string, all []summary.Difference) page.Table {
	t := page.Table{Caption: caption, Head: heads("Measure", "#Before", "#After", "#Change", "#95 % interval", "Verdict")}
	for _, d := range all {
		tone := page.Plain
		switch d.Verdict {
		case summary.Worse:
			tone = page.Bad
		case summary.Better:
			tone = page.Good
		}
		t.Rows = append(t.Rows, []page.Cell{
			{Text: measureName(d.Measure)}, {Text: value(d.Measure, d.Before), Number: true}, {Text: value(d.Measure, d.After), Number: true},
			{Text: signed(d.Measure, d.Change), Number: true}, {Text: spread(d), Number: true}, {Text: string(d.Verdict), Tone: tone},
		})
	}
	return t
}

// heads makes cells of names. "#" marks a column of numbers.
func heads(names ...string) []page.Cell {
	out := make([]page.Cell, len(names))
	for i, n := range names {
		out[i].Text, out[i].Number = strings.CutPrefix(n, "#")
	}
	return out
}

func (r *Report) latencies() page.Section {
	s := r.Summary
	section := page.Section{Title: "Latency", Text: []string{"Reply is the executor's time, persona that of the platform and its persona, overhead what is left of a turn without waiting and retrying."}}
	table := page.Table{Caption: "Seconds of a turn, and of a conversation", Head: heads("", "#n", "#mean", "#p50", "#p90", "#p95", "#p99", "#max")}
	chart := page.Chart{Title: "Latency of a turn", Note: "percentiles", Labels: []string{"p50", "p90", "p95", "p99"}, Format: seconds}
	for _, d := range []struct {
		name string
		of   summary.Distribution
		turn bool
	}{{"reply", s.Reply, true}, {"persona", s.Exchange, true}, {"overhead", s.Overhead, true}, {"conversation", s.Duration, false}} {
		if d.of.N == 0 {
			continue
		}
		row := []page.Cell{{Text: d.name}, {Text: fmt.Sprint(d.of.N), Number: true}}
		for _, v := range []float64{d.of.Mean, d.of.P50, d.of.P90, d.of.P95, d.of.P99, d.of.Max} {
			row = append(row, page.Cell{Text: seconds(v), Number: true})
		}
		table.Rows = append(table.Rows, row)
		if d.turn {
			chart.Series = append(chart.Series, page.Series{Name: d.name, Values: []float64{d.of.P50, d.of.P90, d.of.P95, d.of.P99}})
		}
	}
	if len(table.Rows) == 0 {
		section.Blocks = append(section.Blocks, page.Note{Text: "No times are known."})
		return section
	}
	if len(chart.Series) > 0 {
		section.Blocks = append(section.Blocks, page.Charts{chart})
	}
	section.Blocks = append(section.Blocks, table)
	if s.Waiting+s.Retrying > 0 {
		section.Blocks = append(section.Blocks, page.Note{Text: fmt.Sprintf("Beside this, conversations waited %s for operators and capacity, and %s passed with failed attempts.", seconds(s.Waiting), seconds(s.Retrying))})
	}
	return section
}

func (r *Report) spending() page.Section {
	s := r.Summary
	section := page.Section{Title: "Tokens and cost", Text: []string{
		fmt.Sprintf("%d tokens in (%d from the provider's cache), %d out, %s. Cost: %s.", s.Usage.InputTokens, s.Usage.CachedInputTokens, s.Usage.OutputTokens, count(int(s.Usage.Calls), "call"), moneys(s.Cost)),
	}}
	charts := page.Charts{}
	if s.Tokens.Max > 0 {
		charts = append(charts, histogram("Tokens", "conversations by their tokens", r.each(func(c summary.Case) float64 { return float64(c.Tokens()) }), number))
	}
	for _, m := range s.Cost {
		var values []float64
		for _, c := range r.Conversations {
			if c.Currency == m.Currency && c.Usage.Cost != 0 {
				values = append(values, float64(c.Usage.Cost))
			}
		}
		charts = append(charts, histogram(strings.TrimSpace("Cost in "+m.Currency), "conversations by their cost", values, func(v float64) string { return strings.TrimSpace(strings.TrimPrefix(money(m.Currency, v), m.Currency)) }))
	}
	if len(charts) > 0 {
		section.Blocks = append(section.Blocks, charts)
	}
	for _, by := range []struct {
		name string
		rows []summary.Row
	}{{"Executor", s.Executors}, {"Model", s.Models}} {
		if len(by.rows) > 0 {
			t := personaTable("By "+strings.ToLower(by.name), by.rows)
			t.Head[0].Text = by.name
			section.Blocks = append(section.Blocks, t)
		}
	}
	return section
}

func (r *Report) failures() page.Section {
	s := r.Summary
	retries := count(s.Retries, "retry")
	if s.Retries != 1 {
		retries = fmt.Sprintf("%d retries", s.Retries)
	}
	section := page.Section{Title: "Failures and tools", Text: []string{retries + ". A step of which several attempts failed counts them by the kind of the last."}}
	if len(s.Failures) > 0 {
		var kinds []summary.Count
		t := page.Table{Caption: "Failed attempts by kind of error", Head: heads("Kind", "#Attempts", "#Final", "#Conversations")}
		for _, f := range s.Failures {
			kinds = append(kinds, summary.Count{Name: string(f.Kind), N: f.Attempts})
			t.Rows = append(t.Rows, []page.Cell{{Text: string(f.Kind)}, {Text: fmt.Sprint(f.Attempts), Number: true}, {Text: fmt.Sprint(f.Final), Number: true}, {Text: fmt.Sprint(f.Conversations), Number: true}})
		}
		section.Blocks = append(section.Blocks, page.Charts{counts("Failed attempts", "by kind of error", kinds)}, t)
	}
	if len(s.Tools) > 0 {
		t := page.Table{Caption: "Tools", Head: heads("Tool", "#Calls", "#Errors", "#Approved", "#Refused", "#Timed out", "#Waiting")}
		for _, tool := range s.Tools[:min(len(s.Tools), maxRows)] {
			row := []page.Cell{{Text: tool.Name}}
			for _, n := range []int{tool.Calls, tool.Errors, tool.Approved, tool.Refused, tool.TimedOut, tool.Waiting} {
				row = append(row, page.Cell{Text: fmt.Sprint(n), Number: true})
			}
			t.Rows = append(t.Rows, row)
		}
		section.Blocks = append(section.Blocks, t)
	}
	return section
}

func (r *Report) personas() page.Section {
	s := page.Section{Title: "Personas", Blocks: []page.Block{personaTable("The highest rate of failures first", r.Summary.Personas)}}
	if rest := len(r.Summary.Personas) - maxRows; rest > 0 {
		s.Blocks = append(s.Blocks, page.Note{Text: fmt.Sprintf("%d more are in the JSON form.", rest)})
	}
	return s
}

func personaTable(caption string, rows []summary.Row) page.Table {
	t := page.Table{Caption: caption, Head: heads("Persona", "#Conversations", "#Failed", "Results", "#Score", "#Turns", "#Reply p50", "#Tokens", "Cost")}
	for _, row := range rows[:min(len(rows), maxRows)] {
		score, reply, cost, tone := "", "", "", page.Plain
		if row.Evaluated > 0 {
			score = percent(row.Score)
		}
		if row.Reply.N > 0 {
			reply = seconds(row.Reply.P50)
		}
		if len(row.Cost) > 0 {
			cost = moneys(row.Cost)
		}
		if row.Failed > 0 {
			tone = page.Bad
		}
		t.Rows = append(t.Rows, []page.Cell{
			{Text: persona(row.Name, row.Scenario)}, {Text: fmt.Sprint(row.Conversations), Number: true}, {Text: fmt.Sprint(row.Failed), Number: true, Tone: tone},
			{Text: results(row.Results)}, {Text: score, Number: true}, {Text: number(row.Turns), Number: true}, {Text: reply, Number: true}, {Text: number(row.Tokens), Number: true}, {Text: cost},
		})
	}
	return t
}

func (r *Report) evaluations() page.Section {
	s := page.Section{Title: "Evaluations"}
	if r.EvaluationNote != "" {
		s.Text = append(s.Text, r.EvaluationNote)
	}
	if len(r.Summary.Evaluations) == 0 {
		return s
	}
	t := page.Table{Caption: "Scores of the platform, from 0 to 100 %", Head: heads("Objective", "#Conversations", "#mean", "#min", "#p50", "#max")}
	for _, o := range r.Summary.Evaluations {
		row := []page.Cell{{Text: o.Name}, {Text: fmt.Sprint(o.Scores.N), Number: true}}
		for _, v := range []float64{o.Scores.Mean, o.Scores.Min, o.Scores.P50, o.Scores.Max} {
			row = append(row, page.Cell{Text: percent(v), Number: true})
		}
		t.Rows = append(t.Rows, row)
	}
	s.Blocks = append(s.Blocks, t)
	return s
}

// conversations folds in all conversations, failures first.
func (r *Report) conversations() page.Section {
	sorted := slices.Clone(r.Conversations)
	rank := map[summary.Class]int{summary.Failed: 0, summary.Undecided: 1, summary.Passed: 2}
	slices.SortStableFunc(sorted, func(a, b summary.Case) int {
		return cmp.Or(cmp.Compare(rank[r.Rules.Class(a)], rank[r.Rules.Class(b)]), b.Started.Compare(a.Started))
	})
	folds := make(page.Folds, len(sorted))
	for i, c := range sorted {
		folds[i] = r.fold(c)
	}
	return page.Section{Title: "Conversations", Text: []string{"Failures first, then the newest. Each opens."}, Blocks: []page.Block{folds}}
}

func (r *Report) fold(c summary.Case) page.Fold {
	f := page.Fold{ID: c.ID, Title: persona(c.Persona, c.Scenario), Link: c.Link, Detail: c.Result() + " · " + count(c.Turns, "turn") + " · " + seconds(c.Seconds)}
	if r.Rules.Class(c) == summary.Failed {
		f.Tone = page.Bad
	}
	add := func(name, value string) {
		if value != "" {
			f.Facts = append(f.Facts, [2]string{name, value})
		}
	}
	add("conversation", c.ID)
	add("reason", c.Reason)
	add("executor", strings.Join(c.Executors, ", "))
	add("model", strings.Join(c.Models, ", "))
	add("started", moment(c.Started))
	if c.Tokens() > 0 {
		add("tokens", fmt.Sprintf("%d in, %d out", c.Usage.InputTokens, c.Usage.OutputTokens))
	}
	if c.Usage.Cost != 0 {
		add("cost", money(c.Currency, float64(c.Usage.Cost)))
	}
	for _, failure := range c.Failures {
		add("failed attempts", fmt.Sprintf("%d %s", failure.Attempts, failure.Kind))
	}
	for _, e := range c.Evaluations {
		add("score", strings.TrimSuffix(fmt.Sprintf("%s: %s. %s", e.Objective, percent(e.Score), e.Reason), " "))
	}
	for _, m := range r.messages[c.ID] {
		f.Messages = append(f.Messages, message(m))
	}
	return f
}

// link leads to a conversation of this report.
func (r *Report) link(id string) string {
	if id == "" {
		return ""
	}
	return "#" + page.ID(id)
}

func message(m records.Message) page.Message {
	out := page.Message{From: string(m.Role), Side: "other", At: moment(m.Time), Text: m.Text}
	switch m.Role {
	case conversation.RoleUser:
		out.From = "persona"
	case conversation.RoleAssistant:
		out.From, out.Side = "agent", "agent"
	case conversation.RoleTool:
		out.Side = "tool"
	}
	if len(m.Parts) > 0 {
		out.Text = partsText(m.Parts)
	}
	if m.Unsent {
		out.From += " (not sent)"
	}
	return out
}

func partsText(parts []conversation.Part) string {
	var lines []string
	for _, p := range parts {
		switch {
		case p.Type == conversation.PartText:
			lines = append(lines, p.Text)
		case p.Type == conversation.PartData:
			lines = append(lines, compact(p.Data))
		case p.ToolCall != nil:
			lines = append(lines, "→ "+p.ToolCall.Name+"("+compact(p.ToolCall.Arguments)+")")
		case p.ToolResult != nil && p.ToolResult.IsError:
			lines = append(lines, "← error: "+p.ToolResult.Content)
		case p.ToolResult != nil:
			lines = append(lines, "← "+p.ToolResult.Content)
		}
	}
	return strings.Join(lines, "\n")
}

func compact(data json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return string(data)
	}
	return b.String()
}

// counts is a chart of counts, one bar each: the largest, and the rest in one.
func counts(title, note string, all []summary.Count) page.Chart {
	const most = 8
	c := page.Chart{Title: title, Note: note, Lying: true, Series: []page.Series{{Name: title}}}
	rest := 0
	for i, n := range all {
		if i >= most && len(all) > most+1 {
			rest += n.N
			continue
		}
		c.Labels, c.Series[0].Values = append(c.Labels, n.Name), append(c.Series[0].Values, float64(n.N))
	}
	if rest > 0 {
		c.Labels, c.Series[0].Values = append(c.Labels, "others"), append(c.Series[0].Values, float64(rest))
	}
	return c
}

// histogram counts values in at most ten classes of equal width, which begin at round numbers.
func histogram(title, note string, values []float64, format func(float64) string) page.Chart {
	c := page.Chart{Title: title, Note: note, Series: []page.Series{{Name: title}}}
	if len(values) == 0 {
		return c
	}
	low, high := slices.Min(values), slices.Max(values)
	width := round((high - low) / 9)
	first := math.Floor(low / width)
	bins := int(math.Floor(high/width)-first) + 1
	c.Series[0].Values = make([]float64, bins)
	for _, v := range values {
		c.Series[0].Values[min(int(math.Floor(v/width)-first), bins-1)]++
	}
	for i := range bins {
		c.Labels = append(c.Labels, format((first+float64(i))*width))
	}
	return c
}

// round is the next larger of 1, 2 and 5 times a power of ten, at least 1.
func round(v float64) float64 {
	if v <= 1 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5, 10} {
		if step*power >= v {
			return step * power
		}
	}
	return v
}
