package idle

import (
	"context"
	"log/slog"
	"time"

	"github.com/parley-run/parley/internal/health"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/workflows"
)

const (
	// A Watch judges this many times within its duration, within these bounds.
	judgments    = 4
	shortestStep = 250 * time.Millisecond
	longestStep  = 5 * time.Second

	// settled is how old a poll may be that a reading does not show yet: heartbeats reach
	// Temporal every two seconds, and reports are a second old.
	settled = 3 * time.Second
)

// A Watch waits until a worker is idle.
type Watch struct {
	Temporal  Temporal
	Namespace string
	TaskQueue string
	// For is how long nothing must have been to do.
	For time.Duration
	// Meter counts the worker's steps.
	Meter *Meter
	// Own is the worker's version, and Standing what it is used for, as far as known.
	Own      versions.Version
	Standing func() *versions.Standing
	// Inboxes is how many the worker has, and Report has the state of each.
	Inboxes int
	Report  func(ctx context.Context) health.Report
	Logger  *slog.Logger

	unread bool // the last reading of open conversations has failed
}

// Wait returns nil once the worker is idle, or the error of ctx.
func (w *Watch) Wait(ctx context.Context) error {
	step := min(max(w.For/judgments, shortestStep), longestStep)
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	began := time.Now()
	var before polls
	for {
		since, quiet := w.Meter.Quiet()
		since = later(since, began)
		switch {
		case !quiet:
		case !before.at.After(since):
			if time.Since(since) >= settled {
				before = w.polls(ctx)
			}
		case time.Since(since) >= w.For && w.polled(ctx, before) && !w.due(ctx):
			if again, ok := w.Meter.Quiet(); ok && !again.After(since) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// polls are when each inbox that polls has last listed its platform, by its workflow id.
type polls struct {
	at   time.Time // when it was read; zero: it could not be
	last map[string]time.Time
}

func (w *Watch) polls(ctx context.Context) polls {
	if w.Inboxes == 0 || !w.getsWork() {
		return polls{at: time.Now()}
	}
	inboxes := w.Report(ctx).Inboxes
	if len(inboxes) < w.Inboxes {
		return polls{} // Temporal does not answer
	}
	read := polls{at: time.Now(), last: make(map[string]time.Time)}
	for _, inbox := range inboxes {
		if inbox.State == workflows.InboxPolling {
			read.last[inbox.ID] = inbox.LastPoll
		}
	}
	return read
}

// polled reports whether every inbox has listed its platform after a reading, or is not
// going to.
func (w *Watch) polled(ctx context.Context, before polls) bool {
	now := w.polls(ctx)
	if now.at.IsZero() {
		return false
	}
	for id, last := range now.last {
		if !last.After(before.last[id]) {
			return false
		}
	}
	return true
}

// getsWork reports whether Temporal gives this worker what is not pinned.
func (w *Watch) getsWork() bool {
	s := w.standing()
	return s == nil || s.Idle == ""
}

func (w *Watch) standing() *versions.Standing {
	if w.Standing == nil {
		return nil
	}
	return w.Standing()
}
