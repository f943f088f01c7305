package onerun

import (
	"bytes"
	"encoding/json"
	"errors"
)

// A Location says where a conversation is on the wire.
type Location struct {
	Project      string
	Simulation   string
	Conversation string
}

// The values of a simulation's status that this package acts on. Others exist,
// and more may come.
const SimulationInProgress = "in_progress"

// The values of a conversation's status. More may come.
const (
	ConversationPending    = "pending"
	ConversationQueued     = "queued"
	ConversationInProgress = "in_progress"
	ConversationEnded      = "ended"
	ConversationFailed     = "failed"
)

// The values of a conversation's end reason. More may come.
const (
	EndPersonaDecided  = "persona_decided"
	EndMaxTurnsReached = "max_turns_reached"
	EndAgentDecided    = "agent_decided"
)

// A Project as OneRun sends it.
type Project struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Metadata  json.RawMessage `json:"metadata"`
	CreatedAt Timestamp       `json:"created_at"`
	UpdatedAt Timestamp       `json:"updated_at"`
}

// An Agent as OneRun sends it.
type Agent struct {
	ID          string          `json:"id"`
	ProjectID   string          `json:"project_id"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Metadata    json.RawMessage `json:"metadata"`
	CreatedAt   Timestamp       `json:"created_at"`
	UpdatedAt   Timestamp       `json:"updated_at"`
}

// A Simulation as OneRun sends it.
type Simulation struct {
	ID        string `json:"id"`
	ProjectID string `json:"project_id"`
	AgentID   string `json:"agent_id"`
	Agent     *Agent `json:"agent"`
	Name      string `json:"name"`
	Scenario  string `json:"scenario"`
	Status    string `json:"status"`
	// MaxTurns counts messages of both sides.
	MaxTurns            int       `json:"max_turns"`
	AutoApprove         bool      `json:"auto_approve"`
	TargetConversations int       `json:"target_conversations"`
	TargetPersonas      int       `json:"target_personas"`
	ExpiresAt           Timestamp `json:"expires_at"`
	// Objectives is empty in lists: [Client.Simulation] fills it.
	Objectives        []Objective     `json:"objectives"`
	LastFailureReason string          `json:"last_failure_reason"`
	Metadata          json.RawMessage `json:"metadata"`
	CreatedAt         Timestamp       `json:"created_at"`
	UpdatedAt         Timestamp       `json:"updated_at"`
}

// An Objective is what OneRun judges conversations by.
type Objective struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Criteria string `json:"criteria"`
	Version  int    `json:"version"`
}

// A Persona as OneRun sends it.
type Persona struct {
	ID             string `json:"id"`
	SimulationID   string `json:"simulation_id"`
	SeqID          int    `json:"seq_id"`
	ApprovalStatus string `json:"approval_status"`
	Summary        string `json:"summary"`
	Story          string `json:"story"`
	Purpose        string `json:"purpose"`
	// Attributes is an object of any shape.
	Attributes json.RawMessage `json:"attributes"`
	Metadata   json.RawMessage `json:"metadata"`
	CreatedAt  Timestamp       `json:"created_at"`
	UpdatedAt  Timestamp       `json:"updated_at"`
}

// A Conversation as OneRun sends it. UpdatedAt does not move with every message.
type Conversation struct {
	ID               string          `json:"id"`
	SimulationID     string          `json:"simulation_id"`
	SeqID            int             `json:"seq_id"`
	Status           string          `json:"status"`
	EndReason        string          `json:"end_reason"`
	EvaluationStatus string          `json:"evaluation_status"`
	Evaluations      []Evaluation    `json:"evaluations"`
	PersonaID        string          `json:"persona_id"`
	Persona          *Persona        `json:"persona"`
	Metadata         json.RawMessage `json:"metadata"`
	CreatedAt        Timestamp       `json:"created_at"`
	UpdatedAt        Timestamp       `json:"updated_at"`
}

// An Evaluation is the judge's result for one objective.
type Evaluation struct {
	ID             string     `json:"id"`
	ConversationID string     `json:"conversation_id"`
	ObjectiveID    string     `json:"objective_id"`
	Objective      *Objective `json:"objective"`
	Score          float64    `json:"score"`
	Reason         string     `json:"reason"`
	CreatedAt      Timestamp  `json:"created_at"`
	UpdatedAt      Timestamp  `json:"updated_at"`
}

// An Item is one stored message. Role "user" is the persona, "assistant" the
// agent.
type Item struct {
	ID             string         `json:"id"`
	ConversationID string         `json:"conversation_id"`
	Type           string         `json:"type"`
	Role           string         `json:"role"`
	Content        []ContentBlock `json:"content"`
	CreatedAt      Timestamp      `json:"created_at"`
	UpdatedAt      Timestamp      `json:"updated_at"`
}

// A ContentBlock is a piece of a message. Raw is the whole block as it came, for
// types this package does not know.
type ContentBlock struct {
	Type string          `json:"type"`
	Text string          `json:"text"`
	Raw  json.RawMessage `json:"-"`
}

// UnmarshalJSON implements [json.Unmarshaler]. A block of type text must have one; of
// any other block only Raw is sure.
func (b *ContentBlock) UnmarshalJSON(data []byte) error {
	var p struct {
		Type string          `json:"type"`
		Text json.RawMessage `json:"text"`
	}
	if text := bytes.TrimSpace(data); len(text) == 0 || text[0] != '{' {
		return errors.New("a block is no object")
	}
	if err := tolerant(data, &p); err != nil {
		return err
	}
	*b = ContentBlock{Type: p.Type, Raw: append(json.RawMessage(nil), data...)}
	isText := len(p.Text) > 0 && p.Text[0] == '"' && json.Unmarshal(p.Text, &b.Text) == nil
	if p.Type == "text" && !isText {
		return errors.New("a block of type text has no text")
	}
	return nil
}

// A WireMessage is a message on its way to or from [Client.Respond].
type WireMessage struct {
	Type string `json:"type"`
	// Role is "assistant" for the agent's own message, which a stock OneRun does not
	// repeat. Empty or "user": the persona's.
	Role    string         `json:"role,omitempty"`
	Content []ContentBlock `json:"content"`
}

// TextMessage is a message of one text block.
func TextMessage(text string) WireMessage {
	return WireMessage{Type: "message", Content: []ContentBlock{{Type: "text", Text: text}}}
}

// A Response is what [Client.Respond] returns. Once Ended is true, the
// conversation is closed; Output may still hold the persona's last words.
type Response struct {
	Ended  bool          `json:"ended"`
	Output []WireMessage `json:"output"`
}
