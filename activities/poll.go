package activities

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

const (
	// Defaults of InboxSettings.
	defaultPollInterval = 2 * time.Second
	defaultPollFor      = 10 * time.Minute
	// The longest backoff for an unreachable platform, and for one that schedules tasks:
	// those expire after a minute.
	longestPollBackoff = time.Minute
	longestTaskBackoff = 10 * time.Second
	// While there is no capacity, the platform is listed this many times less often:
	// nothing could be started.
	fullFactor = 5
	// earliestPoll keeps hints from making polls a busy loop.
	earliestPoll = 200 * time.Millisecond
	// maxServed is how many simulations are remembered in the order they were served.
	maxServed = 200
)

// A poll is one run of the Poll activity.
type poll struct {
	in       PollInput
	platform platforms.Platform
	source   platforms.Source
	runs     Runs
	view     *capacityView
	metrics  *Metrics
	outages  *outages // of all inboxes
	skips    *skipped
	live     *liveness
	clock    clock
	tasks    bool // the platform has tasks, not conversations

	status   PollStatus
	served   []string
	existing map[string]bool // workflow ids for which there is a workflow already
	failures int             // in a row
	listed   time.Time       // when the platform last answered
	searched time.Time       // when orphans were last searched for
}

func newPoll(ctx context.Context, in PollInput, platform platforms.Platform, source platforms.Source) *poll {
	in.Settings.Interval = cmp.Or(max(in.Settings.Interval, 0), defaultPollInterval)
	in.Settings.PollFor = cmp.Or(max(in.Settings.PollFor, 0), defaultPollFor)
	p := &poll{
		in: in, platform: platform, source: source, clock: newClock(ctx, 0),
		served: slices.Clone(in.Served), existing: make(map[string]bool),
	}
	// The counts of an attempt that died go on.
	if last := earlier[PollStatus](ctx, nil); last != nil {
		p.status.Started, p.status.Adopted, p.status.LastPoll = last.Started, last.Adopted, last.LastPoll
		p.status.Orphans, p.status.OrphansAt = last.Orphans, last.OrphansAt
	}
	return p
}

// run repeats steps until the poll is over.
func (p *poll) run(ctx context.Context) PollResult {
	stopping := activity.GetWorkerStopChannel(ctx)
	until := time.Now().Add(p.in.Settings.PollFor)
	for {
		freed := p.view.changed()
		err := p.step(ctx, stopping)
		p.live.note(ctx, p.status)
		p.metrics.polled(ctx, p.in, p.status, err)
		p.outages.note(ctx, p.in, err)
		if isFinal(err) && ctx.Err() == nil {
			return p.failed(err)
		}
		if !p.pause(ctx, stopping, freed, p.delay(err)) {
			return p.result(true) // with the counts, whatever the reason
		}
		if time.Now().After(until) {
			return p.result(false)
		}
	}
}

// pause waits for the next step: until d has passed, or capacity is free. It returns
// false if there must be none.
func (p *poll) pause(ctx context.Context, stopping, freed <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-stopping:
		return false
	case <-freed:
	case <-timer.C:
	}
	return true
}

func (p *poll) result(handedOver bool) PollResult {
	return PollResult{PollStatus: p.status, HandedOver: handedOver, Served: p.served}
}

// failed is the result of a poll that cannot go on, with all that it has done.
func (p *poll) failed(err error) PollResult {
	out := p.result(false)
	out.LastError = clip(err.Error())
	out.Failure = &PollFailure{Kind: conversation.KindOf(err), Reason: out.LastError, Remedy: remedyOf(err)}
	return out
}

// probe lists once, and starts nothing.
func (p *poll) probe(ctx context.Context) PollResult {
	waiting, err := p.source.Assigned(ctx, p.in.Project, p.in.Agent)
	if _, err = platforms.RowErrors(err); err != nil {
		return p.failed(err)
	}
	p.status.LastPoll, p.status.Waiting = p.clock.now().UTC(), len(waiting)
	return p.result(false)
}

// step lists, starts what it can, and updates the status.
func (p *poll) step(ctx context.Context, stopping <-chan struct{}) error {
	err := p.listAndStart(ctx, stopping)
	n := p.view.numbers()
	p.status.Open, p.status.Queued, p.status.Parked, p.status.Stranded = n.Open, n.Queued, n.Parked, n.Stranded
	p.status.Reduced = p.view.reduction()
	p.skips.show(&p.status)
	if err == nil {
		p.status.LastError = ""
	} else if ctx.Err() == nil {
		p.status.LastError = clip(err.Error())
	}
	return err
}

func (p *poll) listAndStart(ctx context.Context, stopping <-chan struct{}) error {
	if err := p.view.sync(ctx, p.in.Settings.Interval); err != nil {
		return err
	}
	if p.view.full() && time.Since(p.listed) < fullFactor*p.in.Settings.Interval {
		return nil
	}
	waiting, listErr := p.list(ctx)
	if err := p.start(ctx, stopping, waiting); err != nil || listErr != nil {
		return errors.Join(err, listErr)
	}
	return p.adopt(ctx, stopping)
}

// list asks the platform for what is assigned to the agent. A row that cannot be read
// is skipped: it must not hold up the others.
func (p *poll) list(ctx context.Context) ([]platforms.Assignment, error) {
	waiting, err := p.source.Assigned(ctx, p.in.Project, p.in.Agent)
	rows, err := platforms.RowErrors(err)
	if err == nil {
		p.listed = time.Now()
		p.status.LastPoll, p.status.Waiting = p.clock.now().UTC(), len(waiting)
		p.skips.rows(ctx, listWaiting, rows)
		p.skips.waiting(waiting)
		p.skips.advise(ctx, p.in, p.platform)
	}
	return waiting, err
}

// delay is the time to the next step: the interval and up to a quarter more, so that
// workers do not march in step; after errors, twice as long each time.
func (p *poll) delay(err error) time.Duration {
	d := p.in.Settings.Interval
	if err == nil {
		p.failures = 0
		return p.hinted(jittered(d))
	}
	p.failures++
	d = pollBackoff(d, p.failures, p.tasks)
	var e *conversation.Error
	if errors.As(err, &e) {
		d = max(d, e.RetryAfter)
	}
	return jittered(d)
}

func jittered(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// hinted shortens a delay where the platform knows of something to do earlier. It
// never prolongs it: the platform may have work that it gave no hint of.
func (p *poll) hinted(d time.Duration) time.Duration {
	hinted, ok := platforms.As[platforms.Hinted](p.platform)
	if !ok {
		return d
	}
	if until := time.Until(hinted.Next()); until > 0 {
		return max(min(d, until), earliestPoll)
	}
	return d
}

// pollBackoff is the time to the next step after so many failures in a row.
func pollBackoff(interval time.Duration, failures int, tasks bool) time.Duration {
	longest := longestPollBackoff
	if tasks {
		longest = longestTaskBackoff
	}
	return min(min(interval, defaultPollInterval)<<min(failures, 6), longest)
}

// isFinal reports whether waiting does not help: the platform refuses the whole
// request.
func isFinal(err error) bool {
	switch conversation.KindOf(err) {
	case conversation.Unauthorized, conversation.QuotaExhausted, conversation.NotFound, conversation.Invalid:
		return true
	}
	return false
}
