package conversation

import (
	"encoding/json"
	"time"
)

// Context is what the platform tells about a conversation before it begins. It
// is for people and for routing: persona, scenario and criteria are kept apart
// from the agent's input, because an agent that knows them is not being tested.
type Context struct {
	Persona    Persona     `json:"persona,omitzero"`
	Scenario   string      `json:"scenario,omitempty"`
	Simulation string      `json:"simulation,omitempty"` // the simulation's name
	AgentName  string      `json:"agent_name,omitempty"`
	Objectives []Objective `json:"objectives,omitempty"`
	// MaxMessages is the platform's own limit, counted in messages of both
	// sides. Zero: none known.
	MaxMessages int `json:"max_messages,omitempty"`
	// Expires is when the platform gives the conversation up. Zero: never.
	Expires time.Time `json:"expires,omitzero"`
	// AgentFirst means that the agent opens the conversation; otherwise the
	// persona does.
	AgentFirst bool `json:"agent_first,omitempty"`
	// Metadata is the platform's, for routing. It holds no secrets.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Task is set where the conversation is one: it has one turn, and the reply is
	// the result.
	Task *Task `json:"task,omitempty"`
}

// A Persona is whom the agent talks to.
type Persona struct {
	ID         string            `json:"id,omitempty"`
	Summary    string            `json:"summary,omitempty"`
	Story      string            `json:"story,omitempty"`
	Purpose    string            `json:"purpose,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// An Objective is what the platform will judge the agent by.
type Objective struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	Criteria string `json:"criteria,omitempty"`
}

// Executor is the executor that the metadata asks for, as {"executor": "name"},
// or empty.
func (c Context) Executor() string {
	var m struct {
		Executor string `json:"executor"`
	}
	if json.Unmarshal(c.Metadata, &m) != nil {
		return ""
	}
	return m.Executor
}
