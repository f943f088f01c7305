package pulsetest

import (
	"maps"
	"slices"
	"time"

	"github.com/parley-run/parley/platforms/pulse"
)

// Task is the state of a task. ok is false if there is none with that id.
func (s *Server) Task(id string) (t Task, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.tasks[id]
	if found == nil {
		return Task{}, false
	}
	t = Task{ID: id, Type: found.kind, Status: found.status, Metadata: maps.Clone(found.metadata), Runs: found.count}
	if found.next > 0 {
		t.Next = time.Unix(found.next, 0).UTC()
	}
	return t, true
}

// History is a task's, oldest first, whether or not the server can show it.
func (s *Server) History(id string) []Execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[id]; t != nil {
		return slices.Clone(t.history)
	}
	return nil
}

// Claims are those of a task that succeeded, oldest first. With an empty id, those
// of all.
func (s *Server) Claims(id string) []Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.claims), func(c Claim) bool { return id != "" && c.Task != id })
}

// Acks are the acknowledgements of a task, oldest first. With an empty id, those of
// all.
func (s *Server) Acks(id string) []Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.acks), func(a Ack) bool { return id != "" && a.Task != id })
}

// Requests counts the requests of an operation that passed authentication, including
// those that met a fault.
func (s *Server) Requests(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[op]
}

// ClaimAs claims a task for another worker, which never acknowledges it. ok is false if
// it is refused.
func (s *Server) ClaimAs(id, worker string) (executionID string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim(id, worker)
}

// AckAs acknowledges a task for another worker, as successful.
func (s *Server) AckAs(id, worker, executionID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[id]; t != nil {
		s.acknowledge(t, Ack{Worker: worker, ExecutionID: executionID, Status: pulse.AckSuccess})
	}
}

// Cancel cancels a task.
func (s *Server) Cancel(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[id]; t != nil {
		t.over(pulse.StatusCancelled)
	}
}

// Delete removes a task completely, which the API cannot do.
func (s *Server) Delete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tasks, id)
	s.order = slices.DeleteFunc(s.order, func(t *task) bool { return t.id == id })
}
