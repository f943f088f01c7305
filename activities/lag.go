package activities

import (
	"sync"
	"time"
)

// A lagMeter remembers how slowly Temporal has acknowledged this worker's heartbeats
// recently. A nil one measures nothing.
type lagMeter struct {
	mu          sync.Mutex
	now, before time.Duration // the worst of this period, and of the one before
	since       time.Time     // when this period began
}

// lagPeriod is how long a slow answer is remembered, up to twice.
const lagPeriod = 5 * time.Minute

// A server this fast needs no longer heartbeat timeout than the usual one.
const noLag = heartbeatTimeout / 6

func (m *lagMeter) add(took time.Duration) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	m.now = max(m.now, took)
}

func (m *lagMeter) turn() {
	switch since := time.Since(m.since); {
	case since >= 2*lagPeriod:
		m.now, m.before, m.since = 0, 0, time.Now()
	case since >= lagPeriod:
		m.now, m.before, m.since = 0, m.now, time.Now()
	}
}

// worst is the longest of late, in whole seconds. Zero: all were fast.
func (m *lagMeter) worst() time.Duration {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	worst := max(m.now, m.before)
	if worst <= noLag {
		return 0
	}
	return (worst + time.Second - 1).Truncate(time.Second)
}
