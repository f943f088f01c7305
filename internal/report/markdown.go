package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/summary"
)

// Bounds of the lists in Markdown: a comment of a pull request is short, and the services that
// show it refuse long ones.
const (
	maxListed  = 10
	maxLetters = 160
)

// Markdown writes a short form for pull requests: the figures, regressions and failures.
func (r *Report) Markdown(w io.Writer) error {
	m := &markdown{}
	m.line("## %s", md(r.Title))
	m.line("")
	m.line("%s.", sentence(r.Summary.Coverage.String()))
	m.line("")
	if c := r.Comparison; c != nil {
		r.markdownComparison(m, *c)
	}
	m.table([]string{"figure", "value"}, r.facts())
	if len(r.Summary.Results) > 0 {
		m.line("**Results:** %s.", md(results(r.Summary.Results)))
		m.line("")
	}
	r.markdownFailures(m)
	if r.EvaluationNote != "" {
		m.line("%s", md(r.EvaluationNote))
		m.line("")
	}
	_, err := io.WriteString(w, m.b.String())
	return err
}

// A markdown takes texts of others from [md] only: what is written here is Markdown.
type markdown struct{ b strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(&m.b, format+"\n", args...) }

func (m *markdown) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	m.line("| %s |", strings.Join(head, " | "))
	m.line("|%s", strings.Repeat(" --- |", len(head)))
	for _, row := range rows {
		m.line("| %s |", strings.Join(row, " | "))
	}
	m.line("")
}

func (r *Report) markdownComparison(m *markdown, c summary.Comparison) {
	m.line("### Compared with %s", baselineName(r.Baseline, md))
	m.line("")
	m.line("%s", verdict(c, md))
	m.line("")
	if c.Same {
		return
	}
	var rows [][]string
	for _, d := range c.Differences {
		rows = append(rows, []string{
			cell(d.Measure, measureName(d.Measure)), cell(d.Measure, value(d.Measure, d.Before)), cell(d.Measure, value(d.Measure, d.After)),
			cell(d.Measure, signed(d.Measure, d.Change)), cell(d.Measure, spread(d)), string(d.Verdict),
		})
	}
	m.table([]string{"over all", "before", "after", "change", "95 % interval", "verdict"}, rows)
	rows = nil
	for _, p := range c.Personas {
		if p.ResultsDiffer && len(rows) < maxListed {
			verdict := "otherwise"
			if p.Regressed {
				verdict = "worse"
			}
			rows = append(rows, []string{md(persona(p.Name, p.Scenario)), md(results(p.Before.Results)), md(results(p.After.Results)), verdict})
		}
	}
	m.table([]string{"persona", "before", "after", "verdict"}, rows)
	m.more(c.Changed)
}

func (m *markdown) more(n int) {
	if n > maxListed {
		m.line("… and %d more.", n-maxListed)
		m.line("")
	}
}

func (r *Report) markdownFailures(m *markdown) {
	var rows [][]string
	n := 0
	for _, c := range r.Conversations {
		if r.Rules.Class(c) != summary.Failed {
			continue
		}
		if n++; n <= maxListed {
			row := []string{md(persona(c.Persona, c.Scenario)), md(c.Result()), md(c.Reason), md(c.ID)}
			if link := markdownLink(c.Link); link != "" {
				row[3] = "[" + row[3] + "](" + link + ")"
			}
			rows = append(rows, row)
		}
	}
	if n == 0 {
		return
	}
	m.line("### %s", count(n, "failure"))
	m.line("")
	m.line("| persona | result | reason | conversation |")
	m.line("| --- | --- | --- | --- |")
	for _, row := range rows {
		m.line("| %s |", strings.Join(row, " | "))
	}
	m.line("")
	m.more(n)
}

// markdownLink is an http address without characters that Markdown gives a meaning, or empty.
func markdownLink(address string) string {
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") || strings.ContainsAny(address, " ()<>[]|\\\"'`\n\t") {
		return ""
	}
	return printable.Line(address)
}

// facts are the figures that every form has.
func (r *Report) facts() [][]string {
	s := r.Summary
	rows := [][]string{
		{"passed / failed / undecided", fmt.Sprintf("%d / %d / %d", s.Passed, s.Failed, s.Undecided)},
		{"turns of a conversation", fmt.Sprintf("%s mean, %s at most", number(s.Turns.Mean), number(s.Turns.Max))},
	}
	for _, d := range []struct {
		name string
		of   summary.Distribution
	}{{"reply latency", s.Reply}, {"persona latency", s.Exchange}, {"overhead of a turn", s.Overhead}} {
		if d.of.N > 0 {
			rows = append(rows, []string{d.name, fmt.Sprintf("p50 %s, p95 %s, max %s", seconds(d.of.P50), seconds(d.of.P95), seconds(d.of.Max))})
		}
	}
	rows = append(rows,
		[]string{"tokens", fmt.Sprintf("%d in, %d out", s.Usage.InputTokens, s.Usage.OutputTokens)},
		[]string{"cost", md(moneys(s.Cost))},
		[]string{"retries", fmt.Sprint(s.Retries)})
	for _, o := range s.Evaluations {
		rows = append(rows, []string{"score: " + md(o.Name), fmt.Sprintf("%s mean over %s", percent(o.Scores.Mean), count(o.Scores.N, "conversation"))})
	}
	return rows
}

func baselineName(b *Baseline, text func(string) string) string {
	return fmt.Sprintf("%s of %s (%s)", text(b.Title), moment(b.Created), b.Coverage)
}

// verdict is the comparison in one sentence.
func verdict(c summary.Comparison, text func(string) string) string {
	if c.Same {
		return fmt.Sprintf("No difference: %s in both runs, with the same results, times, tokens and costs.", count(c.Aligned, "persona"))
	}
	said := fmt.Sprintf("%s: of %s in both runs, %d failed more often and %d ended otherwise", count(c.Regressions(), "regression"), count(c.Aligned, "persona"), c.Regressed, c.Changed)
	for _, d := range c.Differences {
		if d.Verdict == summary.Worse && d.Name != "failure_rate" {
			said += fmt.Sprintf("; %s %s (95 %%: %s)", text(measureName(d.Measure)), text(signed(d.Measure, d.Change)), text(spread(d)))
		}
	}
	if n := len(c.OnlyBefore); n > 0 {
		said += fmt.Sprintf("; %s of the baseline only", count(n, "persona"))
	}
	if n := len(c.OnlyAfter); n > 0 {
		said += fmt.Sprintf("; %s of this run only", count(n, "persona"))
	}
	return said + "."
}

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// md is a text of others in Markdown, not too long for a table.
func md(text string) string { return printable.Markdown(printable.ClipLetters(text, maxLetters)) }

// cell is a figure in Markdown. Figures are ours, but the name of a currency is not.
func cell(m summary.Measure, text string) string {
	if m.Currency != "" {
		return md(text)
	}
	return text
}

// plain is a text for a form that escapes by itself.
func plain(text string) string { return text }
