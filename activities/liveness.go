package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
)

// A HeartbeatClient records a heartbeat at once. [client.Client] is one.
// activity.RecordHeartbeat is no match for it: all but an activity's first are
// held back for up to most of the heartbeat timeout, and lost with the process.
type HeartbeatClient interface {
	RecordActivityHeartbeat(ctx context.Context, taskToken []byte, details ...any) error
	// CompleteActivityWithOptions ends an activity that has returned and is not over:
	// see [Conversation.Watch].
	CompleteActivityWithOptions(ctx context.Context, options client.CompleteActivityOptions) error
}

// liveness sends an activity's heartbeats for as long as it runs, each with the
// newest details, so that a dead worker is noticed within the heartbeat timeout
// and the next attempt knows what this one had done.
type liveness struct {
	client HeartbeatClient
	mu     sync.Mutex
	detail any // nil: none
	quit   chan struct{}
	done   chan struct{}
}

// keepAlive starts the heartbeats. The details begin with what an earlier attempt
// left, so that a heartbeat of this one does not wipe it out.
func keepAlive(ctx context.Context, client HeartbeatClient, detail any) *liveness {
	l := &liveness{client: client, detail: detail, quit: make(chan struct{}), done: make(chan struct{})}
	// Often, because a heartbeat is also how a cancellation gets here.
	every := activity.GetInfo(ctx).HeartbeatTimeout / 5
	go func() {
		defer close(l.done)
		if every <= 0 {
			return
		}
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-l.quit:
				return
			case <-ticker.C:
				l.beat(ctx)
			}
		}
	}()
	return l
}

func (l *liveness) beat(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.detail == nil {
		activity.RecordHeartbeat(ctx)
		return
	}
	activity.RecordHeartbeat(ctx, l.detail)
}

// note changes the details. They reach the server soon, at the latest when the
// activity returns, unless its process is killed before.
func (l *liveness) note(ctx context.Context, detail any) {
	l.mu.Lock()
	l.detail = detail
	l.mu.Unlock()
	l.beat(ctx)
}

// record changes the details and returns once the server has them.
func (l *liveness) record(ctx context.Context, detail any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.detail = detail
	if l.client == nil {
		activity.RecordHeartbeat(ctx, detail)
		return ctx.Err()
	}
	return l.client.RecordActivityHeartbeat(ctx, activity.GetInfo(ctx).TaskToken, detail)
}

// stop ends the heartbeats and waits for the last.
func (l *liveness) stop() {
	close(l.quit)
	<-l.done
}

// earlier is what the attempt before this one left by heartbeat, or else what a
// handed-over attempt left in the input.
func earlier[T any](ctx context.Context, input *T) *T {
	if activity.HasHeartbeatDetails(ctx) {
		var detail T
		if err := activity.GetHeartbeatDetails(ctx, &detail); err == nil {
			return &detail
		}
	}
	return input
}
