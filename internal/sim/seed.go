package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// Setup configures [Simulator.Seed]. The zero value is one simulation of eight
// conversations.
type Setup struct {
	// ProjectName and AgentName: "practice" and the scenario's agent if empty.
	ProjectName string
	AgentName   string
	// AgentMetadata is the agent's metadata. Nil: none.
	AgentMetadata map[string]any
	// Simulations is their number. Zero: 1. Conversations is the number in each. Zero: 8.
	Simulations   int
	Conversations int
	// Personas is the number in each simulation. Zero: as many as the scenario has, but
	// no more than conversations.
	Personas int
	// MaxTurns is the number of messages of both sides after which conversations end.
	// Zero: 12, enough for every built-in persona to decide.
	MaxTurns int
	// ManualApproval makes personas wait for approval; until then they have no
	// conversations.
	ManualApproval bool
	// NoSimulations makes the project, the agent and the objectives only.
	NoSimulations bool
	// Reuse reuses a project and an agent of these names, and the agent's unfinished
	// simulations, from the state file.
	Reuse bool
}

// Seeded is the result of [Simulator.Seed].
type Seeded struct {
	ProjectID     string   `json:"project_id"`
	AgentID       string   `json:"agent_id"`
	ObjectiveIDs  []string `json:"objective_ids"`
	SimulationIDs []string `json:"simulation_ids"`
	// Reused means that the simulations existed before.
	Reused bool `json:"reused"`
}

const (
	seedConversations = 8
	seedMaxTurns      = 12
)

func (setup Setup) withDefaults(sc *Scenario) Setup {
	setup.ProjectName = cmp.Or(setup.ProjectName, "practice")
	setup.AgentName = cmp.Or(setup.AgentName, sc.Agent.Name, "agent")
	setup.Simulations = cmp.Or(setup.Simulations, 1)
	setup.Conversations = cmp.Or(setup.Conversations, seedConversations)
	setup.Personas = cmp.Or(setup.Personas, min(len(sc.Personas), setup.Conversations))
	setup.MaxTurns = cmp.Or(setup.MaxTurns, seedMaxTurns)
	return setup
}

func (setup Setup) validate() error {
	var errs []error
	for _, n := range []struct {
		name  string
		value int
	}{
		{"simulations", setup.Simulations}, {"conversations", setup.Conversations}, {"personas", setup.Personas}, {"max turns", setup.MaxTurns},
	} {
		if n.value < 0 || n.value > mostThings {
			errs = append(errs, fmt.Errorf("sim: seed: %s %d: want at most %d, and no less than 0", n.name, n.value, mostThings))
		}
	}
	return errors.Join(errs...)
}

// Seed makes a project, an agent, the scenario's objectives and simulations ready for a
// worker.
func (s *Simulator) Seed(ctx context.Context, setup Setup) (Seeded, error) {
	if err := errors.Join(ctx.Err(), setup.validate()); err != nil {
		return Seeded{}, err
	}
	sc := s.cfg.Scenario
	setup = setup.withDefaults(sc)
	out := s.seed(sc, setup)
	if err := s.journal.wait(); err != nil {
		return Seeded{}, fmt.Errorf("sim: seed: %w", err)
	}
	return out, nil
}

func (s *Simulator) seed(sc *Scenario, setup Setup) Seeded {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var out Seeded
	if setup.Reuse {
		out = s.existing(setup)
	}
	if len(out.SimulationIDs) > 0 {
		out.Reused = true
		return out
	}
	if out.ProjectID == "" {
		out.ProjectID = s.addProject(setup.ProjectName, now)
	}
	if out.AgentID == "" {
		row := agentRow{Project: out.ProjectID, Name: setup.AgentName, Metadata: setup.AgentMetadata}
		if d := sc.Agent.Description; d != "" {
			row.Description = &d
		}
		out.AgentID = s.addAgent(row, now)
	}
	if len(out.ObjectiveIDs) == 0 {
		for _, o := range sc.Objectives {
			id := s.addObjective(objectiveRow{Project: out.ProjectID, Name: o.Name, Criteria: o.Criteria, Measure: o.Measure, Forbid: o.Forbid}, now)
			out.ObjectiveIDs = append(out.ObjectiveIDs, id)
		}
	}
	if setup.NoSimulations {
		return out
	}
	for i := range setup.Simulations {
		row := simulationRow{
			Project: out.ProjectID, Agent: out.AgentID, Name: cmp.Or(sc.Name, "simulation"), Scenario: sc.Description,
			MaxTurns: setup.MaxTurns, AutoApprove: !setup.ManualApproval, Target: setup.Conversations, Personas: setup.Personas,
		}
		if i > 0 {
			row.Name = fmt.Sprintf("%s %d", row.Name, i+1)
		}
		for _, id := range out.ObjectiveIDs {
			row.Objectives = append(row.Objectives, s.st.objective[id].row)
		}
		out.SimulationIDs = append(out.SimulationIDs, s.addSimulation(row, now))
	}
	return out
}

// existing finds the result of a seed before a restart. It needs mu.
func (s *Simulator) existing(setup Setup) Seeded {
	var out Seeded
	for _, p := range s.st.projects {
		if p.row.Name != setup.ProjectName {
			continue
		}
		out.ProjectID = p.row.ID
		for _, o := range p.objectives {
			out.ObjectiveIDs = append(out.ObjectiveIDs, o.row.ID)
		}
		for _, a := range p.agents {
			if a.row.Name == setup.AgentName {
				out.AgentID = a.row.ID
			}
		}
		for _, sim := range p.simulations {
			if sim.row.Agent == out.AgentID && !sim.done() {
				out.SimulationIDs = append(out.SimulationIDs, sim.row.ID)
			}
		}
		return out
	}
	return out
}
