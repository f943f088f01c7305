// Package lease carries an activity attempt's right to act through a context.
//
// Between "this attempt is the current one" and an effect (a send, a model call, a
// tool call, a claim, an end, a callback) a process can be frozen or cut off from
// Temporal, and Temporal then starts another attempt. Code that is about to cause an
// effect therefore calls [Check] as late as it can: right before it writes the
// request.
package lease

import (
	"context"
	"errors"
	"sync/atomic"
)

// ErrNotCurrent means that the attempt has timed out in Temporal: another one may be
// running, and the result of this one is ignored.
var ErrNotCurrent = errors.New("the activity attempt is no longer the current one")

// A Holder knows whether its activity attempt is the current one.
type Holder interface {
	// Hold returns nil only if the attempt is provably current: Temporal has acknowledged
	// a heartbeat more recently than the heartbeat timeout, by the monotonic clock. In
	// doubt it asks Temporal; if Temporal does not answer, it returns an error of kind
	// [conversation.Unavailable], and one that wraps ErrNotCurrent if the attempt has
	// timed out. It is safe for concurrent use.
	Hold(ctx context.Context) error
}

type key struct{}

// With returns a context that carries the holder.
func With(ctx context.Context, h Holder) context.Context { return context.WithValue(ctx, key{}, h) }

// Check returns nil if the attempt of ctx may act now. A context without a holder
// belongs to no attempt, and may act: checks, lists and commands.
func Check(ctx context.Context) error {
	h, ok := ctx.Value(key{}).(Holder)
	if !ok {
		return nil
	}
	return h.Hold(ctx)
}

// A Shared holder passes from one attempt to the next, for work that outlives an
// attempt. The zero value has no holder, and refuses.
type Shared struct{ current atomic.Pointer[Holder] }

// Pass makes h the holder.
func (s *Shared) Pass(h Holder) { s.current.Store(&h) }

// Drop leaves it without a holder.
func (s *Shared) Drop() { s.current.Store(nil) }

// Hold asks the current holder.
func (s *Shared) Hold(ctx context.Context) error {
	h := s.current.Load()
	if h == nil {
		return ErrNotCurrent
	}
	return (*h).Hold(ctx)
}
