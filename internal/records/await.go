package records

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/workflows"
)

// Describe reads one conversation, by its workflow id. Unlike List it is never behind.
func (r *Reader) Describe(ctx context.Context, id string) (Conversation, error) {
	d, err := r.DescribeRun(ctx, id)
	if err != nil {
		return Conversation{}, err
	}
	return r.fromDescription(ctx, d), nil
}

// Await waits until each of the conversations has ended or needs attention, which can
// last for ever. It calls report for each as it happens, and returns all in the order of
// ids.
func (r *Reader) Await(ctx context.Context, ids []string, report func(Conversation)) ([]Conversation, error) {
	result := make([]Conversation, len(ids))
	pending := make([]int, len(ids))
	for i := range ids {
		pending[i] = i
	}
	for {
		var group errgroup.Group
		group.SetLimit(Parallel)
		for _, i := range pending {
			group.Go(func() error {
				var err error
				result[i], err = r.Describe(ctx, ids[i])
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		var still []int
		for _, i := range pending {
			if result[i].Open && result[i].Status != string(workflows.StateNeedsAttention) {
				still = append(still, i)
				continue
			}
			report(result[i])
		}
		if pending = still; len(pending) == 0 {
			return result, nil
		}
		// A hundred conversations must not cost the server a hundred requests a second.
		if err := pause.For(ctx, max(500*time.Millisecond, time.Duration(len(pending))*20*time.Millisecond)); err != nil {
			return nil, Interrupted("wait", err)
		}
	}
}
