package iiiserve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

// agent is the one that goes by this name or id; empty means the only one.
func (s *Server) agent(name string) (config.Agent, error) {
	if name == "" {
		if len(s.agents) == 1 {
			return s.agents[0], nil
		}
		return config.Agent{}, invalid("agentId is missing: use one of %s", quoted(s.agentNames()))
	}
	for _, a := range s.agents {
		if a.Name == name {
			return a, nil
		}
	}
	for _, a := range s.agents {
		if a.Agent == name {
			return a, nil
		}
	}
	return config.Agent{}, iii.Errorf(codeUnknown, "there is no agent %q: use one of %s", name, quoted(s.agentNames()))
}

func (s *Server) agentNames() []string {
	var names []string
	for _, a := range s.agents {
		names = append(names, a.Name)
	}
	return names
}

// personaRef names a conversation whose other side is a function.
func (s *Server) personaRef(agent, id, function string) conversation.Ref {
	return conversation.Ref{Platform: s.cfg.Name, Project: agent, Agent: agent, Simulation: function, ID: id}
}

// homes are the two workflows that a conversation of an agent can be.
func (s *Server) homes(agent, id string) [2]conversation.Ref {
	return [2]conversation.Ref{launch.DirectRef(agent, id), s.personaRef(agent, id, "")}
}

// checkID keeps ids short enough for Temporal and for people.
func checkID(id string) error {
	switch {
	case strings.TrimSpace(id) != id || strings.ContainsAny(id, "\n\r\t"):
		return invalid("conversationId %q has spaces around it or line breaks", id)
	case len(id) > 200:
		return invalid("conversationId has %d bytes; at most 200 are possible", len(id))
	case !conversation.ValidInWorkflowID(id):
		return invalid("conversationId %q has characters that are not printable ASCII: write others in another way, such as %%C3%%A9", id)
	}
	return nil
}

// checkMessageID refuses what would do harm where ids are printed.
func checkMessageID(id string) error {
	if strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return invalid("messageId %.100q has characters that are not printable", id)
	}
	return nil
}

// find is the conversation of this id: of the agent, or of all agents where none is
// named. The server is asked for the exact workflows, which visibility may not show
// yet. The workflow's id will do as well.
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
		for _, ref := range s.homes(a.Name, s.bare(a.Name, id)) {
			c, err := s.operator.Describe(ctx, workflows.ConversationID(ref))
			if operate.KindOf(err) == operate.NotFound {
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
	return conversation.Ref{}, invalid("%q names %d conversations: give agentId, or one of %s", id, len(found), quoted(ids))
}

// bare takes off what makes a workflow's id of a conversation's.
func (s *Server) bare(agent, id string) string {
	for _, ref := range s.homes(agent, "") {
		if rest, ok := strings.CutPrefix(id, ref.String()); ok {
			return rest
		}
	}
	return id
}

// free makes sure that the conversation is not held the other way already: one id
// must not name two.
func (s *Server) free(ctx context.Context, other conversation.Ref) error {
	c, err := s.operator.Describe(ctx, workflows.ConversationID(other))
	switch {
	case operate.KindOf(err) == operate.NotFound:
		return nil
	case err != nil:
		return err
	case c.Simulation != "":
		return invalid("conversation %q has the personaFunction %q: it takes no messages", other.ID, c.Simulation)
	}
	return invalid("conversation %q is there without a personaFunction: choose another conversationId", other.ID)
}

// input is a conversation with an agent, as its workflow wants it.
func (s *Server) input(a config.Agent, ref conversation.Ref) workflows.ConversationInput {
	in := workflows.ConversationInput{Ref: ref, Policy: a.Policy, Start: &workflows.Start{}}
	if s.cfg.Lifecycle != "" {
		in.Notify = s.cfg.Name
	}
	return in
}

func title(what string) string { return fmt.Sprintf("over iii with %s", what) }
