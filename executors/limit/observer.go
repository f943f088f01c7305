package limit

import (
	"context"
	"time"
)

// An EventType says what has happened.
type EventType string

// The events.
const (
	// EventSent: a request went to the provider. Wait is how long it waited for
	// its turn within the worker.
	EventSent EventType = "sent"
	// EventQueued: a request was given back, to come again after Wait.
	EventQueued EventType = "queued"
	// EventThrottled: the provider asked to slow down. Wait is how long everything
	// that shares the quota pauses.
	EventThrottled EventType = "throttled"
	// EventEnded: a call is over, however it went.
	EventEnded EventType = "ended"
)

// An Event is what has happened to a quota.
type Event struct {
	Type EventType
	Key  Key
	Wait time.Duration
	// Waiting counts the requests in the queue, InFlight the calls under way.
	Waiting  int
	InFlight int
	// Pace is the part of the limits that is made use of at the moment: 1 is all.
	Pace float64
}

// An Observer observes limiters, for metrics. It is called while the
// limiter is locked: it must be quick and must not call back.
type Observer interface {
	Limited(ctx context.Context, e Event)
}
