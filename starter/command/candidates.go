package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// A candidate is a conversation to start, for one of the agents.
type candidate struct {
	agent config.Agent
	platforms.Assignment
	adopt bool
}

// agents are the agents whose conversations are to be started.
func (f runFlags) agents(c *config.Config, names []string) ([]config.Agent, error) {
	left := slices.DeleteFunc(slices.Clone(c.Agents), func(a config.Agent) bool {
		return f.platform != "" && a.Platform != f.platform || f.project != "" && a.Project != f.project
	})
	if len(left) == 0 {
		return nil, usagef("no agent in the configuration has that platform and project: there are %s", strings.Join(agentNames(c.Agents), ", "))
	}
	if f.agent != "" {
		return chooseAgents(left, []string{f.agent}, false)
	}
	// A simulation or a name belongs to one of them: ask all.
	return chooseAgents(left, nil, f.simulation != "" || len(names) > 0)
}

// find lists what waits on the platforms, and picks the wanted conversations.
func find(
	ctx context.Context, assembly *assemble.Assembly, agents []config.Agent, f runFlags, names []string, warn func(format string, args ...any),
) ([]candidate, error) {
	waiting, err := ask(ctx, assembly, agents, f.adopt)
	// Unreadable rows must not keep the others from being run.
	rows, err := platforms.RowErrors(err)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		warn("skipped: %v", row)
	}
	if f.simulation != "" {
		waiting = slices.DeleteFunc(waiting, func(c candidate) bool { return c.Ref.Simulation != f.simulation })
	}
	if len(names) == 0 {
		slices.SortStableFunc(waiting, func(a, b candidate) int { return a.Created.Compare(b.Created) })
		return waiting, nil
	}
	found := make([]candidate, 0, len(names))
	for _, name := range names {
		c, err := pick(name, waiting, agents, f)
		if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	return found, nil
}

// ask lists what waits for the agents and, to adopt, what was claimed.
func ask(ctx context.Context, assembly *assemble.Assembly, agents []config.Agent, open bool) ([]candidate, error) {
	var (
		mu   sync.Mutex
		all  []candidate
		errs []error
		wg   sync.WaitGroup
	)
	for _, agent := range agents {
		wg.Go(func() {
			listed, err := askOne(ctx, assembly.Platforms[agent.Platform].Platform, agent, open)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, listed...)
			rows, err := platforms.RowErrors(err)
			for _, row := range rows {
				errs = append(errs, row)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("agent %q: %w", agent.Name, err))
			}
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

func askOne(ctx context.Context, platform platforms.Platform, agent config.Agent, open bool) ([]candidate, error) {
	source, ok := platforms.As[platforms.Source](platform)
	if !ok {
		return nil, nil // it has no list: only named conversations can be run
	}
	assigned, err := source.Assigned(ctx, agent.Project, agent.Agent)
	var all []candidate
	for _, a := range assigned {
		all = append(all, candidate{agent: agent, Assignment: a})
	}
	if !open {
		return all, err
	}
	claimed, openErr := source.Open(ctx, agent.Project, agent.Agent)
	for _, a := range claimed {
		all = append(all, candidate{agent: agent, Assignment: a, adopt: true})
	}
	return all, errors.Join(err, openErr)
}

// pick finds a conversation by its workflow id or its own. One that does not wait can
// still be run if its agent and simulation are known: the claim decides.
func pick(name string, waiting []candidate, agents []config.Agent, f runFlags) (candidate, error) {
	var found []candidate
	for _, c := range waiting {
		if c.Ref.ID == name || workflows.ConversationID(c.Ref) == name {
			found = append(found, c)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		ids := make([]string, len(found))
		for i, c := range found {
			ids[i] = workflows.ConversationID(c.Ref)
		}
		return candidate{}, usagef("%q names %d conversations, give one of: %s", name, len(found), strings.Join(ids, ", "))
	}
	id, owners := name, agents
	if parts := strings.SplitN(name, "/", 3); len(parts) == 3 {
		id = parts[2]
		owners = slices.DeleteFunc(slices.Clone(agents), func(a config.Agent) bool { return a.Platform != parts[0] || a.Project != parts[1] })
	}
	if f.simulation == "" || len(owners) != 1 {
		return candidate{}, &exitError{codeNotFound, fmt.Errorf(
			"no conversation %q waits for an agent: to run one that does not wait, give --simulation, and --agent if there are several", name)}
	}
	owner := owners[0]
	return candidate{agent: owner, Assignment: platforms.Assignment{Ref: conversation.Ref{
		Platform: owner.Platform, Project: owner.Project, Simulation: f.simulation, Agent: owner.Agent, ID: id,
	}}}, nil
}
