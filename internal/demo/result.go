package demo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
)

// A Result is the demo's result.
type Result struct {
	// PageURL is the address of the page of all conversations, with its token.
	PageURL      string `json:"page_url"`
	UIURL        string `json:"ui_url"`
	SimulatorURL string `json:"simulator_url"`
	// SimulatorKey is the key of the simulator's pages. It was made for this run, and is worth
	// nothing after it.
	SimulatorKey    string         `json:"-"`
	TemporalAddress string         `json:"temporal_address"`
	Conversations   []Conversation `json:"conversations"`
}

// A Conversation is one line of the result.
type Conversation struct {
	// ID is the platform's, WorkflowID Temporal's.
	ID         string `json:"id"`
	WorkflowID string `json:"workflow_id"`
	Persona    string `json:"persona"`
	// UI is its address in the Temporal UI. Empty: there is no UI.
	UI string `json:"ui,omitempty"`
	// Outcome is "ended" if all went well. Otherwise it is another kind of outcome, or a
	// state in which the conversation waits for an operator.
	Outcome string               `json:"outcome"`
	EndedBy conversation.EndedBy `json:"ended_by,omitempty"`
	// Detail is a sentence on why it did not end well.
	Detail     string              `json:"detail,omitempty"`
	Turns      int                 `json:"turns"`
	DurationMS int64               `json:"duration_ms"`
	Usage      *conversation.Usage `json:"usage,omitempty"`

	executor string
	model    string
	score    float64 // from the simulator's judge, 0 to 1
}

// ended reports whether it ran to its end.
func (c Conversation) ended() bool { return c.Outcome == string(conversation.OutcomeEnded) }

// fromRecord converts Temporal's record of a conversation.
func fromRecord(id string, r records.Record) Conversation {
	c := Conversation{
		ID: id, WorkflowID: r.ID, Persona: r.Persona, UI: r.UI, Outcome: string(r.Outcome), EndedBy: r.EndedBy,
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
var errUnended = errors.New("not every conversation has ended properly")

// complaint is a line on why it did not end well.
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
	return fmt.Errorf("demo: %w: %d of %d have not (without --exit the Temporal UI stays up to inspect them)",
		errUnended, n, len(r.Conversations))
}

// usage adds up the usage of the models.
func (r Result) usage() conversation.Usage {
	var sum conversation.Usage
	for _, c := range r.Conversations {
		if c.Usage != nil {
			sum = sum.Add(*c.Usage)
		}
	}
	return sum
}
