package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
)

// A clock is Temporal's time for an attempt: the server's time of its start, and the time
// since then by the monotonic clock. Times that decide are
// recorded and compared by it, never by the wall clocks of two workers.
//
// It runs late by the time that the task was on its way to the worker. An attempt
// that Temporal has acknowledged was on its way for less than the heartbeat timeout.
type clock struct {
	started, begun time.Time
	// late bounds how late the clock of another attempt may have been.
	late time.Duration
}

// newClock is called when the attempt begins.
func newClock(ctx context.Context, late time.Duration) clock {
	return clock{started: activity.GetInfo(ctx).StartedTime.UTC(), begun: time.Now(), late: late}
}

func (c clock) now() time.Time { return c.started.Add(time.Since(c.begun)) }

// until is the time left before d has passed since t, which another attempt may have
// written. It errs on the long side.
func (c clock) until(t time.Time, d time.Duration) time.Duration {
	return t.Add(d + c.late).Sub(c.now())
}
