package sim

import (
	"time"

	"github.com/parley-run/parley/conversation"
)

// States on the wire. OneRun defines more (pending, failed, not_applicable), which it
// never sets.
const (
	statusQueued     = "queued"
	statusInProgress = "in_progress"
	statusCompleted  = "completed"
	statusCanceled   = "canceled"
	statusExpired    = "expired"
	statusPending    = "pending"
	statusEnded      = "ended"

	approvalPending  = "pending"
	approvalApproved = "approved"
	approvalRejected = "rejected"

	reasonPersona  = "persona_decided"
	reasonMaxTurns = "max_turns_reached"
	reasonAgent    = "agent_decided"

	roleAgent   = "assistant"
	rolePersona = "user"
)

// A stamp is a time as OneRun writes it: UTC without a zone, six digits of a fraction or
// none.
type stamp time.Time

// MarshalJSON implements json.Marshaler.
func (t stamp) MarshalJSON() ([]byte, error) {
	at := time.Time(t).UTC()
	layout := `"2006-01-02T15:04:05.000000"`
	if at.Nanosecond()/1000 == 0 {
		layout = `"2006-01-02T15:04:05"`
	}
	return []byte(at.Format(layout)), nil
}

type (
	list[T any] struct {
		Data    []T  `json:"data"`
		HasMore bool `json:"has_more"`
	}
	done struct {
		Message string `json:"message"`
	}
	projectJSON struct {
		ID        string         `json:"id"`
		CreatedAt stamp          `json:"created_at"`
		Metadata  map[string]any `json:"metadata"`
		Name      string         `json:"name"`
		UpdatedAt stamp          `json:"updated_at"`
	}
	agentJSON struct {
		ID          string         `json:"id"`
		CreatedAt   stamp          `json:"created_at"`
		Description *string        `json:"description"`
		Metadata    map[string]any `json:"metadata"`
		Name        string         `json:"name"`
		ProjectID   string         `json:"project_id"`
		UpdatedAt   stamp          `json:"updated_at"`
	}
	countedAgentJSON struct {
		agentJSON
		TotalSimulations int `json:"total_simulations"`
	}
	objectiveJSON struct {
		ID        string `json:"id"`
		CreatedAt stamp  `json:"created_at"`
		Criteria  string `json:"criteria"`
		Name      string `json:"name"`
		ProjectID string `json:"project_id"`
		UpdatedAt stamp  `json:"updated_at"`
		Version   int    `json:"version"`
	}
	simulationJSON struct {
		ID                  string          `json:"id"`
		AgentID             string          `json:"agent_id"`
		Agent               *agentJSON      `json:"agent"`
		AutoApprove         bool            `json:"auto_approve"`
		CreatedAt           stamp           `json:"created_at"`
		ExpiresAt           stamp           `json:"expires_at"`
		LastFailureReason   *string         `json:"last_failure_reason"`
		MaxTurns            int             `json:"max_turns"`
		Metadata            map[string]any  `json:"metadata"`
		Name                string          `json:"name"`
		Objectives          []objectiveJSON `json:"objectives"`
		ProjectID           string          `json:"project_id"`
		Scenario            string          `json:"scenario"`
		Status              string          `json:"status"`
		TargetConversations int             `json:"target_conversations"`
		TargetPersonas      int             `json:"target_personas"`
		UpdatedAt           stamp           `json:"updated_at"`
	}
	personaJSON struct {
		ID             string            `json:"id"`
		ApprovalStatus string            `json:"approval_status"`
		Attributes     map[string]string `json:"attributes"`
		CreatedAt      stamp             `json:"created_at"`
		Metadata       map[string]any    `json:"metadata"`
		Purpose        string            `json:"purpose"`
		SeqID          int               `json:"seq_id"`
		SimulationID   string            `json:"simulation_id"`
		Story          string            `json:"story"`
		Summary        string            `json:"summary"`
		UpdatedAt      stamp             `json:"updated_at"`
	}
	conversationJSON struct {
		ID               string           `json:"id"`
		CreatedAt        stamp            `json:"created_at"`
		EndReason        *string          `json:"end_reason"`
		EvaluationStatus string           `json:"evaluation_status"`
		Evaluations      []evaluationJSON `json:"evaluations"`
		Metadata         map[string]any   `json:"metadata"`
		PersonaID        string           `json:"persona_id"`
		Persona          *personaJSON     `json:"persona"`
		SeqID            int              `json:"seq_id"`
		SimulationID     string           `json:"simulation_id"`
		Status           string           `json:"status"`
		UpdatedAt        stamp            `json:"updated_at"`
	}
	evaluationJSON struct {
		ID             string         `json:"id"`
		ConversationID string         `json:"conversation_id"`
		CreatedAt      stamp          `json:"created_at"`
		ObjectiveID    string         `json:"objective_id"`
		Objective      *objectiveJSON `json:"objective"`
		Reason         *string        `json:"reason"`
		Score          float64        `json:"score"`
		UpdatedAt      stamp          `json:"updated_at"`
	}
	itemJSON struct {
		ID             string      `json:"id"`
		Content        []blockJSON `json:"content"`
		ConversationID string      `json:"conversation_id"`
		CreatedAt      stamp       `json:"created_at"`
		Role           string      `json:"role"`
		Type           string      `json:"type"`
		UpdatedAt      stamp       `json:"updated_at"`
	}
	blockJSON struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	messageJSON struct {
		Type    string      `json:"type"`
		Content []blockJSON `json:"content"`
	}
	responseAnswer struct {
		Ended  bool          `json:"ended"`
		Output []messageJSON `json:"output"`
	}
)

