package ui

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/parley-run/parley/internal/records"
)

// A row is one line of the list.
type row struct {
	Link, ID, Persona string
	Label             mark
	Agent, Simulation string
	Executors, Models string
	Turns             int
	Tokens, Cost      string
	Started           moment
	Took              string // of a closed one
	Since             moment // of an open one
	Excerpt, Reason   string
	Filter            *rowFilter // in a bundle
}

// A rowFilter is what the script of a bundle filters a row by.
type rowFilter struct {
	Statuses, Outcome, Agent, Simulation, Executors, Models, Text string
}

// newRowFilter joins several values with line breaks.
func newRowFilter(c *records.Conversation) *rowFilter {
	f := rowFilter{
		Outcome: string(c.Outcome), Agent: c.Agent, Simulation: c.Simulation, Executors: strings.Join(c.Executors, "\n"), Models: strings.Join(c.Models, "\n"),
		Text: strings.ToLower(c.ID + "\n" + c.Persona),
	}
	statuses := []string{c.Status}
	for _, status := range []string{records.StatusOpen, records.StatusClosed, records.StatusBroken, statusNeeds} {
		if (query{Status: status}).matchesStatus(c) {
			statuses = append(statuses, status)
		}
	}
	f.Statuses = strings.Join(statuses, "\n")
	return &f
}

func (s *site) row(f found) row {
	c := f.c
	r := row{
		Link: s.Conversation(c.ID), ID: line(c.ID, 120), Persona: line(c.Persona, 80), Label: label(c),
		Agent: line(c.Agent, 40), Simulation: line(c.Simulation, 40),
		Executors: line(strings.Join(c.Executors, ", "), 60), Models: line(strings.Join(c.Models, ", "), 60),
		Turns: c.Turns, Cost: money(c.Cost, ""), Started: at(c.Started), Excerpt: f.excerpt,
	}
	if n := c.Tokens; n > 0 {
		r.Tokens = number(n)
	}
	if s.files {
		r.Filter = newRowFilter(c)
	}
	if c.Open {
		r.Since = at(c.Started)
	} else if !c.Started.IsZero() {
		r.Took = span(c.Duration())
	}
	if c.Stranded != nil {
		r.Reason = line(c.Stranded.Reason, 160)
	} else if len(c.Retrying) > 0 {
		r.Reason = line(c.Retrying[0].Step+": "+c.Retrying[0].Reason, 160)
	}
	return r
}

// A choice is a select of the filters.
type choice struct {
	Name, Title string
	Options     []option
}

type option struct {
	Value, Text string
	Selected    bool
}

// maxOptions bounds the options of one select: names come from others.
const maxOptions = 300

// choices are the selects for the conversations that there are.
func choices(all []records.Conversation, q query) []choice {
	type names map[string]bool
	agents, simulations, executors, models, outcomes, statuses := names{}, names{}, names{}, names{}, names{}, names{}
	for i := range all {
		c := &all[i]
		agents[c.Agent], simulations[c.Simulation], outcomes[string(c.Outcome)] = true, true, true
		if c.Open {
			statuses[c.Status] = true
		}
		for _, e := range c.Executors {
			executors[e] = true
		}
		for _, m := range c.Models {
			models[m] = true
		}
	}
	make := func(name, title, current string, values names, text func(string) string) choice {
		delete(values, "")
		out := choice{Name: name, Title: title, Options: []option{{"", "any " + strings.ToLower(title), current == ""}}}
		sorted := slices.Sorted(maps.Keys(values))
		if current != "" && !values[current] {
			sorted = append([]string{current}, sorted...)
		}
		for _, v := range sorted[:min(len(sorted), maxOptions)] {
			out.Options = append(out.Options, option{v, text(v), v == current})
		}
		return out
	}
	plain := func(v string) string { return line(v, 60) }
	recorded := func(v string) string { return line(words(v), 60) }
	status := make("status", "Status", q.Status, statuses, func(v string) string {
		if v == statusNeeds {
			return "needs a person"
		}
		return recorded(v)
	})
	fixed := []option{}
	for _, o := range []option{{Value: records.StatusOpen, Text: "open"}, {Value: records.StatusClosed, Text: "closed"}, {Value: statusNeeds, Text: "needs a person"}, {Value: records.StatusBroken, Text: "broken"}} {
		if o.Value != q.Status {
			fixed = append(fixed, o)
		}
	}
	status.Options = slices.Insert(status.Options, 1, fixed...)
	return []choice{
		status,
		make("outcome", "Outcome", q.Outcome, outcomes, recorded),
		make("agent", "Agent", q.Agent, agents, plain),
		make("simulation", "Simulation", q.Simulation, simulations, plain),
		make("executor", "Executor", q.Executor, executors, plain),
		make("model", "Model", q.Model, models, plain),
	}
}

