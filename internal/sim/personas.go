package sim

import (
	"net/http"
	"time"
)

func (s *Simulator) listPersonas(r *http.Request) (any, error) {
	f := newForm(r)
	projectID := f.project()
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.view(func() (any, error) {
		sim, err := s.st.findSimulation(projectID, r.PathValue("sid"))
		if err != nil {
			return nil, err
		}
		out := list[personaJSON]{Data: []personaJSON{}}
		for i := len(sim.personas) - 1; i >= 0; i-- {
			out.Data = append(out.Data, sim.personas[i].wire())
		}
		return out, nil
	})
}

func (s *Simulator) approvePersona(r *http.Request) (any, error) {
	return s.setApproval(r, approvalApproved, "Persona approved")
}

func (s *Simulator) rejectPersona(r *http.Request) (any, error) {
	return s.setApproval(r, approvalRejected, "Persona rejected")
}

func (s *Simulator) setApproval(r *http.Request, approval, message string) (any, error) {
	return s.changeSimulation(r, func(sim *simulation, now time.Time) (any, error) {
		p := s.st.persona[r.PathValue("pid")]
		if p == nil || p.row.Simulation != sim.row.ID {
			return nil, notFound("Persona")
		}
		if p.row.Approval != approval {
			row := p.row
			row.Approval, row.Updated = approval, now
			s.commit(entry{Personas: []personaRow{row}})
			s.advance(now) // an approval may make conversations due
		}
		return done{message}, nil
	})
}
