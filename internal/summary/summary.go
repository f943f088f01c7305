package summary

import (
	"cmp"
	"slices"

	"github.com/parley-run/parley/conversation"
)

// A Summary is what many conversations have in common.
type Summary struct {
	Coverage Coverage `json:"coverage"`
	// Results count the conversations by how they ended, or by their status: the most
	// frequent first.
	Results  []Count `json:"results"`
	Statuses []Count `json:"statuses"`
	// Passed, Failed and Undecided are by the rules.
	Passed    int `json:"passed"`
	Failed    int `json:"failed"`
	Undecided int `json:"undecided"`
	// Turns, Duration, Tokens have one value for each conversation; Reply, Exchange and
	// Overhead one for each turn. Times are in seconds.
	Turns    Distribution `json:"turns"`
	Duration Distribution `json:"duration_seconds"`
	Tokens   Distribution `json:"tokens"`
	Reply    Distribution `json:"reply_seconds"`
	Exchange Distribution `json:"exchange_seconds"`
	Overhead Distribution `json:"overhead_seconds"`
	// Waiting and Retrying are sums.
	Waiting  float64            `json:"waiting_seconds"`
	Retrying float64            `json:"retrying_seconds"`
	Usage    conversation.Usage `json:"usage"`
	// Cost has one entry for each currency. Money of two currencies is never added, so
	// Usage.Cost is zero here.
	Cost     []Money   `json:"cost"`
	Retries  int       `json:"retries"`
	Failures []Failure `json:"failures"`
	Tools    []Tool    `json:"tools"`
	// Personas, Executors and Models have the worst first: by the rate of failures.
	Personas  []Row `json:"personas"`
	Executors []Row `json:"executors"`
	Models    []Row `json:"models"`
	// Evaluations sum up the platform's, by objective. Evaluated is how many conversations
	// have any.
	Evaluations []Objective `json:"evaluations"`
	Evaluated   int         `json:"evaluated"`
}

// A Count is a number of conversations with something in common.
type Count struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// Money is an amount of one currency.
type Money struct {
	// Currency is empty where it is not known.
	Currency string `json:"currency"`
	Micros   int64  `json:"micros"`
	// Conversations is how many have cost something.
	Conversations int `json:"conversations"`
}

// An Objective sums up the scores of one objective.
type Objective struct {
	Name   string       `json:"name"`
	Scores Distribution `json:"scores"`
}

// A Row sums up the conversations with one persona and scenario, or with one executor or
// model. One that several executors or models have answered is in the row of each.
type Row struct {
	Name     string `json:"name"`
	Scenario string `json:"scenario,omitempty"`
	Side
}

// A Side is the part of a row that a comparison has twice. Means are over conversations.
type Side struct {
	Conversations int     `json:"conversations"`
	Passed        int     `json:"passed"`
	Failed        int     `json:"failed"`
	Results       []Count `json:"results"`
	// Evaluated is how many have a score, and Score their mean.
	Evaluated int          `json:"evaluated,omitempty"`
	Score     float64      `json:"score,omitempty"`
	Turns     float64      `json:"turns"`
	Reply     Distribution `json:"reply_seconds"`
	Tokens    float64      `json:"tokens"`
	Cost      []Money      `json:"cost,omitempty"`
	Retries   int          `json:"retries,omitempty"`
}

// FailureRate is the part of the decided conversations that failed. Without one it is 0.
func (s Side) FailureRate() float64 { return ratio(s.Failed, s.Passed+s.Failed) }

// FailureRate is the part of the decided conversations that failed. Without one it is 0.
func (s Summary) FailureRate() float64 { return ratio(s.Failed, s.Passed+s.Failed) }

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Of sums up cases. coverage gives Exist, Unread and Limit; the rest of it is counted.
func Of(cases []Case, coverage Coverage, rules Rules) Summary {
	s := Summary{Coverage: coverage, Evaluations: []Objective{}, Cost: []Money{}, Failures: []Failure{}, Tools: []Tool{}}
	s.Coverage.Read, s.Coverage.Ended, s.Coverage.Open, s.Coverage.Timed = len(cases), 0, 0, 0
	results, statuses := counter{}, counter{}
	var turns, durations, tokens, replies, exchanges, overheads []float64
	scores := map[string][]float64{}
	for _, c := range cases {
		results.add(c.Result())
		statuses.add(c.Status)
		if c.Open {
			s.Coverage.Open++
		} else {
			s.Coverage.Ended++
		}
		if c.Timed {
			s.Coverage.Timed++
		}
		switch rules.Class(c) {
		case Passed:
			s.Passed++
		case Failed:
			s.Failed++
		default:
			s.Undecided++
		}
		turns, durations, tokens = append(turns, float64(c.Turns)), append(durations, c.Seconds), append(tokens, float64(c.Tokens()))
		replies, exchanges, overheads = append(replies, c.Reply...), append(exchanges, c.Exchange...), append(overheads, c.Overhead...)
		s.Waiting, s.Retrying, s.Retries = s.Waiting+c.Waiting, s.Retrying+c.Retrying, s.Retries+c.Retries
		s.Usage = s.Usage.Add(c.Usage)
		s.Failures, s.Tools = addFailures(s.Failures, c.Failures), addTools(s.Tools, c.Tools)
		if len(c.Evaluations) > 0 {
			s.Evaluated++
		}
		for _, e := range c.Evaluations {
			scores[e.Objective] = append(scores[e.Objective], e.Score)
		}
	}
	s.Usage.Cost, s.Cost = 0, costs(cases)
	s.Coverage.Exist = max(s.Coverage.Exist, s.Coverage.Read)
	s.Results, s.Statuses = results.counts(), statuses.counts()
	s.Turns, s.Duration, s.Tokens = Distribute(turns), Distribute(durations), Distribute(tokens)
	s.Reply, s.Exchange, s.Overhead = Distribute(replies), Distribute(exchanges), Distribute(overheads)
	slices.SortStableFunc(s.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Final, a.Final), cmp.Compare(b.Attempts, a.Attempts), cmp.Compare(a.Kind, b.Kind))
	})
	slices.SortStableFunc(s.Tools, func(a, b Tool) int {
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Name, b.Name))
	})
	for name, values := range scores {
		s.Evaluations = append(s.Evaluations, Objective{Name: name, Scores: Distribute(values)})
	}
	slices.SortFunc(s.Evaluations, func(a, b Objective) int {
		return cmp.Or(cmp.Compare(a.Scores.Mean, b.Scores.Mean), cmp.Compare(a.Name, b.Name))
	})
	s.Personas = rows(cases, rules, func(c Case) []group { return []group{groupOf(c)} })
	s.Executors = rows(cases, rules, func(c Case) []group { return named(c.Executors) })
	s.Models = rows(cases, rules, func(c Case) []group { return named(c.Models) })
	return s
}

