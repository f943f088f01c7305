package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/records"
)

// laneWidth is the width of a bar in its own units.
const laneWidth = 1000

// A lane is one turn: a bar of what took its time, and its steps.
type lane struct {
	Number   int
	Title    string
	Bars     []bar
	Took     string
	Open     bool
	Since    moment
	Words    string // the bar for those who cannot see it
	Model    string
	Tokens   string
	Retries  int
	Failures int
	Steps    []step
}

// A bar is one segment of a lane.
type bar struct {
	X, Width int
	Class    string
	Title    string
}

// A step is one line below a lane.
type step struct {
	Kind, Took, Detail       string
	At                       moment
	Attempts                 int
	Failure, Remedy, Outcome string
	Final, Failed            bool
}

// newLanes lays out the turns on one scale. Waiting for persons can last for days: it is
// cut so that the rest stays readable.
func newLanes(turns []records.Turn) []lane {
	var longest float64
	for _, t := range turns {
		longest = max(longest, float64(t.Reply+t.Tools+t.Exchange+t.Retrying+t.Overhead))
	}
	longest = max(longest, 0.001)
	out := make([]lane, 0, len(turns))
	for _, t := range turns {
		out = append(out, newLane(t, longest))
	}
	return out
}

func newLane(t records.Turn, longest float64) lane {
	l := lane{Number: t.Number, Title: fmt.Sprint("turn ", t.Number), Retries: t.Retries, Model: line(strings.Join(nonEmpty(t.Executor, t.Model), " · "), 120), Tokens: tokens(t.Usage)}
	if t.Number == 0 {
		l.Title = "begin"
	}
	if t.Ended.IsZero() {
		l.Open, l.Since = true, at(t.Began)
	} else {
		l.Took = span(t.Ended.Sub(t.Began))
	}
	var said []string
	x := 0.0
	for _, segment := range []struct {
		took  records.Seconds
		class string
		title string
		most  float64 // of the scale
	}{
		{t.Reply, "model", "model", 1}, {t.Tools, "tools", "tools", 1}, {t.Exchange, "persona", "persona", 1},
		{t.Waiting, "waits", "waiting", 0.15}, {t.Retrying, "retries", "retrying", 1}, {t.Overhead, "rest", "overhead", 1},
	} {
		if segment.took <= 0 {
			continue
		}
		// 0.85 leaves the place of the longest wait.
		width := max(min(float64(segment.took)/longest*0.85, segment.most)*laneWidth, 2)
		width = min(width, laneWidth-x)
		text := segment.title + " " + span(segment.took.Duration())
		l.Bars = append(l.Bars, bar{X: int(x), Width: max(int(width), 1), Class: segment.class, Title: text})
		said = append(said, text)
		x += width
	}
	l.Words = strings.Join(said, ", ")
	for _, s := range t.Steps {
		l.Steps = append(l.Steps, newStep(s))
		if s.Failure != nil {
			l.Failures++
		}
	}
	return l
}

func newStep(s records.Step) step {
	out := step{Kind: line(words(string(s.Kind)), 40), At: clock(s.Scheduled), Attempts: s.Attempts, Detail: line(s.Detail, 400)}
	if !s.Ended.IsZero() && !s.Scheduled.IsZero() {
		out.Took = span(s.Ended.Sub(s.Scheduled).Round(time.Millisecond))
	}
	if f := s.Failure; f != nil {
		out.Failure, out.Remedy, out.Final = line(strings.Join(nonEmpty(string(f.Kind), f.Reason), ": "), 600), line(f.Remedy, 400), f.Final
	}
	if t := s.Tool; t != nil {
		out.Kind += " " + line(t.Tool, 80)
		out.Failed = t.Failed
		out.Outcome = line(words(t.Decision), 40)
	}
	if r := s.Reply; r != nil {
		out.Detail = strings.Join(nonEmpty(out.Detail, line(r.Model, 80), tokens(r.Usage), line(r.FinishReason, 40)), " · ")
	}
	return out
}
