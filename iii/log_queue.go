package iii

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// logQueue holds records until a connection sends them. It has its own lock, because
// a caller that logs may hold another.
type logQueue struct {
	service string
	wake    chan struct{} // signals the writer; it holds one

	mu      sync.Mutex
	waiting []outgoing
	records int // of waiting; the rest are marks
	dropped int
}

func (q *logQueue) add(message []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.records == logLimit {
		for i, oldest := range q.waiting {
			if oldest.written == nil {
				q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
				q.records--
				q.dropped++
				break
			}
		}
	}
	q.waiting = append(q.waiting, outgoing{message: message})
	q.records++
	q.wakeWriter()
}

// mark closes written once everything that waits now is written.
func (q *logQueue) mark(written chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, outgoing{written: written})
	q.wakeWriter()
}

func (q *logQueue) wakeWriter() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next is the zero value if nothing waits.
func (q *logQueue) next() outgoing {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dropped > 0 {
		lost := logRecord{
			Message: "log records were dropped while the engine was not connected", ServiceName: q.service,
			Data: map[string]json.RawMessage{
				"dropped": json.RawMessage(fmt.Sprint(q.dropped)),
				"time":    json.RawMessage(time.Now().Format(`"` + time.RFC3339Nano + `"`)),
			},
		}
		q.dropped = 0
		if message, err := lost.frame(slog.LevelWarn); err == nil {
			return outgoing{message: message}
		}
	}
	if len(q.waiting) == 0 {
		return outgoing{}
	}
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	if next.written == nil {
		q.records--
	}
	return next
}
