package iiiserve

import (
	"context"

	"github.com/parley-run/parley/iii"
)

// admission bounds how many calls of a kind are under way in this worker. What is beyond
// it is refused at once, and the caller asks again: a queue without a bound would only
// move the load into Temporal and the executors, where calls then time out.
type admission struct{ places chan struct{} }

func newAdmission(limit int) admission { return admission{make(chan struct{}, limit)} }

// enter takes a place, which leave gives back, or refuses.
func (a admission) enter() (leave func(), err error) {
	select {
	case a.places <- struct{}{}:
		return func() { <-a.places }, nil
	default:
		return nil, iii.Errorf(codeOverloaded,
			"this worker has %d calls under way, and takes no more: retry after 1 s, with the same messageId", cap(a.places))
	}
}

// await waits for a place, which leave gives back.
func (a admission) await(ctx context.Context, stopping <-chan struct{}) (leave func(), ok bool) {
	select {
	case a.places <- struct{}{}:
		return func() { <-a.places }, true
	case <-ctx.Done():
	case <-stopping:
	}
	return nil, false
}
