package platforms

import (
	"context"
	"time"

	"github.com/parley-run/parley/conversation"
)

// As finds an optional power of a platform: p itself if it is a T, else what it wraps,
// by a method Unwrap() Platform, and so on inwards.
//
// A wrapper that changes how a power works implements it; all others reach through.
func As[T any](p Platform) (T, bool) {
	for p != nil {
		if power, ok := p.(T); ok {
			return power, true
		}
		p = unwrap(p)
	}
	var none T
	return none, false
}

// unwrap returns the platform that p wraps. Nil: it wraps none.
func unwrap(p Platform) Platform {
	if w, ok := p.(interface{ Unwrap() Platform }); ok {
		return w.Unwrap()
	}
	return nil
}

// A Source is a platform that can be polled. An agent on it has an inbox. It is an
// optional power, found with [As].
type Source interface {
	// Assigned lists every waiting conversation of the agent, in any order. A row or
	// simulation that cannot be read is left out and reported as a [RowError], all of
	// them joined. Any other error is about the platform as a whole; what could be
	// listed comes with it all the same.
	Assigned(ctx context.Context, project, agent string) ([]Assignment, error)
	// Open lists every conversation of the agent that a worker has claimed and that has
	// not ended, with the time of its newest sign of life. Errors are as for Assigned.
	Open(ctx context.Context, project, agent string) ([]Assignment, error)
}

// A Hinted is a Source that knows when it is worth listing again. It is an optional
// power, found with [As].
type Hinted interface {
	// Next is when the next assignment is expected. Zero: unknown.
	Next() time.Time
}

// An Advised is a Source that can detect a problem which is not an error of its own.
// It is an optional power, found with [As].
type Advised interface {
	// Advice are sentences for the operator, each with what to do. One stays the same
	// for as long as it holds. It makes no request.
	Advice() []string
}

// A Listener is a platform that wants to be notified of what happens to conversations.
// It is an optional power, found with [As]. An event may be notified again.
type Listener interface {
	Notify(ctx context.Context, event conversation.Event) error
}

// A Receiver is a platform that comes with a receiver of callbacks. It is an optional
// power, found with [As].
type Receiver interface {
	// Receiver is the address at which it listens, as "host:port". Empty: none.
	Receiver() string
}

// An Assignment is one conversation or task that a Source lists.
type Assignment struct {
	Ref conversation.Ref `json:"ref"`
	// Created is when the platform made the conversation.
	Created time.Time `json:"created"`
	// Touched is the newest message's time, or the time of the last change the
	// platform knows. Only Open fills it.
	Touched time.Time `json:"touched,omitzero"`
	// Persona is a short description of the other side, for operators.
	Persona string `json:"persona,omitempty"`
}

// An Evaluated platform judges conversations that have ended. It is an optional power, found
// with [As].
type Evaluated interface {
	// Evaluations are the platform's of one conversation, one for each objective. None:
	// there are no objectives, or they are not judged yet.
	Evaluations(ctx context.Context, ref conversation.Ref) ([]conversation.Evaluation, error)
}
