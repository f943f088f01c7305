package sim

import (
	"net/http"
	"time"
)

func (st *state) findConversation(projectID, simulationID, id string) (*talk, error) {
	sim, err := st.findSimulation(projectID, simulationID)
	if err != nil {
		return nil, err
	}
	if t := st.talk[id]; t != nil && t.row.Simulation == sim.row.ID {
		return t, nil
	}
	return nil, notFound("Conversation")
}

// conversation finds the conversation that the path names. Read all other parameters
// from f before: validation errors come before lookups.
func (s *Simulator) conversation(f *form) (*talk, error) {
	projectID := f.project()
	if err := f.err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.st.findConversation(projectID, f.r.PathValue("sid"), f.r.PathValue("cid"))
}

func (s *Simulator) listConversations(r *http.Request) (any, error) {
	f := newForm(r)
	projectID, page := f.project(), f.page()
	if err := f.err(); err != nil {
		return nil, err
	}
	return s.operate(r, OpList, nil, func(*operation) (any, error) {
		return s.view(func() (any, error) {
			sim, err := s.st.findSimulation(projectID, r.PathValue("sid"))
			if err != nil {
				return nil, err
			}
			var rows []*talk
			for i := len(sim.conversations) - 1; i >= 0; i-- {
				t := sim.conversations[i]
				if !f.query.Has("status") || f.query.Get("status") == t.row.Status {
					rows = append(rows, t)
				}
			}
			return cut(page, rows, s.st.wireConversation), nil
		})
	})
}

func (s *Simulator) getConversation(r *http.Request) (any, error) {
	t, err := s.conversation(newForm(r))
	if err != nil {
		return nil, err
	}
	return s.operate(r, OpGet, t, func(*operation) (any, error) {
		return s.view(func() (any, error) { return s.st.wireConversation(t), nil })
	})
}

func (s *Simulator) items(r *http.Request) (any, error) {
	t, err := s.conversation(newForm(r))
	if err != nil {
		return nil, err
	}
	return s.operate(r, OpItems, t, func(*operation) (any, error) {
		return s.view(func() (any, error) {
			out := list[itemJSON]{Data: make([]itemJSON, len(t.items))}
			for i, item := range t.items {
				out.Data[i] = item.wire()
			}
			return out, nil
		})
	})
}

// start claims a conversation. Exactly one call succeeds.
func (s *Simulator) start(r *http.Request) (any, error) {
	t, err := s.conversation(newForm(r))
	if err != nil {
		return nil, err
	}
	return s.operate(r, OpStart, t, func(o *operation) (any, error) {
		if err := s.readBeforeClaim(o); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.row.Status != statusQueued {
			o.hint(HintStartedTwice)
			if s.cfg.Lenient.Claims || t.row.Status == statusEnded {
				return nil, conflict("Conversation is not queued")
			}
		}
		if s.st.simulation[t.row.Simulation].row.Status != statusInProgress {
			o.hint(HintNotRunning)
		}
		now := s.now()
		row := t.row
		row.Status, row.Updated = statusInProgress, now
		s.commit(entry{Conversations: []conversationRow{row}, Events: o.event(http.StatusOK, now)})
		return done{"Conversation started"}, nil
	})
}

// readBeforeClaim refuses what is not queued. OneRun reads before it writes, and misses
// a change in between. A slow fault waits here, so that it widens the gap.
func (s *Simulator) readBeforeClaim(o *operation) error {
	s.mu.RLock()
	queued := o.talk.row.Status == statusQueued
	s.mu.RUnlock()
	if !queued {
		o.hint(HintStartedTwice)
		return conflict("Conversation is not queued")
	}
	return s.pause(o.fault.slow)
}

// end closes a conversation from the agent's side.
func (s *Simulator) end(r *http.Request) (any, error) {
	t, err := s.conversation(newForm(r))
	if err != nil {
		return nil, err
	}
	return s.operate(r, OpEnd, t, func(o *operation) (any, error) {
		release, err := o.takeTurn()
		if err != nil {
			return nil, err
		}
		defer release()
		s.mu.Lock()
		defer s.mu.Unlock()
		switch t.row.Status {
		case statusInProgress:
		case statusEnded:
			o.hint(HintEndAfterEnd)
			return nil, badRequest("Conversation has already ended")
		default:
			o.hint(HintEndBeforeStart)
			return nil, badRequest("Conversation is not in progress")
		}
		now := s.now()
		o.detail = reasonAgent
		row := s.endedRow(t, t.items, reasonAgent, now)
		s.commit(entry{Conversations: []conversationRow{row}, Events: o.event(http.StatusOK, now)})
		s.settle(t, now)
		return done{"Conversation ended"}, nil
	})
}

// endedRow is the conversation as it is after its end, judged. It needs mu.
func (s *Simulator) endedRow(t *talk, items []itemRow, reason string, now time.Time) conversationRow {
	row := t.row
	row.Status, row.EndReason, row.Updated = statusEnded, reason, now
	row.Evaluation = statusCompleted
	row.Evaluations = s.judge(row, items, now)
	return row
}

// settle applies the consequences of an end: its simulation may be complete, or all
// simulations done. It needs mu.
func (s *Simulator) settle(t *talk, now time.Time) {
	sim := s.st.simulation[t.row.Simulation]
	if sim.row.Status == statusInProgress && sim.evaluated >= sim.row.Target {
		s.setStatus(sim, statusCompleted, now)
	}
	if sim.done() {
		s.checkDone()
	}
}
