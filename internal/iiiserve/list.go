package iiiserve

import (
	"context"
	"strings"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

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
	defaultLimit = 50
	maxLimit     = 500
)

// list returns conversations with the agents served here, the newest first.
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
	case req.Limit < 0 || req.Limit > maxLimit:
		return listResponse{}, invalid("limit is %d, must be 1 to %d", req.Limit, maxLimit)
	case req.Limit == 0:
		req.Limit = defaultLimit
	}
	filter := records.Filter{Query: oneOf(workflows.KeyPlatform.GetName(), launch.DirectPlatform, s.cfg.Name) +
		" AND " + oneOf(workflows.KeyAgent.GetName(), names...)}
	if req.Status != "" {
		filter.Statuses = []string{req.Status}
	}
	page, err := s.operator.List(ctx, filter, req.Limit)
	if err != nil {
		return listResponse{}, err
	}
	out := listResponse{Conversations: []summary{}, Total: page.Counts.Total}
	for _, c := range page.Conversations {
		out.Conversations = append(out.Conversations, s.summarize(c))
	}
	return out, nil
}

// oneOf is a visibility filter for one of several values.
func oneOf(key string, values ...string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = "'" + strings.ReplaceAll(strings.ReplaceAll(v, `\`, `\\`), "'", `\'`) + "'"
	}
	return key + " IN (" + strings.Join(quoted, ", ") + ")"
}
