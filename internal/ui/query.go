package ui

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// pageSize is the number of rows on a page of the list.
const pageSize = 100

// maxValue bounds a condition in an address.
const maxValue = 500

// A query is what the address of the list says: conditions, order and page.
type query struct {
	Status, Outcome, Agent, Simulation, Executor, Model, Text string
	Sort                                                      string
	Descending                                                bool
	Page                                                      int // from 1
}

// sorts are the columns that order the list, and whether the largest comes first at
// first.
var sorts = map[string]bool{"started": true, "persona": false, "status": false, "turns": true, "tokens": true, "cost": true, "time": true}

func parseQuery(v url.Values) query {
	get := func(name string) string {
		value := v.Get(name)
		return value[:min(len(value), maxValue)]
	}
	q := query{
		Status: get("status"), Outcome: get("outcome"), Agent: get("agent"), Simulation: get("simulation"),
		Executor: get("executor"), Model: get("model"), Text: strings.TrimSpace(get("q")), Sort: get("sort"),
	}
	if _, ok := sorts[q.Sort]; !ok {
		q.Sort = "started"
	}
	q.Descending = sorts[q.Sort]
	switch get("order") {
	case "up":
		q.Descending = false
	case "down":
		q.Descending = true
	}
	q.Page, _ = strconv.Atoi(get("page"))
	q.Page = max(q.Page, 1)
	return q
}

// values is the inverse of parseQuery: the shortest address.
func (q query) values() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("status", q.Status)
	set("outcome", q.Outcome)
	set("agent", q.Agent)
	set("simulation", q.Simulation)
	set("executor", q.Executor)
	set("model", q.Model)
	set("q", q.Text)
	if q.Sort != "started" {
		set("sort", q.Sort)
	}
	if q.Descending != sorts[q.Sort] {
		set("order", map[bool]string{true: "down", false: "up"}[q.Descending])
	}
	if q.Page > 1 {
		set("page", strconv.Itoa(q.Page))
	}
	return v
}

// filtered reports whether there is a condition.
func (q query) filtered() bool {
	return q.Status+q.Outcome+q.Agent+q.Simulation+q.Executor+q.Model+q.Text != ""
}

// matches reports whether a conversation meets the conditions, the text aside.
func (q query) matches(c *records.Conversation) bool {
	is := func(wanted, has string) bool { return wanted == "" || wanted == has }
	has := func(wanted string, all []string) bool { return wanted == "" || slices.Contains(all, wanted) }
	return q.matchesStatus(c) && is(q.Outcome, string(c.Outcome)) && is(q.Agent, c.Agent) && is(q.Simulation, c.Simulation) &&
		has(q.Executor, c.Executors) && has(q.Model, c.Models)
}

// statusNeeds is the condition that a person must act.
const statusNeeds = "needs_person"

func (q query) matchesStatus(c *records.Conversation) bool {
	switch q.Status {
	case "":
		return true
	case records.StatusOpen:
		return c.Open
	case records.StatusClosed:
		return !c.Open
	case statusNeeds:
		return waits(c)
	case records.StatusBroken:
		return !c.Open && c.Status != string(workflows.StateClosed)
	}
	return c.Status == q.Status
}

// waits reports whether an open conversation waits for a person.
func waits(c *records.Conversation) bool {
	if !c.Open {
		return false
	}
	switch c.Status {
	case string(workflows.StateNeedsAttention), string(workflows.StateNeedsApproval), string(workflows.StatePaused), records.StatusStranded, records.StatusWaitsForKey:
		return true
	}
	return false
}

// order sorts conversations. Those of equal rank are in the order of the source.
func (q query) order(all []found) {
	by := map[string]func(a, b *records.Conversation) int{
		"started": func(a, b *records.Conversation) int { return a.Started.Compare(b.Started) },
		"persona": func(a, b *records.Conversation) int {
			return cmp.Compare(strings.ToLower(a.Persona), strings.ToLower(b.Persona))
		},
		"status": func(a, b *records.Conversation) int { return cmp.Compare(label(a).Text, label(b).Text) },
		"turns":  func(a, b *records.Conversation) int { return cmp.Compare(a.Turns, b.Turns) },
		"tokens": func(a, b *records.Conversation) int { return cmp.Compare(a.Tokens, b.Tokens) },
		"cost":   func(a, b *records.Conversation) int { return cmp.Compare(a.Cost, b.Cost) },
		"time":   func(a, b *records.Conversation) int { return cmp.Compare(a.Seconds, b.Seconds) },
	}[q.Sort]
	slices.SortStableFunc(all, func(a, b found) int {
		if q.Descending {
			return by(b.c, a.c)
		}
		return by(a.c, b.c)
	})
}

// found is a conversation that matches, and where the text was found in it.
type found struct {
	c       *records.Conversation
	excerpt string
}
