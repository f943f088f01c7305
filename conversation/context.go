package conversation

import (
	"encoding/json"
	"time"
)

// Context is the platform's description of a conversation before it begins. It is for
// operators and for routing: persona, scenario and criteria are kept apart from the
// agent's input, because an agent that knows them is not being tested.
type Context struct {
	Persona    Persona     `json:"persona,omitzero"`
	Scenario   string      `json:"scenario,omitempty"`
	Simulation string      `json:"simulation,omitempty"` // the simulation's name
	AgentName  string      `json:"agent_name,omitempty"`
	Objectives []Objective `json:"objectives,omitempty"`
	// MaxMessages is the platform's own limit, counted in messages of both
	// sides. Zero: none known.
	MaxMessages int `json:"max_messages,omitempty"`
	// Expires is when the platform ends the conversation by itself. Zero: never.
	Expires time.Time `json:"expires,omitzero"`
	// AgentFirst means that the agent opens the conversation; otherwise the
	// persona does.
	AgentFirst bool `json:"agent_first,omitempty"`
	// Metadata is the platform's, for routing. It holds no secrets.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Task is set for a task: a conversation of one turn, whose reply is the result.
	Task *Task `json:"task,omitempty"`
}

// A Persona is the other side: the user that the platform plays.
type Persona struct {
	ID         string            `json:"id,omitempty"`
	Summary    string            `json:"summary,omitempty"`
	Story      string            `json:"story,omitempty"`
	Purpose    string            `json:"purpose,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// An Objective is one criterion by which the platform judges the agent.
type Objective struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	Criteria string `json:"criteria,omitempty"`
}

// Executor is the name in the metadata's field "executor", or empty.
func (c Context) Executor() string {
	var m struct {
		Executor string `json:"executor"`
	}
	if json.Unmarshal(c.Metadata, &m) != nil {
		return ""
	}
	return m.Executor
}
