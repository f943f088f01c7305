package replaycheck

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
)

// heartbeat is a fraction of the activity's heartbeat timeout.
const heartbeat = 5 * time.Second

// RegisterActivity makes the check known to a worker under its recorded name.
func (c *Checker) RegisterActivity(r worker.ActivityRegistry) {
	r.RegisterActivityWithOptions(c.replayAll, activity.RegisterOptions{Name: ActivityName})
}

// replayAll is the activity. A check that was interrupted is no report: another attempt
// begins anew.
func (c *Checker) replayAll(ctx context.Context, req Request) (Report, error) {
	var (
		mu   sync.Mutex
		last Progress
		beat sync.WaitGroup
	)
	over := make(chan struct{})
	beat.Go(func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			mu.Lock()
			activity.RecordHeartbeat(ctx, last)
			mu.Unlock()
			select {
			case <-ticker.C:
			case <-over:
				return
			}
		}
	})
	defer beat.Wait()
	defer close(over)
	report, err := c.Check(ctx, req, func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		last = p
	})
	if err == nil {
		err = context.Cause(ctx)
	}
	return report, err
}