// object is never null on the wire.
func object(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func blocks(texts []string) []blockJSON {
	out := make([]blockJSON, len(texts))
	for i, t := range texts {
		out[i] = blockJSON{"text", t}
	}
	return out
}

func (p *project) wire() projectJSON {
	return projectJSON{p.row.ID, stamp(p.row.Created), object(nil), p.row.Name, stamp(p.row.Updated)}
}

func (a *agent) wire() agentJSON {
	r := a.row
	return agentJSON{r.ID, stamp(r.Created), r.Description, object(r.Metadata), r.Name, r.Project, stamp(r.Updated)}
}

func (r objectiveRow) wire() objectiveJSON {
	return objectiveJSON{r.ID, stamp(r.Created), r.Criteria, r.Name, r.Project, stamp(r.Updated), r.Version}
}

// wire leaves objectives out: only one route has them.
func (st *state) wireSimulation(s *simulation) simulationJSON {
	r := s.row
	out := simulationJSON{
		ID: r.ID, AgentID: r.Agent, AutoApprove: r.AutoApprove, CreatedAt: stamp(r.Created), ExpiresAt: stamp(r.Expires),
		MaxTurns: r.MaxTurns, Metadata: object(nil), Name: r.Name, Objectives: []objectiveJSON{}, ProjectID: r.Project,
		Scenario: r.Scenario, Status: r.Status, TargetConversations: r.Target, TargetPersonas: r.Personas, UpdatedAt: stamp(r.Updated),
	}
	if a := st.agent[r.Agent]; a != nil {
		wire := a.wire()
		out.Agent = &wire
	}
	return out
}

func (p *persona) wire() personaJSON {
	r := p.row
	return personaJSON{
		r.ID, r.Approval, r.Attributes, stamp(r.Created), object(nil), r.Purpose, r.Seq, r.Simulation, r.Story, r.Summary, stamp(r.Updated),
	}
}

func (st *state) wireConversation(t *talk) conversationJSON {
	r := t.row
	out := conversationJSON{
		ID: r.ID, CreatedAt: stamp(r.Created), EvaluationStatus: r.Evaluation, Evaluations: []evaluationJSON{}, Metadata: object(nil),
		PersonaID: r.Persona, SeqID: r.Seq, SimulationID: r.Simulation, Status: r.Status, UpdatedAt: stamp(r.Updated),
	}
	if r.EndReason != "" {
		out.EndReason = &r.EndReason
	}
	if p := st.persona[r.Persona]; p != nil {
		wire := p.wire()
		out.Persona = &wire
	}
	for _, e := range r.Evaluations {
		wire := evaluationJSON{
			ID: e.ID, ConversationID: r.ID, CreatedAt: stamp(e.Created), ObjectiveID: e.Objective, Reason: &e.Reason,
			Score: e.Score, UpdatedAt: stamp(e.Created),
		}
		if o := st.objective[e.Objective]; o != nil { // the current version, as in OneRun
			current := o.row.wire()
			wire.Objective = &current
		}
		out.Evaluations = append(out.Evaluations, wire)
	}
	return out
}

func (r itemRow) wire() itemJSON {
	return itemJSON{r.ID, blocks(r.Texts), r.Conversation, stamp(r.Created), r.Role, "message", stamp(r.Created)}
}

// message is the item as a conversation.Message.
func (r itemRow) message() conversation.Message {
	m := conversation.Message{Role: conversation.Role(r.Role), Time: r.Created}
	for _, t := range r.Texts {
		m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartText, Text: t})
	}
	return m
}
