package iiiserve

import (
	"context"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

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

// end ends a conversation. One that is over already is no error.
func (s *Server) end(ctx context.Context, call iii.Invocation, req endRequest) (endResponse, error) {
	ref, err := s.find(ctx, req.AgentID, req.ConversationID)
	if err != nil {
		return endResponse{}, err
	}
	_, err = s.operator.End(ctx, workflows.ConversationID(ref), workflows.EndRequest{Reason: printable.Text(req.Reason), By: s.caller(ctx, call)})
	switch records.KindOf(err) {
	case "", records.Ended:
	case records.Rejected: // the workflow rejects it for one reason: another call is ending it
	default:
		return endResponse{}, err
	}
	return endResponse{ConversationID: ref.ID, Ended: err == nil}, nil
}
