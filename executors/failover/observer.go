package failover

import (
	"context"

	"github.com/parley-run/parley/conversation"
)

// A State is that of a breaker.
type State string

// The states of breakers.
const (
	StateClosed   State = "closed"    // all requests go through
	StateHalfOpen State = "half-open" // one goes, to try
	StateOpen     State = "open"      // none goes through
)

// A Switch is a change of links within one attempt.
type Switch struct {
	Chain string
	From  string
	To    string
	// Kind and Err say why.
	Kind conversation.Kind
	Err  error
}

// An Observer observes chains and breakers, for logs and metrics: a chain
// that works also hides that its first link does not.
type Observer interface {
	Switched(ctx context.Context, s Switch)
	// BreakerChanged is called while the breaker is locked: it must be quick and
	// must not call back.
	BreakerChanged(provider string, to State)
}