// A group aligns conversations.
type group struct{ name, scenario string }

func groupOf(c Case) group { return group{c.Persona, c.Scenario} }

func named(names []string) []group {
	out := make([]group, len(names))
	for i, n := range names {
		out[i].name = n
	}
	return out
}

// rows sums up groups, the worst first.
func rows(cases []Case, rules Rules, groups func(Case) []group) []Row {
	in := map[group][]Case{}
	for _, c := range cases {
		for _, g := range groups(c) {
			in[g] = append(in[g], c)
		}
	}
	out := make([]Row, 0, len(in))
	for g, cases := range in {
		out = append(out, Row{Name: g.name, Scenario: g.scenario, Side: sideOf(cases, rules)})
	}
	slices.SortFunc(out, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.FailureRate(), a.FailureRate()), cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Conversations, a.Conversations),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Scenario, b.Scenario))
	})
	return out
}

func sideOf(cases []Case, rules Rules) Side {
	s := Side{Conversations: len(cases), Cost: costs(cases)}
	results := counter{}
	var replies []float64
	for _, c := range cases {
		results.add(c.Result())
		switch rules.Class(c) {
		case Passed:
			s.Passed++
		case Failed:
			s.Failed++
		}
		if score, ok := c.Score(); ok {
			s.Evaluated++
			s.Score += score
		}
		s.Turns += float64(c.Turns)
		s.Tokens += float64(c.Tokens())
		s.Retries += c.Retries
		replies = append(replies, c.Reply...)
	}
	if s.Evaluated > 0 {
		s.Score /= float64(s.Evaluated)
	}
	s.Turns /= float64(max(len(cases), 1))
	s.Tokens /= float64(max(len(cases), 1))
	s.Reply, s.Results = Distribute(replies), results.counts()
	return s
}

// costs are the sums by currency, in the order of their names.
func costs(cases []Case) []Money {
	out := []Money{}
	for _, c := range cases {
		if c.Usage.Cost == 0 {
			continue
		}
		i, found := slices.BinarySearchFunc(out, c.Currency, func(m Money, currency string) int { return cmp.Compare(m.Currency, currency) })
		if !found {
			out = slices.Insert(out, i, Money{Currency: c.Currency})
		}
		out[i].Micros = conversation.Usage{Cost: out[i].Micros}.Add(conversation.Usage{Cost: c.Usage.Cost}).Cost // does not overflow
		out[i].Conversations++
	}
	return out
}

func addFailures(all, more []Failure) []Failure {
	for _, f := range more {
		i := slices.IndexFunc(all, func(g Failure) bool { return g.Kind == f.Kind })
		if i < 0 {
			all = append(all, f)
			continue
		}
		all[i].Attempts += f.Attempts
		all[i].Final += f.Final
		all[i].Conversations += f.Conversations
	}
	return all
}

func addTools(all, more []Tool) []Tool {
	for _, t := range more {
		i := slices.IndexFunc(all, func(u Tool) bool { return u.Name == t.Name })
		if i < 0 {
			all = append(all, t)
			continue
		}
		all[i].Calls += t.Calls
		all[i].Errors += t.Errors
		all[i].Approved += t.Approved
		all[i].Refused += t.Refused
		all[i].TimedOut += t.TimedOut
		all[i].Waiting += t.Waiting
	}
	return all
}

type counter map[string]int

func (c counter) add(name string) { c[name]++ }

// counts has the most frequent first.
func (c counter) counts() []Count {
	out := make([]Count, 0, len(c))
	for name, n := range c {
		out = append(out, Count{name, n})
	}
	slices.SortFunc(out, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return out
}
