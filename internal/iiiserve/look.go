package iiiserve

import (
	"context"
	"strings"
	"time"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/workflows"
)

type getRequest struct {
	ConversationID string `json:"conversationId"`
	AgentID        string `json:"agentId"`
	// From is the index of the first message wanted.
	From int `json:"from"`
}

// summary is one conversation in a few words.
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

func (s *Server) summarized(c operate.Conversation) summary {
	return summary{
		ConversationID: s.bare(c.Project, c.ID), WorkflowID: c.ID, AgentID: c.Agent, PersonaFunction: c.Simulation, Status: c.Status,
		// Its workflow may have an event to tell of yet.
		Open:  c.Open && c.Status != string(workflows.StateClosed),
		Turns: c.Turns, Outcome: c.Outcome, EndedBy: c.EndedBy, Started: c.Started, Ended: c.Ended,
	}
}

// get reads a conversation.
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
		summary: s.summarized(record.Conversation), Detail: record.Detail, Messages: []message{},
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

type listRequest struct {
	AgentID string `json:"agentId"`
	Status  string `json:"status"`
	Limit   int    `json:"limit"`
}

type listResponse struct {
	Conversations []summary `json:"conversations"`
	Total         int64     `json:"total"`
}

// The limits of a list.
const (
	defaultListed = 50
	maxListed     = 500
)

// list shows conversations with the agents served here, the newest first.
func (s *Server) list(ctx context.Context, _ iii.Invocation, req listRequest) (listResponse, error) {
	names := s.agentNames()
	if req.AgentID != "" {
		a, err := s.agent(req.AgentID)
		if err != nil {
			return listResponse{}, err
		}
		names = []string{a.Name}
	}
	switch {
	case req.Limit < 0 || req.Limit > maxListed:
		return listResponse{}, invalid("limit is %d: write a number up to %d", req.Limit, maxListed)
	case req.Limit == 0:
		req.Limit = defaultListed
	}
	filter := operate.Filter{Query: among(workflows.KeyPlatform.GetName(), launch.DirectPlatform, s.cfg.Name) +
		" AND " + among(workflows.KeyAgent.GetName(), names...)}
	if req.Status != "" {
		filter.Statuses = []string{req.Status}
	}
	page, err := s.operator.List(ctx, filter, req.Limit)
	if err != nil {
		return listResponse{}, err
	}
	out := listResponse{Conversations: []summary{}, Total: page.Counts.Total}
	for _, c := range page.Conversations {
		out.Conversations = append(out.Conversations, s.summarized(c))
	}
	return out, nil
}

// among is a visibility term for one of some values.
func among(key string, values ...string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = "'" + strings.ReplaceAll(strings.ReplaceAll(v, `\`, `\\`), "'", `\'`) + "'"
	}
	return key + " IN (" + strings.Join(quoted, ", ") + ")"
}

type endRequest struct {
	ConversationID string `json:"conversationId"`
	AgentID        string `json:"agentId"`
	Reason         string `json:"reason"`
}

type endResponse struct {
	ConversationID string `json:"conversationId"`
	// Ended is false if it was over before.
	Ended bool `json:"ended"`
}

// end ends a conversation. Ending one that is over succeeds.
func (s *Server) end(ctx context.Context, _ iii.Invocation, req endRequest) (endResponse, error) {
	ref, err := s.find(ctx, req.AgentID, req.ConversationID)
	if err != nil {
		return endResponse{}, err
	}
	_, err = s.operator.End(ctx, workflows.ConversationID(ref), workflows.EndRequest{Reason: printable.Text(req.Reason)})
	switch operate.KindOf(err) {
	case "", operate.Ended:
	case operate.Rejected: // the workflow declines for one reason: somebody else ends it already
	default:
		return endResponse{}, err
	}
	return endResponse{ConversationID: ref.ID, Ended: err == nil}, nil
}
