package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Violation is a promise that was broken, in one conversation or without one.
type Violation struct {
	Rule         string
	Conversation string // the workflow's id
	Text         string
}

// A Rule is one promise, and how often it was looked at.
type Rule struct {
	Name    string
	Checked int
	Broken  int
}

// A Figure is something that is counted and not judged.
type Figure struct {
	Name  string
	Value string
}

// A Report is what the checker says.
type Report struct {
	Rules      []*Rule
	Figures    []Figure
	Violations []Violation
	Folder     string // of the accounts, if they were read from one

	accounts *Accounts
}

// The names of the rules.
const (
	RuleOutcome    = "every conversation assigned has an outcome, or waits visibly"
	RuleTranscript = "the platform's transcript is Temporal's"
	RuleOrder      = "no message is doubled, foreign or out of order"
	RuleClaim      = "none is claimed twice"
	RuleBegun      = "none is left behind"
	RulePaid       = "a recorded answer is never paid again"
	RuleTool       = "a recorded tool call has its effect, once"
	RuleSender     = "each message id has exactly one reply"
	RuleTask       = "each Pulse task is claimed once, never early, and reported once"
	RuleOnTime     = "no Pulse task is later than the faults explain"
	RuleSchedule   = "each time of a schedule has run once"
	RuleResume     = "after a kill of the only worker the median goes on in time"
	RuleAnswered   = "each accepted message is answered"
	RuleInbox      = "the inboxes are alive"
	RuleProcess    = "memory, descriptors and goroutines are flat"
	RuleAlive      = "no worker ends by itself"
)

var ruleNames = []string{
	RuleOutcome, RuleTranscript, RuleOrder, RuleClaim, RuleBegun, RulePaid, RuleTool, RuleSender, RuleAnswered,
	RuleTask, RuleOnTime, RuleSchedule, RuleInbox, RuleResume, RuleProcess, RuleAlive,
}

// checking is one check of some accounts.
type checking struct {
	*Accounts
	rules  map[string]*Rule
	report *Report

	runs    map[string][]*Workflow // by workflow id, the oldest first
	byTalk  map[string]string      // workflow ids by the platform's id
	doubled map[string]bool        // conversations with a POST that the network doubled
	acts    map[string][]Act       // by workflow id
	paid    map[string]Payment     // by token
	owner   map[string]string      // workflow ids by the tokens of recorded answers
	orphans int                    // claims that the network doubled, and that count as lost
	left    int                    // conversations in progress that an operator has terminated
	resume  string                 // how soon conversations go on after a kill of the only worker
	slow    time.Duration          // see slowness
	end     time.Time
	// settings are those of the run that the checker must know, by name.
	settings map[string]float64
}

// Check looks for violations.
func Check(a *Accounts) *Report {
	c := &checking{
		Accounts: a, rules: map[string]*Rule{}, report: &Report{accounts: a},
		runs: map[string][]*Workflow{}, byTalk: map[string]string{}, doubled: map[string]bool{}, acts: map[string][]Act{},
		paid: map[string]Payment{}, owner: map[string]string{}, settings: map[string]float64{},
	}
	for _, name := range ruleNames {
		r := &Rule{Name: name}
		c.rules[name] = r
		c.report.Rules = append(c.report.Rules, r)
	}
	c.index()
	c.conversations()
	c.payments()
	c.tools()
	c.senders()
	c.tasks()
	c.schedules()
	c.inboxes()
	c.resumed()
	c.processes()
	c.figures()
	return c.report
}

func (c *checking) violate(rule, conversation, format string, args ...any) {
	c.rules[rule].Broken++
	c.report.Violations = append(c.report.Violations, Violation{rule, conversation, fmt.Sprintf(format, args...)})
}

// require looks at a rule once.
func (c *checking) require(ok bool, rule, conversation, format string, args ...any) {
	c.rules[rule].Checked++
	if !ok {
		c.violate(rule, conversation, format, args...)
	}
}

