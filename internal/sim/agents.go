package sim

import (
	"net/http"
	"time"
)

func (st *state) findAgent(projectID, id string) (*project, *agent, error) {
	p, err := st.findProject(projectID)
	if err != nil {
		return nil, nil, err
	}
	if a := st.agent[id]; a != nil && a.row.Project == projectID {
		return p, a, nil
	}
	return nil, nil, notFound("Agent")
}

// counted needs mu.
func (p *project) counted(a *agent) countedAgentJSON {
	out := countedAgentJSON{agentJSON: a.wire()}
	for _, sim := range p.simulations {
		if sim.row.Agent == a.row.ID {
			out.TotalSimulations++
		}
	}
	return out
}

func (s *Simulator) createAgent(r *http.Request) (any, error) {
	f := newForm(r)
	projectID := f.project()
	body, err := f.body()
	if err != nil {
		return nil, err
	}
	row := agentRow{Project: projectID, Name: f.text(body, "name"), Description: f.optionalText(body, "description"),
		Metadata: f.optionalObject(body, "metadata")}
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.edit(func(now time.Time) (any, error) {
		p, err := s.st.findProject(projectID)
		if err != nil {
			return nil, err
		}
		return p.counted(s.st.agent[s.addAgent(row, now)]), nil
	})
}

// addAgent needs mu.
func (s *Simulator) addAgent(row agentRow, now time.Time) string {
	row.ID, row.Created, row.Updated = newID(shortID), now, now
	s.commit(entry{Agents: []agentRow{row}})
	return row.ID
}

func (s *Simulator) listAgents(r *http.Request) (any, error) {
	f := newForm(r)
	projectID, page := f.project(), f.page()
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.view(func() (any, error) {
		p, err := s.st.findProject(projectID)
		if err != nil {
			return nil, err
		}
		var rows []*agent
		for _, a := range p.agents {
			if nameContains(f, a.row.Name) {
				rows = append(rows, a)
			}
		}
		byName := map[string]func(*agent) string{"name": func(a *agent) string { return a.row.Name }}
		return cut(page, newest(f, rows, byName), p.counted), nil
	})
}

func (s *Simulator) getAgent(r *http.Request) (any, error) {
	f := newForm(r)
	projectID := f.project()
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.view(func() (any, error) {
		p, a, err := s.st.findAgent(projectID, r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		return p.counted(a), nil
	})
}

func (s *Simulator) updateAgent(r *http.Request) (any, error) {
	f := newForm(r)
	projectID := f.project()
	body, err := f.body()
	if err != nil {
		return nil, err
	}
	name, description := f.optionalText(body, "name"), f.optionalText(body, "description")
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.edit(func(now time.Time) (any, error) {
		p, a, err := s.st.findAgent(projectID, r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		if name != nil || description != nil {
			row := a.row
			row.Updated = now
			if name != nil {
				row.Name = *name
			}
			if description != nil {
				row.Description = description
			}
			s.commit(entry{Agents: []agentRow{row}})
		}
		return p.counted(a), nil
	})
}
