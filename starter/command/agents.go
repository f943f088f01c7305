package command

import (
	"slices"
	"strings"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/records"
)

// chooseAgents finds the configured agents by name. Without names it takes the only one,
// or all of them.
func chooseAgents(agents []config.Agent, names []string, all bool) ([]config.Agent, error) {
	if len(names) == 0 {
		switch {
		case all, len(agents) == 1:
			return agents, nil
		case len(agents) == 0:
			return nil, usagef("the configuration has no agent")
		}
		return nil, usagef("there are several agents, name one: %s", strings.Join(agentNames(agents), ", "))
	}
	var chosen []config.Agent
	for _, name := range names {
		i := slices.IndexFunc(agents, func(a config.Agent) bool { return a.Name == name || a.Agent == name })
		if i < 0 {
			return nil, usagef("no agent %q in the configuration: there are %s", name, strings.Join(agentNames(agents), ", "))
		}
		chosen = append(chosen, agents[i])
	}
	return chosen, nil
}

func agentNames(agents []config.Agent) []string {
	names := make([]string, len(agents))
	for i, a := range agents {
		names[i] = a.Name
	}
	return names
}

// filterFlags are the filters that several commands share.
type filterFlags struct {
	platform, project, agent, simulation string
	statuses                             []string
	outcomes                             []string
	query                                string
}

// filter turns the flags into a filter. A configured agent's name means its id,
// platform and project.
func (s *starter) filter(f filterFlags) records.Filter {
	out := records.Filter{
		Platform: f.platform, Project: f.project, Agent: f.agent, Simulation: f.simulation,
		Statuses: f.statuses, Outcomes: f.outcomes, Query: f.query,
	}
	if f.agent == "" || f.platform == config.DirectPlatform || f.platform == config.SchedulePlatform {
		return out
	}
	c, err := s.configuration()
	if err != nil {
		return out // otherwise it is the platform's id
	}
	i := slices.IndexFunc(c.Agents, func(a config.Agent) bool { return a.Name == f.agent })
	if i < 0 {
		return out
	}
	a := c.Agents[i]
	out.Agent = a.Agent
	if a.Platform == config.DirectPlatform {
		out.Agent = a.Name
	}
	if out.Platform == "" {
		out.Platform = a.Platform
	}
	if out.Project == "" {
		out.Project = a.Project
	}
	return out
}

// knownExecutor finds a mistyped name before a conversation parks because of it.
func knownExecutor(c *config.Config, name string) error {
	if name == "" || name == executors.Auto {
		return nil
	}
	var names []string
	for _, e := range c.Executors {
		if e.Name == name {
			return nil
		}
		names = append(names, e.Name)
	}
	return usagef("no executor %q in the configuration: there are %s, %s", name, strings.Join(names, ", "), executors.Auto)
}
