package iiiserve

import (
	"context"

	"github.com/parley-run/parley/iii"
)

// admission bounds how many calls of a kind run in this worker. Further calls are refused
// at once, and their callers retry: a queue without a bound would move the load into
// Temporal and the executors, where calls then time out.
type admission struct{ running chan struct{} }

func newAdmission(limit int) admission { return admission{make(chan struct{}, limit)} }

// reserve admits a call until release is called, or refuses it.
func (a admission) reserve() (release func(), err error) {
	select {
	case a.running <- struct{}{}:
		return func() { <-a.running }, nil
	default:
		return nil, iii.Errorf(codeOverloaded,
			"this worker runs %d calls and accepts no more: retry after 1 s, with the same messageId", cap(a.running))
	}
}

// await waits until a call is admitted, until release is called.
func (a admission) await(ctx context.Context, stopping <-chan struct{}) (release func(), ok bool) {
	select {
	case a.running <- struct{}{}:
		return func() { <-a.running }, true
	case <-ctx.Done():
	case <-stopping:
	}
	return nil, false
}
