package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
)

// outages are the platforms' failures to list conversations, by inbox. They outlive the
// polls of an inbox, so that the log has the begin and the end of each once.
type outages struct {
	mu sync.Mutex
	by map[inboxKey]outage
}

// An outage is one of them, as far as this worker has seen it.
type outage struct {
	kind            conversation.Kind
	since, lastSeen time.Time
}

// outageForgotten is after how long without a poll an outage is logged again: other
// workers have polled meanwhile.
const outageForgotten = 2 * defaultPollFor

// note logs that an outage begins, changes its kind, or is over.
func (o *outages) note(ctx context.Context, in PollInput, err error) {
	if ctx.Err() != nil {
		return // the error says nothing about the platform
	}
	log := activity.GetLogger(ctx)
	about := []any{"platform", in.Platform, "project", in.Project, "agent", in.Agent}
	failure := func() []any {
		return append(about, "kind", string(conversation.KindOf(err)), "reason", clip(err.Error()), "remedy", remedyOf(err))
	}
	if isFinal(err) { // it ends the poll
		log.Warn("The platform refuses to list conversations; the inbox stops claiming", failure()...)
		return
	}
	before, known := o.replace(in.key(), err)
	switch {
	case err == nil && known:
		log.Info("The platform lists conversations again", append(about, "lasted", time.Since(before.since).Round(time.Millisecond).String())...)
	case err != nil && (!known || before.kind != conversation.KindOf(err)):
		log.Warn("The platform cannot list conversations; the poll retries", failure()...)
	}
}

// replace records the newest state of an inbox and returns the outage before it.
func (o *outages) replace(key inboxKey, err error) (before outage, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	before, known = o.by[key]
	known = known && now.Sub(before.lastSeen) < outageForgotten
	if err == nil {
		delete(o.by, key)
		return before, known
	}
	next := outage{kind: conversation.KindOf(err), since: now, lastSeen: now}
	if known {
		next.since = before.since
	}
	o.by[key] = next
	return before, known
}

// remedyOf is what to do about a poll's error.
func remedyOf(err error) string {
	var e *conversation.Error
	if errors.As(err, &e) && e.Remedy != "" {
		return e.Remedy
	}
	return "if it lasts, run `starter doctor`"
}
