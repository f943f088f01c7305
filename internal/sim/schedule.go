package sim

import (
	"math"
	"time"
)

const (
	// lifetime is how long a simulation may take.
	lifetime = 24 * time.Hour
	// tick is the interval of the background check. Requests check too.
	tick = time.Second
)

// run advances simulations without requests.
func (s *Simulator) run() {
	every := tick
	if s.cfg.Pass.Size > 0 {
		every = min(every, s.cfg.Pass.Every)
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
			s.catchUp()
		}
	}
}

// catchUp applies what is due.
func (s *Simulator) catchUp() {
	now := s.now()
	s.mu.RLock()
	due := !s.nextDue.IsZero() && !now.Before(s.nextDue)
	s.mu.RUnlock()
	if due {
		s.mu.Lock()
		s.advance(now)
		s.mu.Unlock()
	}
}

// advance advances every simulation to now: it expires, gets its conversations,
// completes. The caller holds mu.
func (s *Simulator) advance(now time.Time) {
	s.nextDue = time.Time{}
	for _, sim := range s.st.simulations {
		s.advanceOne(sim, now)
	}
	s.checkDone()
}

func (s *Simulator) advanceOne(sim *simulation, now time.Time) {
	if sim.row.Status != statusInProgress {
		return
	}
	if now.After(sim.row.Expires) {
		s.setStatus(sim, statusExpired, now)
		return
	}
	s.makeConversations(sim, now)
	if sim.evaluated >= sim.row.Target {
		s.setStatus(sim, statusCompleted, now)
		return
	}
	s.remember(sim.row.Expires.Add(time.Nanosecond))
}

func (s *Simulator) remember(at time.Time) {
	if s.nextDue.IsZero() || at.Before(s.nextDue) {
		s.nextDue = at
	}
}

func (s *Simulator) setStatus(sim *simulation, status string, now time.Time) {
	row := sim.row
	row.Status, row.Updated = status, now
	s.commit(entry{Simulations: []simulationRow{row}})
	s.cfg.Logger.Info("simulation changed", "simulation_id", row.ID, "status", status)
}

// makeConversations makes the conversations that are due: the personas with the fewest
// come first, in order of creation, and none gets more than its share.
func (s *Simulator) makeConversations(sim *simulation, now time.Time) {
	room := sim.row.Target - len(sim.conversations)
	if room <= 0 {
		return
	}
	row := sim.row
	if s.cfg.Pass.Size > 0 {
		passes := int(now.Sub(row.Created)/s.cfg.Pass.Every) + 1
		room = min(room, s.cfg.Pass.Size*max(0, passes-row.Passes))
		row.Passes = max(row.Passes, passes)
		s.remember(row.Created.Add(time.Duration(row.Passes) * s.cfg.Pass.Every))
	}
	var approved []*persona
	willing := 0 // personas that have not been rejected share the work
	for _, p := range sim.personas {
		if p.row.Approval != approvalRejected {
			willing++
		}
		if p.row.Approval == approvalApproved {
			approved = append(approved, p)
		}
	}
	if len(approved) == 0 || room <= 0 {
		return
	}
	share := int(math.Ceil(float64(row.Target) / float64(willing)))
	e := entry{Simulations: []simulationRow{row}}
	for round := 0; round < share && room > 0; round++ {
		for _, p := range approved {
			if p.talks > round || room == 0 {
				continue
			}
			room--
			e.Conversations = append(e.Conversations, conversationRow{
				ID: newID(longID), Simulation: row.ID, Persona: p.row.ID, Seq: len(sim.conversations) + len(e.Conversations) + 1,
				Status: statusQueued, Evaluation: statusPending, Created: now, Updated: now,
			})
		}
	}
	s.commit(e)
	s.cfg.Logger.Debug("conversations made", "simulation_id", row.ID, "count", len(e.Conversations))
}
