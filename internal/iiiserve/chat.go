package iiiserve

import (
	"cmp"
	"context"
	"time"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/workflows"
)

// chatFunction is AgentOS's function for a chat with an agent.
const chatFunction = "agent::chat"

type chatRequest struct {
	AgentID   string `json:"agentId"`
	Message   string `json:"message"`
	SessionID string `json:"sessionId"`
	// MessageID is an addition: AgentOS has none.
	MessageID string `json:"messageId"`
}

// chatResponse has the fields of AgentOS's response. Model and usage are not known here.
type chatResponse struct {
	Content    string `json:"content"`
	Model      any    `json:"model"`
	Usage      any    `json:"usage"`
	Iterations int    `json:"iterations"`
	DurationMs int64  `json:"durationMs"`
}

// chat is send in AgentOS's shape: the session is the conversation, which begins with its
// first message and has no idle timeout.
func (s *Server) chat(ctx context.Context, call iii.Invocation, req chatRequest) (chatResponse, error) {
	began := time.Now()
	message := workflows.SendRequest{ID: cmp.Or(req.MessageID, call.ID), Text: req.Message}
	if err := missing([2]string{"agentId", req.AgentID}, [2]string{"message", req.Message}); err != nil {
		return chatResponse{}, err
	}
	if err := message.Validate(); err != nil {
		return chatResponse{}, invalid("%v", err)
	}
	if err := checkMessageID(req.MessageID); err != nil {
		return chatResponse{}, err
	}
	a, err := s.agent(req.AgentID)
	if err != nil {
		return chatResponse{}, err
	}
	id := cmp.Or(req.SessionID, "default:"+req.AgentID)
	if err := checkID(id); err != nil {
		return chatResponse{}, err
	}
	refs := s.refs(a.Name, s.bare(a.Name, id))
	if err := s.absent(ctx, refs[1]); err != nil {
		return chatResponse{}, err
	}
	in := s.input(a, refs[0])
	in.IdleTimeout = -1
	reply, err := s.sendAndWait(ctx, launch.Direct{Input: in, Title: title(a.Name), Open: true}, message)
	if err != nil {
		return chatResponse{}, err
	}
	return chatResponse{Content: reply.Message.Text(), DurationMs: time.Since(began).Milliseconds()}, nil
}