// A column is a head of the list that orders it.
type column struct {
	Name, Title, Link, Sorted string // Sorted: "ascending", "descending" or ""
	Numeric                   bool
}

func (s *site) columns(q query) []column {
	heads := []column{
		{Name: "persona", Title: "Conversation"}, {Name: "status", Title: "State"}, {Title: "Agent · simulation"}, {Title: "Executor · model"},
		{Name: "turns", Title: "Turns", Numeric: true}, {Name: "tokens", Title: "Tokens", Numeric: true}, {Name: "cost", Title: "Cost", Numeric: true},
		{Name: "started", Title: "Started"}, {Name: "time", Title: "Time", Numeric: true},
	}
	for i := range heads {
		h := &heads[i]
		if h.Name == "" || s.files {
			continue
		}
		to := q
		to.Sort, to.Descending, to.Page = h.Name, sorts[h.Name], 1
		if q.Sort == h.Name {
			h.Sorted = map[bool]string{true: "descending", false: "ascending"}[q.Descending]
			to.Descending = !q.Descending
		}
		h.Link = s.listWith(to.values())
	}
	return heads
}

func (s *site) listWith(v url.Values) string {
	if len(v) == 0 {
		return s.List()
	}
	if s.files {
		return s.List() + "#" + v.Encode()
	}
	return s.List() + "?" + v.Encode()
}

// A tally is a count with the list that it counts.
type tally struct {
	Text, Link, Class string
	Current           bool
}

// A pager leads through the pages of the list.
type pager struct {
	Page, Pages    int
	First, Last, N int
	Previous, Next string
}

// list is the first page: all conversations.
func (s *site) list(q query) (*view, error) {
	snapshot := s.source.Snapshot()
	v := newView(s.frame(), "list", "list", "Conversations")
	hits, searched := s.search(snapshot.Conversations, q)
	q.order(hits)
	pages := max((len(hits)+pageSize-1)/pageSize, 1)
	q.Page = min(q.Page, pages)
	from := (q.Page - 1) * pageSize
	shown := hits[from:min(from+pageSize, len(hits))]
	if s.files { // a script filters them
		shown, pages = hits, 1
	}
	data := struct {
		Query   query
		Columns []column
		Clear   string
	}{Query: q, Columns: s.columns(q)}
	if q.filtered() {
		data.Clear = s.List()
	}
	v.Data = data

	errs := []error{s.notices(v, snapshot)}
	for _, c := range choices(snapshot.Conversations, q) {
		errs = append(errs, v.add("filters", c.Name, "choice", c))
	}
	errs = append(errs, v.add("counts", "counts", "counts", s.tallies(snapshot.Conversations, q)))
	if searched != nil {
		if searched.More {
			v.refresh = refreshReading
		}
		errs = append(errs, v.add("notices", "searched", "searched", searched))
	}
	for _, h := range shown {
		errs = append(errs, v.add("rows", keyOf(h.c.ID, h.c.RunID), "row", s.row(h)))
	}
	if len(hits) == 0 {
		errs = append(errs, v.add("empty", "empty", "empty", struct{ Filtered, Started bool }{q.filtered(), !snapshot.At.IsZero()}))
	}
	p := pager{Page: q.Page, Pages: pages, First: from + 1, Last: from + len(shown), N: len(hits)}
	to := q
	if q.Page > 1 {
		to.Page = q.Page - 1
		p.Previous = s.listWith(to.values())
	}
	if q.Page < pages {
		to.Page = q.Page + 1
		p.Next = s.listWith(to.values())
	}
	if len(hits) > 0 {
		errs = append(errs, v.add("pager", "pager", "pager", p))
	}
	return v, firstError(errs)
}

// tallies count the conversations of the other conditions by state.
func (s *site) tallies(all []records.Conversation, q query) []tally {
	q.Page, q.Text = 1, ""
	of := func(status string) (n int) {
		q := q
		q.Status = status
		for i := range all {
			if q.matches(&all[i]) {
				n++
			}
		}
		return n
	}
	var out []tally
	for _, t := range []struct{ status, text, class string }{
		{"", "all", "quiet"}, {records.StatusOpen, "open", "runs"}, {statusNeeds, "need a person", "needs"},
		{records.StatusClosed, "closed", "good"}, {records.StatusBroken, "broken", "bad"},
	} {
		n := of(t.status)
		if n == 0 && t.status != "" && t.status != q.Status {
			continue
		}
		to := q
		to.Status = t.status
		out = append(out, tally{number(int64(n)) + " " + t.text, s.listWith(to.values()), t.class, t.status == q.Status})
	}
	return out
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
