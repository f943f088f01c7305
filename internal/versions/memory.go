package versions

import (
	"sync"
	"time"
)

// A Memory lets readings of the same workers be compared. Heartbeats carry the time of
// the worker's clock, which may differ from the reader's by minutes: one that has advanced
// since an earlier reading is of a live worker, whatever it says. The zero Memory is ready
// to use, and safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	seen map[memorised]sighting
}

type memorised struct {
	identity string
	version  Version
}

type sighting struct {
	at       time.Time // of the newest heartbeat, by the worker's clock
	advanced time.Time // when it was first seen, by ours
	again    bool      // it was not the first
	read     time.Time // the last reading that had the worker
}

// remembered is how long a worker is remembered that is listed no more.
const remembered = 10 * time.Minute

// lives reports whether a worker is there: by its heartbeats since it was first seen, and
// by their times until that says something. A nil Memory has the times alone.
func (m *Memory) lives(h heartbeat, now time.Time) bool {
	if m == nil || h.stopped {
		return h.live(now)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.see(h, now)
	if now.Sub(s.advanced) < h.patience() {
		return s.again || h.live(now)
	}
	return false
}

// see notes a heartbeat.
func (m *Memory) see(h heartbeat, now time.Time) sighting {
	for key, s := range m.seen {
		if now.Sub(s.read) > remembered {
			delete(m.seen, key)
		}
	}
	key := memorised{h.identity, h.version}
	s, known := m.seen[key]
	if !known || h.at.After(s.at) {
		s.at, s.advanced, s.again = h.at, now, known
	}
	s.read = now
	if m.seen == nil {
		m.seen = make(map[memorised]sighting)
	}
	m.seen[key] = s
	return s
}

// Doubt is how long to wait before a second reading with the same Memory decides that a
// version has no workers. Zero: this one does. A worker that is silent by this machine's
// clock may have another clock, and a Temporal server that has just started learns of its
// workers within seconds.
func (s State) Doubt() time.Duration {
	var listed bool
	for _, v := range s.Versions {
		for _, w := range v.Workers {
			listed = true
			if !w.Live && !w.Stopped {
				return HeartbeatInterval + time.Second
			}
		}
	}
	if !listed {
		return 3 * time.Second
	}
	return 0
}
