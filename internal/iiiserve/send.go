package iiiserve

import (
	"context"
	"errors"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/workflows"
)

type sendRequest struct {
	ConversationID string `json:"conversationId"`
	AgentID        string `json:"agentId"`
	Message        string `json:"message"`
	MessageID      string `json:"messageId"`
}

type sendResponse struct {
	ConversationID string `json:"conversationId"`
	MessageID      string `json:"messageId"`
	Reply          string `json:"reply"`
	// Parts is set if the reply is more than one text.
	Parts []conversation.Part `json:"parts,omitempty"`
	Turn  int                 `json:"turn"`
	Ended bool                `json:"ended"`
}

// send sends a message and waits for the reply. The same messageId gets the same reply.
func (s *Server) send(ctx context.Context, call iii.Invocation, req sendRequest) (sendResponse, error) {
	if req.MessageID == "" {
		req.MessageID = call.ID
	}
	message := workflows.SendRequest{ID: req.MessageID, Text: req.Message}
	if err := errors.Join(missing([2]string{"conversationId", req.ConversationID}, [2]string{"message", req.Message}),
		checkID(req.ConversationID), checkMessageID(req.MessageID)); err != nil {
		return sendResponse{}, err
	}
	if err := message.Validate(); err != nil {
		return sendResponse{}, invalid("%v", err)
	}
	ref, err := s.direct(ctx, req.AgentID, req.ConversationID)
	if err != nil {
		return sendResponse{}, err
	}
	reply, err := s.sendAndWait(ctx, launch.Direct{Input: workflows.ConversationInput{Ref: ref}}, message)
	if errors.Is(err, launch.ErrUnknown) {
		if err := s.absent(ctx, s.refs(ref.Agent, ref.ID)[1]); err != nil {
			return sendResponse{}, err
		}
		return sendResponse{}, iii.Errorf(codeNotFound, "there is no conversation %q with agent %q: %s begins one", ref.ID, ref.Agent, s.id("start"))
	}
	if err != nil {
		return sendResponse{}, err
	}
	return sendResponse{
		ConversationID: ref.ID, MessageID: req.MessageID, Reply: reply.Message.Text(), Parts: beyondText(reply.Message),
		Turn: reply.Turn, Ended: reply.Ended,
	}, nil
}

// direct is the ref of a conversation without a persona function. It searches only if
// there are several agents and the request names none.
func (s *Server) direct(ctx context.Context, agent, id string) (conversation.Ref, error) {
	if agent != "" || len(s.agents) == 1 {
		a, err := s.agent(agent)
		if err != nil {
			return conversation.Ref{}, err
		}
		return launch.DirectRef(a.Name, s.bare(a.Name, id)), nil
	}
	ref, err := s.find(ctx, agent, id)
	if err == nil && ref.Platform != launch.DirectPlatform {
		err = s.absent(ctx, ref)
	}
	return ref, err
}

// beyondText returns the parts of a message that is more than one text, else nil.
func beyondText(m conversation.Message) []conversation.Part {
	if len(m.Parts) == 1 && m.Parts[0].Type == conversation.PartText {
		return nil
	}
	return m.Parts
}
