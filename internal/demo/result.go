package demo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
)

// A Result is what the demo came to.
type Result struct {
	UIURL           string         `json:"ui_url"`
	SimulatorURL    string         `json:"simulator_url"`
	TemporalAddress string         `json:"temporal_address"`
	Conversations   []Conversation `json:"conversations"`
}

// A Conversation is one line of the result.
type Conversation struct {
	// ID is the platform's, WorkflowID Temporal's.
	ID         string `json:"id"`
	WorkflowID string `json:"workflow_id"`
	Persona    string `json:"persona"`
	// Outcome is "ended" unless something went wrong. Besides the other kinds of
	// outcome it can be a state in which the conversation waits for a person.
	Outcome string               `json:"outcome"`
	EndedBy conversation.EndedBy `json:"ended_by,omitempty"`
	// Detail says in a sentence why it did not end well.
	Detail     string              `json:"detail,omitempty"`
	Turns      int                 `json:"turns"`
	DurationMS int64               `json:"duration_ms"`
	Usage      *conversation.Usage `json:"usage,omitempty"`

	executor string
	model    string
	score    float64 // what the simulator's judge gave, from 0 to 1
}

// ended reports whether it came to its proper end.
func (c Conversation) ended() bool { return c.Outcome == string(conversation.OutcomeEnded) }

// fromRecord is a conversation as Temporal knows it.
func fromRecord(id string, r operate.Record) Conversation {
	c := Conversation{
		ID: id, WorkflowID: r.ID, Persona: r.Persona, Outcome: string(r.Outcome), EndedBy: r.EndedBy,
		Turns: r.Turns, DurationMS: r.Duration().Milliseconds(),
		executor: r.Executor, model: r.Model,
	}
	if c.Outcome == "" {
		c.Outcome = r.Status
	}
	if c.Outcome != string(conversation.OutcomeEnded) {
		c.Detail = r.Detail
	}
	if a := r.Attention; a != nil {
		c.Detail = strings.TrimPrefix(a.Step+": "+a.Reason, ": ")
	}
	if r.Usage != (conversation.Usage{}) {
		c.Usage = &r.Usage
	}
	return c
}

// errUnended marks the error about conversations that did not end.
var errUnended = errors.New("not every conversation has ended as it should")

// complaint says in a line how it did not end well.
func (c Conversation) complaint() string {
	return strings.TrimSuffix(c.WorkflowID+" "+c.words()+": "+c.Detail, ": ")
}

// unended is an error unless every conversation ended.
func (r Result) unended() error {
	n := 0
	for _, c := range r.Conversations {
		if !c.ended() {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("demo: %w: %d of %d have not (without --exit they can be looked at in the Temporal UI)",
		errUnended, n, len(r.Conversations))
}

// usage sums up what models were asked for.
func (r Result) usage() conversation.Usage {
	var sum conversation.Usage
	for _, c := range r.Conversations {
		if c.Usage != nil {
			sum = sum.Add(*c.Usage)
		}
	}
	return sum
}
