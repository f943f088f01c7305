package iiiserve

import (
	"context"
	"time"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/records"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

type getRequest struct {
	ConversationID string `json:"conversationId"`
	AgentID        string `json:"agentId"`
	// From is the index of the first message wanted.
	From int `json:"from"`
}

// summary has the fields of a conversation in a list.
type summary struct {
	ConversationID  string                   `json:"conversationId"`
	WorkflowID      string                   `json:"workflowId"`
	AgentID         string                   `json:"agentId"`
	PersonaFunction string                   `json:"personaFunction,omitempty"`
	Status          string                   `json:"status"`
	Open            bool                     `json:"open"`
	Turns           int                      `json:"turns"`
	Outcome         conversation.OutcomeKind `json:"outcome,omitempty"`
	EndedBy         conversation.EndedBy     `json:"endedBy,omitempty"`
	Started         time.Time                `json:"started,omitzero"`
	Ended           time.Time                `json:"ended,omitzero"`
}

type getResponse struct {
	summary
	Detail    string     `json:"detail,omitempty"`
	Attention *attention `json:"attention,omitempty"`
	Usage     usage      `json:"usage"`
	Total     int        `json:"total"`
	Messages  []message  `json:"messages"`
}

type attention struct {
	Reason string    `json:"reason"`
	Remedy string    `json:"remedy,omitempty"`
	Since  time.Time `json:"since"`
}

type usage struct {
	InputTokens  int64 `json:"inputTokens"`
	OutputTokens int64 `json:"outputTokens"`
}

type message struct {
	Index int                 `json:"index"`
	Role  conversation.Role   `json:"role"`
	Text  string              `json:"text"`
	Parts []conversation.Part `json:"parts,omitempty"`
	Time  time.Time           `json:"time,omitzero"`
}

func (s *Server) summarize(c records.Conversation) summary {
	return summary{
		ConversationID: s.bare(c.Project, c.ID), WorkflowID: c.ID, AgentID: c.Agent, PersonaFunction: c.Simulation, Status: c.Status,
		// The workflow may still have an event to publish.
		Open:  c.Open && c.Status != string(workflows.StateClosed),
		Turns: c.Turns, Outcome: c.Outcome, EndedBy: c.EndedBy, Started: c.Started, Ended: c.Ended,
	}
}

// get returns a conversation with its messages from an index on.
func (s *Server) get(ctx context.Context, _ iii.Invocation, req getRequest) (getResponse, error) {
	ref, err := s.find(ctx, req.AgentID, req.ConversationID)
	if err != nil {
		return getResponse{}, err
	}
	record, err := s.operator.Show(ctx, workflows.ConversationID(ref))
	if err != nil {
		return getResponse{}, err
	}
	out := getResponse{
		summary: s.summarize(record.Conversation), Detail: record.Detail, Messages: []message{},
		Usage: usage{InputTokens: record.Usage.InputTokens, OutputTokens: record.Usage.OutputTokens},
	}
	if at := record.Attention; at != nil {
		out.Attention = &attention{Reason: at.Reason, Remedy: at.Remedy, Since: at.Since}
	}
	for _, m := range record.Messages {
		out.Total = max(out.Total, m.Index+1)
		if m.Index >= req.From {
			out.Messages = append(out.Messages, message{Index: m.Index, Role: m.Role, Text: m.Text, Parts: m.Parts, Time: m.Time})
		}
	}
	return out, nil
}
