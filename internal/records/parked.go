package records

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// Parked counts the conversations that need attention, by reason.
type Parked struct {
	// Total counts all of them. Visibility may be a second behind.
	Total int64 `json:"total"`
	// Asked is the number of conversations, the newest, that were asked for their reason.
	// Kinds counts the reasons.
	Asked int                       `json:"asked"`
	Kinds map[conversation.Kind]int `json:"kinds,omitempty"`
	// Unanswered is how many of those no worker answers for.
	Unanswered int `json:"unanswered,omitempty"`
	// Newest is the reason of the newest conversation that answered.
	Newest *workflows.Attention `json:"newest,omitempty"`
}

// maxQueries bounds the queries that Parked makes.
const maxQueries = 20

// OfTaskQueue chooses the workflows of the operator's task queue.
func (r *Reader) OfTaskQueue() Filter { return Filter{Query: "TaskQueue = " + Quote(r.TaskQueue)} }

// Parked counts the conversations of the task queue that need attention.
func (r *Reader) Parked(ctx context.Context) (Parked, error) {
	filter := r.OfTaskQueue()
	filter.Statuses = []string{string(workflows.StateNeedsAttention)}
	query, err := filter.Visibility(workflows.ConversationName)
	if err != nil {
		return Parked{}, err
	}
	found, err := r.Search(ctx, query, maxQueries)
	if err != nil {
		return Parked{}, err
	}
	counts, err := r.count(ctx, filter, query)
	if err != nil {
		return Parked{}, err
	}
	out := Parked{Total: max(counts.Total, int64(len(found))), Kinds: map[conversation.Kind]int{}}
	var (
		mu    sync.Mutex
		group errgroup.Group
	)
	group.SetLimit(Parallel)
	for _, c := range found {
		group.Go(func() error {
			var status workflows.Status
			bounded, cancel := context.WithTimeout(ctx, r.Bound())
			defer cancel()
			err := r.Query(bounded, c.ID, "", &status, workflows.QueryStatus)
			mu.Lock()
			defer mu.Unlock()
			out.Asked++
			switch a := status.Attention; {
			case err != nil:
				out.Unanswered++
			case a != nil:
				out.Kinds[a.Kind]++
				if out.Newest == nil || a.Since.After(out.Newest.Since) {
					out.Newest = a
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	return out, nil
}
