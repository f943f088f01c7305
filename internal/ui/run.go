package ui

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/summary"
)

// A runKey names a set of conversations: those of a simulation or of an agent.
type runKey struct {
	Kind string // "simulation" or "agent"
	ID   string
}

func (k runKey) String() string { return k.Kind + ":" + k.ID }

func (k runKey) title() string { return k.Kind + " " + line(k.ID, 80) }

// runKeyOf is the inverse of String.
func runKeyOf(text string) (runKey, bool) {
	kind, id, ok := strings.Cut(text[:min(len(text), maxValue)], ":")
	return runKey{kind, id}, ok && id != "" && (kind == "simulation" || kind == "agent")
}

func (k runKey) has(c *records.Conversation) bool {
	if k.Kind == "agent" {
		return c.Agent == k.ID
	}
	return c.Simulation == k.ID
}

func (k runKey) of(all []records.Conversation) (out []*records.Conversation) {
	for i := range all {
		if k.has(&all[i]) {
			out = append(out, &all[i])
		}
	}
	return out
}

// maxRuns bounds the rows of the page of runs.
const maxRuns = 500

// A runRow is one simulation or agent.
type runRow struct {
	Link, Kind, ID      string
	N, Open, Needs      int
	Results             []mark
	Turns, Tokens, Cost string
	Started             moment
	newest              time.Time
}

// runs is the page of all simulations and agents.
func (s *site) runs() (*view, error) {
	snapshot := s.source.Snapshot()
	v := newView(s.frame(), "runs", "runs", "Runs")
	sets := map[runKey][]*records.Conversation{}
	for i := range snapshot.Conversations {
		c := &snapshot.Conversations[i]
		if c.Simulation != "" {
			k := runKey{"simulation", c.Simulation}
			sets[k] = append(sets[k], c)
		}
		if c.Agent != "" {
			k := runKey{"agent", c.Agent}
			sets[k] = append(sets[k], c)
		}
	}
	rows := make([]runRow, 0, len(sets))
	for k, all := range sets {
		rows = append(rows, s.runRow(k, all))
	}
	slices.SortFunc(rows, func(a, b runRow) int {
		return cmp.Or(-cmp.Compare(a.Kind, b.Kind), b.newest.Compare(a.newest), cmp.Compare(a.ID, b.ID))
	})
	errs := []error{s.notices(v, snapshot)}
	for _, r := range rows[:min(len(rows), maxRuns)] {
		errs = append(errs, v.add("runs", keyOf(r.Kind, r.Link), "run-row", r))
	}
	if len(rows) == 0 {
		errs = append(errs, v.add("empty", "empty", "empty", struct{ Filtered, Started bool }{false, !snapshot.At.IsZero()}))
	}
	return v, firstError(errs)
}

func (s *site) runRow(k runKey, all []*records.Conversation) runRow {
	r := runRow{Link: s.Run(k.Kind, k.ID), Kind: k.Kind, ID: line(k.ID, 80), N: len(all)}
	results := map[mark]int{}
	turns, tokens, cost := 0, int64(0), 0.0
	for _, c := range all {
		if c.Open {
			r.Open++
		}
		if waits(c) {
			r.Needs++
		}
		if !c.Open {
			results[label(c)]++
		}
		turns, tokens, cost = turns+c.Turns, tokens+c.Tokens, cost+c.Cost
		if c.Started.After(r.newest) {
			r.newest = c.Started
		}
	}
	for _, m := range slices.SortedFunc(maps.Keys(results), func(a, b mark) int { return cmp.Or(results[b]-results[a], cmp.Compare(a.Text, b.Text)) }) {
		r.Results = append(r.Results, mark{number(int64(results[m])) + " " + m.Text, m.Class})
	}
	r.Turns = fmt.Sprintf("%.1f", float64(turns)/float64(len(all)))
	if tokens > 0 {
		r.Tokens = number(tokens)
	}
	r.Cost, r.Started = money(cost, ""), at(r.newest)
	return r
}

// figures are the cases of a set of conversations, and how many of the closed ones have been
// read. The others are read meanwhile.
func (s *site) figures(all []*records.Conversation) (cases []summary.Case, read, closed int) {
	for _, c := range all {
		figures, ok := s.library.caseOf(c)
		if !c.Open {
			closed++
			if ok {
				read++
			}
		}
		cases = append(cases, figures)
	}
	s.library.want(all)
	return cases, read, closed
}

// A tile is one figure of a summary.
type tile struct{ Name, Value, More string }

// A latency is a row of percentiles.
type latency struct {
	Name                          string
	N                             int
	Mean, P50, P90, P95, P99, Max string
}

func newLatency(name string, d summary.Distribution) latency {
	show := func(v float64) string {
		if d.N == 0 {
			return ""
		}
		return seconds(v)
	}
	return latency{name, d.N, show(d.Mean), show(d.P50), show(d.P90), show(d.P95), show(d.P99), show(d.Max)}
}

func seconds(v float64) string { return span(time.Duration(v * float64(time.Second))) }

// A personaRow is one persona of a run.
type personaRow struct {
	Name, Scenario, Link       string
	N, Passed, Failed          int
	Results                    []mark
	Turns, Reply, Tokens, Cost string
	Retries                    int
}

