package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// inJSON reports whether the output is for programs.
func (s *starter) inJSON() bool { return s.flags.output == outputJSON }

// document writes the one JSON document of a command.
func (s *starter) document(v any) error {
	e := json.NewEncoder(printable.JSON(s.stdout))
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// line writes one of many JSON documents, on a line of its own.
func (s *starter) line(v any) error {
	e := json.NewEncoder(printable.JSON(s.stdout))
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// print writes text without terminal control characters.
func (s *starter) print(format string, args ...any) {
	_, _ = io.WriteString(s.stdout, clean(fmt.Sprintf(format, args...)))
}

// tabulate lays rows out in columns under a header.
func tabulate(header []string, rows [][]string) string {
	w := table.NewWriter()
	w.SetStyle(table.StyleDefault)
	w.Style().Options = table.OptionsNoBordersAndSeparators
	w.Style().Box.PaddingLeft = ""
	w.Style().Box.PaddingRight = "  "
	w.AppendHeader(cells(header))
	for _, row := range rows {
		w.AppendRow(cells(row))
	}
	lines := strings.Split(w.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func cells(values []string) table.Row {
	row := make(table.Row, len(values))
	for i, v := range values {
		row[i] = printable.Line(v)
	}
	return row
}

// pairs lays out names and values, leaving out what is empty.
func pairs(rows ...[2]string) string {
	width := 0
	for _, r := range rows {
		if r[1] != "" {
			width = max(width, len(r[0]))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		if r[1] != "" {
			fmt.Fprintf(&b, "%-*s  %s\n", width, r[0], printable.Line(r[1]))
		}
	}
	return b.String()
}

// clip cuts text to a number of letters, on one line.
func clip(text string, limit int) string { return printable.ClipLetters(printable.Line(text), limit) }

// clean removes terminal control characters: texts of personas, models and platforms may
// contain them.
func clean(text string) string { return printable.Text(text) }

// indent puts a margin before each line.
func indent(text, margin string) string {
	return margin + strings.ReplaceAll(text, "\n", "\n"+margin)
}

// clock is a time for reading; with its date unless that is today's.
func clock(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	at = at.In(now.Location())
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}

// span is a duration, rounded for reading.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// age is how long ago something was.
func age(at, now time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return span(max(now.Sub(at), 0)) + " ago"
}

// tokens is the usage in words.
func tokens(u conversation.Usage) string {
	if u == (conversation.Usage{}) {
		return ""
	}
	text := fmt.Sprintf("%d in", u.InputTokens)
	switch read, written := u.CachedInputTokens, u.CacheWriteTokens; {
	case read > 0 && written > 0:
		text += fmt.Sprintf(" (%d cached, %d written to the cache)", read, written)
	case read > 0:
		text += fmt.Sprintf(" (%d cached)", read)
	case written > 0:
		text += fmt.Sprintf(" (%d written to the cache)", written)
	}
	text += fmt.Sprintf(", %d out", u.OutputTokens)
	if u.EstimatedTokens > 0 {
		text += fmt.Sprintf(", about %d not reported", u.EstimatedTokens)
	}
	if u.Calls > 0 {
		text += ", " + count(int(u.Calls), "call")
	}
	return text
}

// count is "1 turn" or "2 turns".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// words makes a recorded name readable: "needs attention".
func words(name string) string { return printable.Line(strings.ReplaceAll(name, "_", " ")) }
