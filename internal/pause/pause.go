// Package pause waits.
package pause

import (
	"context"
	"time"
)

// For returns once d has passed, or before with the cause of ctx's end. Where d is not
// above zero it does not wait.
func For(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
