package sim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// newest sorts rows as lists do: by the given field, newest first if the fields are
// equal or the field is unknown.
func newest[T any](f *form, rows []T, fields map[string]func(T) string) []T {
	out := slices.Clone(rows)
	slices.Reverse(out)
	field, named := fields[f.query.Get("sort_by")]
	descending := f.query.Get("sort_dir") == "" || f.query.Get("sort_dir") == "desc"
	if named {
		slices.SortStableFunc(out, func(a, b T) int {
			if descending {
				a, b = b, a
			}
			return cmp.Compare(field(a), field(b))
		})
	} else if !descending {
		slices.Reverse(out)
	}
	return out
}

func nameContains(f *form, name string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(f.query.Get("name")))
}

// edit runs change with exclusive access to the state.
func (s *Simulator) edit(change func(now time.Time) (any, error)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return change(s.now())
}

// view runs read without concurrent changes. Its result must not be shared.
func (s *Simulator) view(read func() (any, error)) (any, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return read()
}

func (st *state) findProject(id string) (*project, error) {
	if p := st.project[id]; p != nil {
		return p, nil
	}
	return nil, notFound("Project")
}

func (s *Simulator) createProject(r *http.Request) (any, error) {
	f := newForm(r)
	body, err := f.body()
	if err != nil {
		return nil, err
	}
	name := f.text(body, "name")
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.edit(func(now time.Time) (any, error) {
		return s.st.project[s.addProject(name, now)].wire(), nil
	})
}

// addProject needs mu.
func (s *Simulator) addProject(name string, now time.Time) string {
	row := projectRow{ID: newID(shortID), Name: name, Created: now, Updated: now}
	s.commit(entry{Projects: []projectRow{row}})
	return row.ID
}

func (s *Simulator) listProjects(r *http.Request) (any, error) {
	f := newForm(r)
	p := f.page()
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.view(func() (any, error) {
		byName := map[string]func(*project) string{"name": func(p *project) string { return p.row.Name }}
		return cut(p, newest(f, s.st.projects, byName), (*project).wire), nil
	})
}

func (s *Simulator) getProject(r *http.Request) (any, error) {
	return s.view(func() (any, error) {
		p, err := s.st.findProject(r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		return p.wire(), nil
	})
}

func (s *Simulator) updateProject(r *http.Request) (any, error) {
	f := newForm(r)
	body, err := f.body()
	if err != nil {
		return nil, err
	}
	name := f.optionalText(body, "name")
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.edit(func(now time.Time) (any, error) {
		p, err := s.st.findProject(r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		if name != nil {
			row := p.row
			row.Name, row.Updated = *name, now
			s.commit(entry{Projects: []projectRow{row}})
		}
		return p.wire(), nil
	})
}
