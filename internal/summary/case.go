package summary

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
)

// A Case is one conversation in figures, without its messages. Durations are in seconds.
type Case struct {
	// ID is the workflow id, "<platform>/<project>/<conversation>".
	ID         string `json:"id"`
	Platform   string `json:"platform,omitempty"`
	Project    string `json:"project,omitempty"`
	Simulation string `json:"simulation,omitempty"`
	Agent      string `json:"agent,omitempty"`
	// Persona is a short description of the other side. Persona and Scenario align two runs.
	Persona  string `json:"persona,omitempty"`
	Scenario string `json:"scenario,omitempty"`
	// Executors and Models are those that have replied.
	Executors []string `json:"executors,omitempty"`
	Models    []string `json:"models,omitempty"`
	// Status, Open, Outcome and EndedBy are as in records.Conversation.
	Status  string                   `json:"status"`
	Open    bool                     `json:"open,omitempty"`
	Outcome conversation.OutcomeKind `json:"outcome,omitempty"`
	EndedBy conversation.EndedBy     `json:"ended_by,omitempty"`
	// Reason is one sentence on the ending, or on what the conversation waits for.
	Reason  string    `json:"reason,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Seconds float64   `json:"duration_seconds"`
	Turns   int       `json:"turns"`
	// Reply, Exchange and Overhead have one value for each turn that has such a time: of the
	// executor, of the platform with its persona, and what is left of a turn without waiting
	// and retrying.
	Reply    []float64 `json:"reply_seconds,omitempty"`
	Exchange []float64 `json:"exchange_seconds,omitempty"`
	Overhead []float64 `json:"overhead_seconds,omitempty"`
	// Waiting is the time for operators and capacity, Retrying that of failed attempts.
	Waiting  float64 `json:"waiting_seconds,omitempty"`
	Retrying float64 `json:"retrying_seconds,omitempty"`
	// Timed is false if not all steps of the conversation are known: times are missing then.
	Timed    bool               `json:"timed"`
	Retries  int                `json:"retries,omitempty"`
	Failures []Failure          `json:"failures,omitempty"`
	Usage    conversation.Usage `json:"usage,omitzero"`
	// Currency is that of Usage.Cost. Empty: not known, or nothing had a price.
	Currency string `json:"currency,omitempty"`
	Tools    []Tool `json:"tools,omitempty"`
	// Evaluations are the platform's. Nil: none is known.
	Evaluations []conversation.Evaluation `json:"evaluations,omitempty"`
	// Link is the address of the conversation in Temporal's web interface, if it is known.
	Link string `json:"link,omitempty"`
}

// A Failure counts the failed attempts of steps by the kind of error. A step of which
// several attempts have failed counts all of them by the kind of the last.
type Failure struct {
	Kind     conversation.Kind `json:"kind"`
	Attempts int               `json:"attempts"`
	// Final counts the steps that no further attempt followed.
	Final int `json:"final,omitempty"`
	// Conversations is how many had such a failure. It is 1 in a [Case].
	Conversations int `json:"conversations"`
}

// A Tool counts the calls of one tool.
type Tool struct {
	Name string `json:"name"`
	// Calls are those that were made, Errors those of them that the tool answered with an
	// error.
	Calls  int `json:"calls"`
	Errors int `json:"errors,omitempty"`
	// Approved, Refused and TimedOut count the decisions of operators, Waiting the calls that
	// wait for one.
	Approved int `json:"approved,omitempty"`
	Refused  int `json:"refused,omitempty"`
	TimedOut int `json:"timed_out,omitempty"`
	Waiting  int `json:"waiting,omitempty"`
}

// CaseOf reduces a record to figures.
func CaseOf(r records.Record) Case {
	c := Case{
		ID: r.ID, Platform: r.Platform, Project: r.Project, Simulation: r.Simulation, Agent: r.Agent, Persona: r.Persona,
		Scenario: r.Scenario, Link: r.UI, Executors: slices.Clone(r.Executors), Models: slices.Clone(r.Models),
		Status: r.Status, Open: r.Open, Outcome: r.Outcome, EndedBy: r.EndedBy, Reason: reason(r),
		Started: r.Started, Ended: r.Ended, Seconds: r.Seconds, Turns: r.Turns, Usage: r.Usage,
		Timed: len(r.Timeline) > 0 && r.Incomplete == "", Currency: r.Currency,
	}
	c.Executors, c.Models = union(c.Executors, r.Executor), union(c.Models, r.Model)
	for _, turn := range r.Timeline {
		c.addTurn(turn)
	}
	return c
}

func reason(r records.Record) string {
	switch {
	case r.Detail != "":
		return r.Detail
	case r.Stranded != nil:
		return r.Stranded.Reason
	case r.Attention != nil:
		return strings.TrimPrefix(r.Attention.Step+": "+r.Attention.Reason, ": ")
	case r.WaitsFor != nil:
		return r.WaitsFor.Reason
	}
	return ""
}

// addTurn takes over one turn. Turn 0 has no reply, but may have failures.
func (c *Case) addTurn(turn records.Turn) {
	replied, exchanged := false, false
	for _, step := range turn.Steps {
		done := !step.Ended.IsZero()
		replied = replied || done && step.Kind == records.StepReply
		exchanged = exchanged || done && step.Kind == records.StepExchange
		c.addFailure(step)
		c.addTool(step)
	}
	if replied {
		c.Reply = append(c.Reply, float64(turn.Reply))
	}
	if exchanged {
		c.Exchange = append(c.Exchange, float64(turn.Exchange))
	}
	if replied && !turn.Ended.IsZero() {
		c.Overhead = append(c.Overhead, float64(turn.Overhead))
	}
	c.Waiting += float64(turn.Waiting)
	c.Retrying += float64(turn.Retrying)
	c.Retries += turn.Retries
	c.Executors = union(c.Executors, turn.Executor)
	c.Models = union(c.Models, turn.Model)
}

func (c *Case) addFailure(step records.Step) {
	if step.Failure == nil {
		return
	}
	f := Failure{Kind: step.Failure.Kind, Attempts: max(step.Attempts-1, 0), Conversations: 1}
	if step.Failure.Final {
		f.Attempts, f.Final = f.Attempts+1, 1
	}
	f.Attempts = max(f.Attempts, 1)
	i := slices.IndexFunc(c.Failures, func(g Failure) bool { return g.Kind == f.Kind })
	if i < 0 {
		c.Failures = append(c.Failures, f)
		return
	}
	c.Failures[i].Attempts += f.Attempts
	c.Failures[i].Final += f.Final
}

func (c *Case) addTool(step records.Step) {
	if step.Tool == nil {
		return
	}
	i := slices.IndexFunc(c.Tools, func(t Tool) bool { return t.Name == step.Tool.Tool })
	if i < 0 {
		i = len(c.Tools)
		c.Tools = append(c.Tools, Tool{Name: step.Tool.Tool})
	}
	tool := &c.Tools[i]
	switch {
	case step.Kind == records.StepTool:
		tool.Calls++
		if step.Tool.Failed || step.Failure != nil && step.Failure.Final {
			tool.Errors++
		}
	case step.Kind != records.StepApproval:
	case step.Tool.Decision == "approved":
		tool.Approved++
	case step.Tool.Decision == "refused":
		tool.Refused++
	case step.Tool.Decision == "timed_out":
		tool.TimedOut++
	case step.Tool.Decision == "" && step.Ended.IsZero():
		tool.Waiting++
	}
}

// Key is the case's outcome, or its status where there is none: the name that [Rules] know.
func (c Case) Key() string { return cmp.Or(string(c.Outcome), c.Status) }

// Result is how the conversation ended, or its status, in words.
func (c Case) Result() string {
	if c.Outcome != "" {
		return conversation.Outcome{Kind: c.Outcome, EndedBy: c.EndedBy}.String()
	}
	return strings.ReplaceAll(cmp.Or(c.Status, "unknown"), "_", " ")
}

// Tokens are those that the provider reported, in and out.
func (c Case) Tokens() int64 { return c.Usage.InputTokens + c.Usage.OutputTokens }

// Score is the mean of the platform's evaluations, and whether there are any.
func (c Case) Score() (float64, bool) {
	if len(c.Evaluations) == 0 {
		return 0, false
	}
	total := 0.0
	for _, e := range c.Evaluations {
		total += e.Score
	}
	return total / float64(len(c.Evaluations)), true
}

func union(all []string, name string) []string {
	if name == "" || slices.Contains(all, name) {
		return all
	}
	return append(all, name)
}