var tokenOf = regexp.MustCompile(`\[#([0-9a-z]+)\]`)

// operators begins the tokens of what operators say in an agent's place.
const operators = "op"

func token(text string) string {
	if m := tokenOf.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

func (c *checking) index() {
	for _, w := range c.Workflows {
		if w.Type != "Conversation" {
			continue
		}
		c.runs[w.ID] = append(c.runs[w.ID], w)
		if i := strings.LastIndex(w.ID, "/"); c.Platform[w.ID[i+1:]] != nil {
			c.byTalk[w.ID[i+1:]] = w.ID
		}
		for _, s := range w.Steps {
			for _, t := range s.answers() {
				c.owner[t] = w.ID
			}
		}
	}
	for _, p := range c.Payments {
		c.paid[p.Token] = p
	}
	for _, a := range c.Acts {
		c.acts[a.Conversation] = append(c.acts[a.Conversation], a)
	}
	for _, d := range c.Doubled {
		c.network(d)
	}
	for _, f := range c.Faults {
		switch f.Kind {
		case "end":
			c.end = f.At
		case "setting":
			c.settings[f.Target] = f.Seconds
		}
	}
}

// network finds the conversation of a POST that was delivered twice: by the platform's id
// in its path, or by a token in its body.
func (c *checking) network(d Doubled) {
	for part := range strings.SplitSeq(d.Target, "/") {
		if id := c.byTalk[part]; id != "" {
			c.doubled[id] = true
		}
	}
	for _, t := range tokensIn(d.Body) {
		if id := c.owner[t]; id != "" {
			c.doubled[id] = true
		}
	}
}

var anyToken = regexp.MustCompile(`[0-9a-f]{16}`)

func tokensIn(text string) []string { return anyToken.FindAllString(text, -1) }

// answers are the tokens of the answer that a step has recorded, if it is a reply.
func (s Step) answers() []string {
	if s.Name != "conversation.Reply" || s.Ended != "completed" || s.Result.Message == nil {
		return nil
	}
	var out []string
	if t := token(s.Result.Message.text()); t != "" {
		out = append(out, t)
	}
	for _, p := range s.Result.Message.Parts {
		if p.ToolCall != nil {
			out = append(out, tokensIn(string(p.ToolCall.Arguments))...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// newest is the newest run of a workflow.
func newest(runs []*Workflow) *Workflow { return runs[len(runs)-1] }

// steps are the steps of all runs. A run that was made by a reset begins with a copy of
// another's: what is the same in both is one step.
func steps(runs []*Workflow) []Step {
	type key struct {
		id                int64
		scheduled, closed int64
		ended             string
	}
	var out []Step
	seen := map[key]bool{}
	for _, w := range runs {
		for _, s := range w.Steps {
			k := key{s.ID, s.Scheduled.UnixNano(), s.Closed.UnixNano(), s.Ended}
			if !seen[k] {
				out = append(out, s)
			}
			seen[k] = true
		}
	}
	return out
}

// disturbed reports that an operator has terminated or reset the conversation: Temporal
// has lost, or forgotten, a part of what was done.
func (c *checking) disturbed(id string) bool { return c.acted(id, "terminate", "reset") }

// disturbedBetween reports the same of a time.
func (c *checking) disturbedBetween(id string, from, to time.Time) bool {
	return slices.ContainsFunc(c.acts[id], func(a Act) bool {
		return (a.Act == "terminate" || a.Act == "reset") && a.At.After(from.Add(-actTakes)) && a.At.Before(to.Add(actTakes))
	})
}

// actTakes bounds the time between what an operator does and the line in the account.
const actTakes = 15 * time.Second

func (c *checking) acted(id string, acts ...string) bool {
	return slices.ContainsFunc(c.acts[id], func(a Act) bool { return slices.Contains(acts, a.Act) })
}
