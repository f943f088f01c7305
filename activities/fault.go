package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
)

// faults are what keeps polls from finding work, by inbox. They outlive the polls of
// which an inbox has one after the other, so that each is told of once, and its end.
type faults struct {
	mu sync.Mutex
	by map[inboxKey]fault
}

type inboxKey struct{ platform, project, agent string }

// A fault is one outage, as far as this worker has seen it.
type fault struct {
	kind        conversation.Kind
	since, seen time.Time
}

// forgotten is after how long without a poll a fault is news again: others have
// polled meanwhile.
const forgotten = 2 * defaultPollFor

// note writes to the log that a poll's fault begins, becomes another, or is over.
func (f *faults) note(ctx context.Context, in PollInput, err error) {
	if ctx.Err() != nil {
		return // says nothing about the platform
	}
	about := []any{"platform", in.Platform, "project", in.Project, "agent", in.Agent}
	if final(err) { // each ends a poll
		activity.GetLogger(ctx).Warn("The platform refuses to be asked for work; the inbox stops claiming",
			append(about, "kind", string(conversation.KindOf(err)), "reason", clip(err.Error()), "remedy", remedyOf(err))...)
		return
	}
	key, now := inboxKey{in.Platform, in.Project, in.Agent}, time.Now()
	f.mu.Lock()
	before, known := f.by[key]
	known = known && now.Sub(before.seen) < forgotten
	next := fault{kind: conversation.KindOf(err), since: now, seen: now}
	if known {
		next.since = before.since
	}
	if err == nil {
		delete(f.by, key)
	} else {
		f.by[key] = next
	}
	f.mu.Unlock()

	log := activity.GetLogger(ctx)
	switch {
	case err == nil && known:
		log.Info("Work can be looked for again", append(about, "lasted", now.Sub(before.since).Round(time.Millisecond).String())...)
	case err != nil && (!known || before.kind != next.kind):
		log.Warn("Looking for work fails; it goes on trying", append(about, "kind", string(next.kind), "reason", clip(err.Error()), "remedy", remedyOf(err))...)
	}
}

// remedyOf is what to do about a poll's error.
func remedyOf(err error) string {
	var e *conversation.Error
	if errors.As(err, &e) && e.Remedy != "" {
		return e.Remedy
	}
	return "if it lasts, see what starter doctor says"
}
