package pulsetest

import (
	"time"

	"github.com/google/uuid"

	"github.com/parley-run/parley/platforms/pulse"
)

// A Claim is one claim that succeeded.
type Claim struct {
	Task        string `json:"task"`
	Worker      string `json:"worker"`
	ExecutionID string `json:"execution_id,omitempty"`
	// Due is the occurrence that was claimed.
	Due time.Time `json:"due"`
	At  time.Time `json:"at"`
	// Parallel means that another claim was in force.
	Parallel bool `json:"parallel,omitempty"`
}

// An Ack is one acknowledgement that was answered with 200.
type Ack struct {
	Task        string `json:"task"`
	Worker      string `json:"worker"`
	ExecutionID string `json:"execution_id,omitempty"`
	Status      string `json:"status"`
	Error       string `json:"error,omitempty"`
	TookMS      int64  `json:"took_ms,omitempty"`
	// Due is the task's occurrence at that time.
	Due time.Time `json:"due"`
	At  time.Time `json:"at"`
	// Counted means that it was recorded. Acknowledgements of finished tasks are not.
	Counted bool `json:"counted,omitempty"`
}

// claim claims a task for a worker. ok is false if it is refused.
func (s *Server) claim(id, worker string) (executionID string, ok bool) {
	t, now := s.tasks[id], s.second()
	if t == nil {
		return "", false
	}
	parallel := false
	switch t.status {
	case pulse.StatusActive:
	case pulse.StatusProcessing:
		parallel = s.quirks.ParallelClaims
		lockedAt, _ := t.metadata["locked_at"].(int64)
		stale := s.quirks.Lease > 0 && now-lockedAt > int64(s.quirks.Lease/time.Second)
		if !parallel && !stale {
			return "", false
		}
	default:
		return "", false
	}
	if t.metadata == nil {
		t.metadata = map[string]any{}
	}
	t.status, t.bucket = pulse.StatusProcessing, -1
	t.metadata["locked_by"], t.metadata["locked_at"] = worker, now
	if s.quirks.ExecutionIDs {
		executionID = uuid.NewString()
		t.metadata["current_execution_id"] = executionID
	}
	if parallel {
		ids, _ := t.metadata["execution_ids"].([]any)
		t.metadata["execution_ids"] = append(append([]any{}, ids...), executionID)
	}
	s.claims = append(s.claims, Claim{
		Task: id, Worker: worker, ExecutionID: executionID,
		Due: time.Unix(t.next, 0).UTC(), At: s.Now(), Parallel: parallel,
	})
	return executionID, true
}

// acknowledge handles an acknowledgement.
func (s *Server) acknowledge(t *task, a Ack) {
	now := s.second()
	a.Task, a.Due, a.At = t.id, time.Unix(t.next, 0).UTC(), s.Now()
	switch t.status {
	case pulse.StatusActive, pulse.StatusProcessing, pulse.StatusExpired:
		a.Counted = s.quirks.RepeatedAcks || !t.recurring() || !t.ran(a.ExecutionID)
	}
	s.acks = append(s.acks, a)
	if !a.Counted {
		return
	}
	t.history = append(t.history, Execution{
		ExecutionID: a.ExecutionID, ExecutedAt: now, Status: a.Status, TookMS: &a.TookMS, Error: a.Error,
	})
	switch {
	case t.recurring() && t.status != pulse.StatusExpired:
		t.proceed(now)
	case t.absolute && now < t.next:
		t.due(t.next) // the same occurrence, again
	default:
		t.over(pulse.StatusCompleted)
	}
}

func (t *task) ran(executionID string) bool {
	for _, e := range t.history {
		if e.ExecutionID == executionID && executionID != "" {
			return true
		}
	}
	return false
}

// Expire does what Pulse does every 30 seconds: tasks past their time expire.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quirks.Expiry == 0 {
		return
	}
	now := s.second()
	for _, t := range s.order {
		if t.status != pulse.StatusActive || now-t.next < int64(s.quirks.Expiry/time.Second) {
			continue
		}
		t.history = append(t.history, Execution{
			ExecutionID: uuid.NewString(), ExecutedAt: t.next, Status: pulse.StatusExpired, ExpiredAt: now,
		})
		switch {
		case t.cron != nil && s.quirks.CronStuck:
			t.bucket = -1
		case t.recurring():
			t.proceed(now)
		default:
			t.over(pulse.StatusExpired)
		}
	}
}

// BuiltIn does what Pulse's own worker does every ten seconds: it claims the agents'
// tasks that are due within a minute, and runs them one after the other. Here they take
// no time and succeed.
func (s *Server) BuiltIn() {
	const worker = "agent-executor-0badcafe"
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.second()
	for _, t := range s.order {
		if t.kind != pulse.TypeRunAgent && t.kind != pulse.TypeExecuteAgent ||
			t.status != pulse.StatusActive || t.bucket < now/60-1 || t.bucket > now/60+1 {
			continue
		}
		id, ok := s.claim(t.id, worker)
		if !ok {
			continue
		}
		t.results[id] = nil
		s.acknowledge(t, Ack{Worker: worker, ExecutionID: id, Status: pulse.AckSuccess})
	}
}

// Restart does to the tasks what a restart of Pulse does: what was scheduled with a
// delay, and what is past, becomes completed without having run; recurring tasks
// lose an occurrence.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.second()
	for _, t := range s.order {
		if t.status != pulse.StatusActive {
			continue
		}
		switch {
		case t.cron != nil:
			t.due(t.cron.Next(time.Unix(now, 0).UTC()).Unix())
		case t.every > 0:
			t.due(t.next + t.every)
		case !t.absolute || t.next <= now:
			t.over(pulse.StatusCompleted)
		}
	}
}
