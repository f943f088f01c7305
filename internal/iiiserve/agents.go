package iiiserve

import (
	"fmt"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/workflows"
)

// agent returns the agent with this name or id; empty means the only one.
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

// input is the workflow's input for a conversation with an agent.
func (s *Server) input(a config.Agent, ref conversation.Ref) workflows.ConversationInput {
	in := workflows.ConversationInput{Ref: ref, Policy: a.Policy, Start: &workflows.Start{}}
	if s.cfg.Lifecycle != "" {
		in.Notify = s.cfg.Name
	}
	return in
}

func title(what string) string { return fmt.Sprintf("over iii with %s", what) }
