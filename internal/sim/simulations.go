package sim

import (
	"maps"
	"net/http"
	"time"
)

const (
	defaultMaxTurns = 5
	// mostThings bounds what one request can create.
	mostThings = 100_000
)

// findSimulation finds a simulation by its id. Only with Lenient.Missing must it be of
// the project.
func (st *state) findSimulation(projectID, id string) (*simulation, error) {
	if _, err := st.findProject(projectID); err != nil {
		return nil, err
	}
	if sim := st.simulation[id]; sim != nil && (sim.row.Project == projectID || !st.lenient.Missing) {
		return sim, nil
	}
	return nil, notFound("Simulation")
}

func (s *Simulator) createSimulation(r *http.Request) (any, error) {
	f := newForm(r)
	projectID := f.project()
	body, err := f.body()
	if err != nil {
		return nil, err
	}
	turns := defaultMaxTurns
	row := simulationRow{
		Project: projectID, Agent: f.text(body, "agent_id"), Name: f.text(body, "name"), Scenario: f.text(body, "scenario"),
		Target: f.count(body, "target_conversations", nil, mostThings), Personas: f.count(body, "target_personas", nil, mostThings),
		MaxTurns: f.count(body, "max_turns", &turns, mostThings), AutoApprove: f.flag(body, "auto_approve"),
	}
	objectives := f.texts(body, "objective_ids")
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.edit(func(now time.Time) (any, error) {
		if _, _, err := s.st.findAgent(projectID, row.Agent); err != nil {
			return nil, err
		}
		for _, id := range objectives {
			o, err := s.st.findObjective(projectID, id)
			if err != nil {
				return nil, err
			}
			row.Objectives = append(row.Objectives, o.row)
		}
		out := s.st.wireSimulation(s.st.simulation[s.addSimulation(row, now)])
		out.Status = statusQueued // OneRun answers this status here; the simulation is about to run
		return out, nil
	})
}

// addSimulation makes a simulation with its personas and first conversations.
// It needs mu.
func (s *Simulator) addSimulation(row simulationRow, now time.Time) string {
	row.ID, row.Ordinal, row.Status = newID(longID), len(s.st.simulations)+1, statusInProgress
	row.Created, row.Updated, row.Expires = now, now, now.Add(lifetime)
	e := entry{Simulations: []simulationRow{row}}
	cast := s.cfg.Scenario.Personas
	approval := approvalPending
	if row.AutoApprove {
		approval = approvalApproved
	}
	for i := range row.Personas {
		p := cast[i%len(cast)]
		e.Personas = append(e.Personas, personaRow{
			ID: newID(longID), Simulation: row.ID, Seq: i + 1, Key: p.Key, Approval: approval, Summary: p.Summary, Story: p.Story,
			Purpose: p.Purpose, Attributes: attributes(p), Created: now, Updated: now,
		})
	}
	s.commit(e)
	s.advance(now)
	return row.ID
}

// attributes adds the attributes that every persona has.
func attributes(p Persona) map[string]string {
	out := map[string]string{"age_group": "adult", "speech_style": ""}
	maps.Copy(out, p.Attributes)
	out["version"] = "1"
	return out
}

func (s *Simulator) listSimulations(r *http.Request) (any, error) {
	f := newForm(r)
	projectID, page := f.project(), f.page()
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.operate(r, OpList, nil, func(*operation) (any, error) {
		return s.view(func() (any, error) {
			p, err := s.st.findProject(projectID)
			if err != nil {
				return nil, err
			}
			var rows []*simulation
			for _, sim := range p.simulations {
				if (!f.query.Has("agent_id") || f.query.Get("agent_id") == sim.row.Agent) &&
					(!f.query.Has("status") || f.query.Get("status") == sim.row.Status) && nameContains(f, sim.row.Name) {
					rows = append(rows, sim)
				}
			}
			by := map[string]func(*simulation) string{
				"name":   func(s *simulation) string { return s.row.Name },
				"status": func(s *simulation) string { return s.row.Status },
			}
			return cut(page, newest(f, rows, by), s.st.wireSimulation), nil
		})
	})
}

func (s *Simulator) getSimulation(r *http.Request) (any, error) {
	f := newForm(r)
	projectID := f.project()
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.operate(r, OpGet, nil, func(*operation) (any, error) {
		return s.view(func() (any, error) {
			if s.st.simulation[r.PathValue("sid")] == nil && s.st.project[projectID] != nil && !s.cfg.Lenient.Missing {
				return nil, internalError() // OneRun reads the objectives first
			}
			sim, err := s.st.findSimulation(projectID, r.PathValue("sid"))
			if err != nil {
				return nil, err
			}
			out := s.st.wireSimulation(sim)
			for _, o := range sim.row.Objectives {
				// More than OneRun sends: its Python SDK insists on these fields.
				out.Objectives = append(out.Objectives, o.wire())
			}
			return out, nil
		})
	})
}

// runSimulation restarts a simulation that has stopped. One that has expired gets
// another day.
func (s *Simulator) runSimulation(r *http.Request) (any, error) {
	return s.changeSimulation(r, func(sim *simulation, now time.Time) (any, error) {
		if sim.row.Status != statusInProgress {
			row := sim.row
			row.Status, row.Updated = statusInProgress, now
			if now.After(row.Expires) {
				row.Expires = now.Add(lifetime)
			}
			s.commit(entry{Simulations: []simulationRow{row}})
			s.advance(now)
		}
		return done{"Simulation started"}, nil
	})
}

// cancelSimulation leaves conversations alone, as OneRun does, and a finished simulation
// as it is.
func (s *Simulator) cancelSimulation(r *http.Request) (any, error) {
	return s.changeSimulation(r, func(sim *simulation, now time.Time) (any, error) {
		switch sim.row.Status {
		case statusCompleted, statusExpired, statusCanceled:
		default:
			s.setStatus(sim, statusCanceled, now)
			s.checkDone()
		}
		return done{"Simulation canceled"}, nil
	})
}

func (s *Simulator) changeSimulation(r *http.Request, change func(*simulation, time.Time) (any, error)) (any, error) {
	f := newForm(r)
	projectID := f.project()
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.edit(func(now time.Time) (any, error) {
		sim, err := s.st.findSimulation(projectID, r.PathValue("sid"))
		if err != nil {
			return nil, err
		}
		return change(sim, now)
	})
}
