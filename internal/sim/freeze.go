package sim

import (
	"sync"
	"time"
)

// An eventLoop is the single thread on which OneRun answers. A call that waits for a
// database connection blocks it.
type eventLoop struct {
	mu        sync.Mutex
	responses int // that hold a connection
	until     time.Time
}

// admit takes a connection for a responses call. Without a free one, everything stops
// until that call gives up.
func (s *Simulator) admit() (release func(), err error) {
	if s.cfg.Lenient.Capacity {
		return func() {}, nil
	}
	l := &s.loop
	l.mu.Lock()
	if l.responses < connections {
		l.responses++
		l.mu.Unlock()
		return func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.responses--
		}, nil
	}
	now := time.Now()
	if l.until.Before(now) {
		l.until = now
	}
	l.until = l.until.Add(s.cfg.Freeze)
	l.mu.Unlock()
	s.mu.Lock()
	s.totals.faults["frozen"]++
	s.mu.Unlock()
	s.cfg.Logger.Warn("too many responses calls at once: no call is answered for a while", "calls", connections+1, "for", s.cfg.Freeze.String())
	if err := s.awaitLoop(); err != nil {
		return nil, err
	}
	return nil, internalError()
}

// awaitLoop waits while the loop is blocked.
func (s *Simulator) awaitLoop() error {
	for {
		s.loop.mu.Lock()
		left := time.Until(s.loop.until)
		s.loop.mu.Unlock()
		if left <= 0 {
			return nil
		}
		if err := s.pause(left); err != nil {
			return err
		}
	}
}
