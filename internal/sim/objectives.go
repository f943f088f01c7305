package sim

import (
	"net/http"
	"time"
)

func (st *state) findObjective(projectID, id string) (*objective, error) {
	if _, err := st.findProject(projectID); err != nil {
		return nil, err
	}
	if o := st.objective[id]; o != nil && o.row.Project == projectID {
		return o, nil
	}
	return nil, notFound("Objective")
}

func (s *Simulator) createObjective(r *http.Request) (any, error) {
	f := newForm(r)
	projectID := f.project()
	body, err := f.body()
	if err != nil {
		return nil, err
	}
	row := objectiveRow{Project: projectID, Name: f.text(body, "name"), Criteria: f.text(body, "criteria")}
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.edit(func(now time.Time) (any, error) {
		if _, err := s.st.findProject(projectID); err != nil {
			return nil, err
		}
		return s.st.objective[s.addObjective(row, now)].row.wire(), nil
	})
}

// addObjective needs mu.
func (s *Simulator) addObjective(row objectiveRow, now time.Time) string {
	row.ID, row.Version, row.Created, row.Updated = newID(shortID), 1, now, now
	s.commit(entry{Objectives: []objectiveRow{row}})
	return row.ID
}

func (s *Simulator) listObjectives(r *http.Request) (any, error) {
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
		byName := map[string]func(*objective) string{"name": func(o *objective) string { return o.row.Name }}
		return cut(page, newest(f, p.objectives, byName), func(o *objective) objectiveJSON { return o.row.wire() }), nil
	})
}

// getObjective needs no project id, because OneRun does not check it here either; one
// that is given must be right.
func (s *Simulator) getObjective(r *http.Request) (any, error) {
	f := newForm(r)
	return s.view(func() (any, error) {
		id := r.PathValue("id")
		projectID := f.query.Get("project_id")
		if o := s.st.objective[id]; o != nil && projectID == "" {
			projectID = o.row.Project
		} else if projectID == "" {
			return nil, notFound("Objective")
		}
		o, err := s.st.findObjective(projectID, id)
		if err != nil {
			return nil, err
		}
		return o.row.wire(), nil
	})
}

func (s *Simulator) updateObjective(r *http.Request) (any, error) {
	f := newForm(r)
	projectID := f.project()
	body, err := f.body()
	if err != nil {
		return nil, err
	}
	name, criteria := f.optionalText(body, "name"), f.optionalText(body, "criteria")
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.edit(func(now time.Time) (any, error) {
		o, err := s.st.findObjective(projectID, r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		if name != nil || criteria != nil {
			row := o.row
			row.Version++ // any given field makes a new version; simulations keep theirs
			row.Updated = now
			if name != nil {
				row.Name = *name
			}
			if criteria != nil {
				row.Criteria = *criteria
			}
			s.commit(entry{Objectives: []objectiveRow{row}})
		}
		return o.row.wire(), nil
	})
}