func (s *site) personaRow(k runKey, r summary.Row) personaRow {
	out := personaRow{
		Name: line(r.Name, 120), Scenario: line(r.Scenario, 120), N: r.Conversations, Passed: r.Passed, Failed: r.Failed, Results: counts(r.Results),
		Turns: fmt.Sprintf("%.1f", r.Turns), Cost: moneys(r.Cost), Retries: r.Retries,
	}
	if r.Name != "" {
		out.Link = s.listWith(url.Values{k.Kind: {k.ID}, "q": {r.Name}})
	}
	if r.Reply.N > 0 {
		out.Reply = seconds(r.Reply.P50)
	}
	if r.Tokens > 0 {
		out.Tokens = number(int64(r.Tokens + 0.5))
	}
	return out
}

func counts(all []summary.Count) (out []mark) {
	for _, c := range all {
		out = append(out, mark{number(int64(c.N)) + " " + line(c.Name, 40), resultClass(c.Name)})
	}
	return out
}

// resultClass is the colour of a result in words.
func resultClass(name string) string {
	switch {
	case strings.HasPrefix(name, "ended"):
		return "good"
	case name == "claim lost", name == "closed":
		return "quiet"
	case name == "failed", name == "terminated", name == "timed out", name == "cancelled":
		return "bad"
	case strings.HasPrefix(name, "needs"), name == "stranded", name == "waits for key":
		return "needs"
	case name == "expired", name == "budget spent":
		return "warn"
	}
	return "runs"
}

func moneys(all []summary.Money) string {
	var out []string
	for _, m := range all {
		out = append(out, money(float64(m.Micros)/1e6, m.Currency))
	}
	return strings.Join(out, ", ")
}

// run is the summary of a simulation or an agent.
func (s *site) run(k runKey) (*view, error) {
	snapshot := s.source.Snapshot()
	all := k.of(snapshot.Conversations)
	if len(all) == 0 && snapshot.Err == nil && !snapshot.At.IsZero() {
		return nil, errNoPage{"No conversation is of " + k.title() + "."}
	}
	v := newView(s.frame(), "run", "runs", k.title())
	cases, read, closed := s.figures(all)
	sum := summary.Of(cases, summary.Coverage{Exist: len(all)}, summary.DefaultRules())
	v.Data = struct{ Heading, All, Compare string }{k.title(), s.Filtered(k.Kind, k.ID), s.CompareWith(k)}
	errs := []error{s.notices(v, snapshot)}
	if read < closed {
		v.refresh = refreshReading
		errs = append(errs, v.add("notices", "reading", "searched", searched{Text: fmt.Sprintf("Reading the conversations: times, tokens and failures are those of %s of %s.", number(int64(read)), number(int64(closed)))}))
	}
	errs = append(errs, v.add("tiles", "tiles", "tiles", runTiles(sum)), v.add("results", "results", "results", counts(sum.Results)))
	for _, l := range []latency{newLatency("reply of the executor", sum.Reply), newLatency("answer of the persona", sum.Exchange), newLatency("overhead of a turn", sum.Overhead), newLatency("whole conversation", sum.Duration)} {
		errs = append(errs, v.add("latencies", keyOf(l.Name), "latency", l))
	}
	for _, f := range sum.Failures {
		errs = append(errs, v.add("failures", keyOf(string(f.Kind)), "failure", struct {
			Kind                           string
			Attempts, Final, Conversations int
		}{line(words(string(f.Kind)), 60), f.Attempts, f.Final, f.Conversations}))
	}
	if sameScenario(sum.Personas) {
		for i := range sum.Personas {
			sum.Personas[i].Scenario = "" // it tells nothing apart
		}
	}
	for _, r := range sum.Personas {
		errs = append(errs, v.add("personas", keyOf(r.Name, r.Scenario), "persona-row", s.personaRow(k, r)))
	}
	return v, firstError(errs)
}

func sameScenario(rows []summary.Row) bool {
	return !slices.ContainsFunc(rows, func(r summary.Row) bool { return r.Scenario != rows[0].Scenario })
}

func runTiles(sum summary.Summary) []tile {
	tiles := []tile{
		{"conversations", number(int64(sum.Coverage.Read)), fmt.Sprintf("%d open", sum.Coverage.Open)},
		{"passed", number(int64(sum.Passed)), fmt.Sprintf("%d failed, %d undecided", sum.Failed, sum.Undecided)},
		{"turns", fmt.Sprintf("%.1f", sum.Turns.Mean), fmt.Sprintf("at most %.0f", sum.Turns.Max)},
	}
	if sum.Reply.N > 0 {
		tiles = append(tiles, tile{"reply, median", seconds(sum.Reply.P50), "95 % within " + seconds(sum.Reply.P95)})
	}
	if n := sum.Usage.InputTokens + sum.Usage.OutputTokens; n > 0 {
		tiles = append(tiles, tile{"tokens", number(n), number(sum.Usage.InputTokens) + " in, " + number(sum.Usage.OutputTokens) + " out"})
	}
	if text := moneys(sum.Cost); text != "" {
		tiles = append(tiles, tile{"cost", text, ""})
	}
	if sum.Retries > 0 {
		tiles = append(tiles, tile{"retries", number(int64(sum.Retries)), seconds(sum.Retrying) + " in all"})
	}
	return tiles
}
