package iiiserve

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// personaRef is the ref of a conversation whose user is a persona function.
func (s *Server) personaRef(agent, id, function string) conversation.Ref {
	return conversation.Ref{Platform: s.cfg.Name, Project: agent, Agent: agent, Simulation: function, ID: id}
}

// refs are the two refs that a conversation of an agent can have: without and with a
// persona function.
func (s *Server) refs(agent, id string) [2]conversation.Ref {
	return [2]conversation.Ref{launch.DirectRef(agent, id), s.personaRef(agent, id, "")}
}

// checkID refuses ids that cannot be part of a workflow id.
func checkID(id string) error {
	switch {
	case strings.TrimSpace(id) != id || strings.ContainsAny(id, "\n\r\t"):
		return invalid("conversationId %q must not begin or end with a space, or have line breaks", id)
	case len(id) > 200:
		return invalid("conversationId has %d bytes, must have at most 200", len(id))
	case !conversation.ValidInWorkflowID(id):
		return invalid("conversationId %q must be printable ASCII: encode other characters, such as %%C3%%A9", id)
	}
	return nil
}

// checkMessageID refuses ids that would do harm where they are printed.
func checkMessageID(id string) error {
	if strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return invalid("messageId %.100q has characters that are not printable", id)
	}
	return nil
}

// find returns the conversation with this id, or this workflow id, of the agent, or of
// all agents if agent is empty. It describes the exact workflows, because visibility may
// not list them yet.
func (s *Server) find(ctx context.Context, agent, id string) (conversation.Ref, error) {
	if err := errors.Join(missing([2]string{"conversationId", id}), checkID(id)); err != nil {
		return conversation.Ref{}, err
	}
	agents := s.agents
	if agent != "" {
		a, err := s.agent(agent)
		if err != nil {
			return conversation.Ref{}, err
		}
		agents = []config.Agent{a}
	}
	var found []conversation.Ref
	for _, a := range agents {
		for _, ref := range s.refs(a.Name, s.bare(a.Name, id)) {
			c, err := s.operator.Describe(ctx, workflows.ConversationID(ref))
			if records.KindOf(err) == records.NotFound {
				continue
			}
			if err != nil {
				return conversation.Ref{}, err
			}
			ref.Simulation = c.Simulation
			found = append(found, ref)
		}
	}
	switch len(found) {
	case 0:
		return conversation.Ref{}, iii.Errorf(codeNotFound, "there is no conversation %q", id)
	case 1:
		return found[0], nil
	}
	var ids []string
	for _, ref := range found {
		ids = append(ids, workflows.ConversationID(ref))
	}
	return conversation.Ref{}, invalid("%d conversations have the id %q: add agentId, or use one of %s", len(found), id, quoted(ids))
}

// bare removes the prefix that a workflow id has before the conversation's id.
func (s *Server) bare(agent, id string) string {
	for _, ref := range s.refs(agent, "") {
		if rest, ok := strings.CutPrefix(id, ref.String()); ok {
			return rest
		}
	}
	return id
}

// absent returns an error if the other ref of an id exists already: an id must not name
// two conversations.
func (s *Server) absent(ctx context.Context, other conversation.Ref) error {
	c, err := s.operator.Describe(ctx, workflows.ConversationID(other))
	switch {
	case records.KindOf(err) == records.NotFound:
		return nil
	case err != nil:
		return err
	case c.Simulation != "":
		return invalid("conversation %q has the personaFunction %q: it takes no messages", other.ID, c.Simulation)
	}
	return invalid("conversation %q exists without a personaFunction: choose another conversationId", other.ID)
}
