package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
)

var errHandOver = errors.New("the worker is shutting down: the work is handed over")

// handOverReserve is the part of the drain time that is kept back to record what an
// unfinished attempt has done.
const handOverReserve = 2 * time.Second

// withDrain returns a context that is done shortly before a worker that is
// shutting down would cut the activity off, with a cause by which handedOver
// distinguishes it from a cancellation. The drain time begins when the worker begins to
// stop. Call stop before the activity returns.
func withDrain(ctx context.Context, drain time.Duration) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stopping := activity.GetWorkerStopChannel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ctx.Done():
			return
		case <-stopping:
		}
		timer := time.NewTimer(max(0, drain-handOverReserve))
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
			cancel(errHandOver)
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// plainCause is why an attempt has ended, for executors and tools, which know nothing of
// Temporal: context.Canceled means that the conversation is over, any other cause that
// the worker stops.
func plainCause(cause error) error {
	if temporal.IsCanceledError(cause) {
		return context.Canceled // the workflow wants it no more
	}
	return cause
}

// failedAttempts is how many attempts at this activity have failed before this one.
func failedAttempts(ctx context.Context) int { return int(activity.GetInfo(ctx).Attempt) - 1 }

// handedOver reports whether ctx is done because the worker shuts down, as
// opposed to a cancellation or a timeout.
func handedOver(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, errHandOver) || errors.Is(cause, worker.ErrWorkerShutdown)
}
