package activities

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// Defaults of a Poll.
const (
	defaultPollInterval = 2 * time.Second
	defaultPollFor      = 10 * time.Minute
	// An unreachable platform is asked less and less often, down to this.
	longestPollBackoff = time.Minute
	// One that schedules tasks lets them expire after a minute.
	longestTaskBackoff = 10 * time.Second
	// While no place is free the platform is asked this many times less often: nothing
	// can be started anyway.
	fullHouseFactor = 5
	// Simulations remembered in the order they were served.
	maxServed = 200
)

// A StartRequest asks for the workflow of a conversation.
type StartRequest struct {
	Ref     conversation.Ref
	Policy  conversation.Policy
	Persona string
	Adopt   bool
	// Task means that it is an occurrence of a task: it runs once, and is claimed
	// even to be adopted.
	Task bool
	// Reservation is what the conversation holds of its platform's capacity, and Limit is
	// how many may. Zero: it does not count.
	Reservation Reservation
	Limit       int
}

// Runs starts conversation workflows, knows which are running, and asks for their
// places.
type Runs interface {
	// Start starts the workflow of a conversation. started is false if it runs
	// already or has run: two polls that meet start one. An error of kind Invalid
	// means that this one conversation can never be started as it is.
	Start(ctx context.Context, req StartRequest) (workflowID string, started bool, err error)
	// Open lists the conversations of the platform instance that are running, of
	// any agent. It may be seconds behind.
	Open(ctx context.Context, platform string) ([]OpenRun, error)
	// Look tells how a conversation stands at this moment.
	Look(ctx context.Context, workflowID string) (RunInfo, error)
	// Wait returns when the workflow has closed or ctx is done.
	Wait(ctx context.Context, workflowID string)
	// Capacity tells who holds the places of a platform instance.
	Capacity(ctx context.Context, platform string) (CapacityStatus, error)
	// Reserve takes places back and asks for others.
	Reserve(ctx context.Context, platform string, req ReserveRequest) (ReserveResult, error)
	// Unlimit tells the owner of the capacity, if there is one, that there is no
	// limit any more.
	Unlimit(ctx context.Context, platform string) error
}

// InboxConfig is what the activities of an inbox need.
type InboxConfig struct {
	Platforms map[string]platforms.Instance
	Runs      Runs
	// Heartbeats tells at once whether the inbox still wants a poll. Nil: it is
	// learned from the SDK's throttled heartbeat.
	Heartbeats HeartbeatClient
	Metrics    *Metrics // nil: nothing is counted
	Worker     string   // the worker's identity, shown in the status
}

// Inbox finds new conversations. Its method Poll is an activity.
type Inbox struct {
	platforms  map[string]platforms.Instance
	runs       Runs
	places     *places
	faults     faults
	skips      skips
	heartbeats HeartbeatClient
	metrics    *Metrics
	worker     string
}

// NewInbox returns the activities of inboxes. All polls of one Inbox share the
// view of each platform instance.
func NewInbox(cfg InboxConfig) (*Inbox, error) {
	if cfg.Runs == nil {
		return nil, errors.New("activities: an inbox needs runs")
	}
	if cfg.Metrics == nil {
		cfg.Metrics = noMetrics()
	}
	return &Inbox{
		platforms: cfg.Platforms, runs: cfg.Runs, places: newPlaces(cfg.Runs),
		faults:     faults{by: make(map[inboxKey]fault)},
		skips:      skips{all: make(map[inboxKey]*skipped)},
		heartbeats: cfg.Heartbeats, metrics: cfg.Metrics, worker: cfg.Worker,
	}, nil
}

// Register makes the activities known to a worker under their recorded names.
func (i *Inbox) Register(r worker.ActivityRegistry) {
	r.RegisterActivityWithOptions(i.Poll, activity.RegisterOptions{Name: PollName})
}

// Poll looks for conversations newly assigned to an agent and starts a workflow
// for each, as far as there are places, oldest first and fairly between simulations.
// It runs until its time is up, the worker stops, the inbox cancels it, or the
// platform gives an answer that waiting cannot change, which the result then tells.
// What cannot be read or started is skipped. Errors that may pass are waited out with
// backoff; they show in the heartbeat, and the log says when they begin and end.
func (i *Inbox) Poll(ctx context.Context, in PollInput) (PollResult, error) {
	inst, ok := i.platforms[in.Platform]
	if !ok {
		return PollResult{}, temporalError(&conversation.Error{
			Kind:   conversation.Unavailable,
			Op:     fmt.Sprintf("inbox: platform %q", in.Platform),
			Err:    errors.New("not configured on this worker"),
			Remedy: "give all workers of a task queue the same platforms",
		}, conversation.Usage{})
	}
	source, ok := platforms.As[platforms.Source](inst.Platform)
	if !ok {
		return PollResult{}, temporalError(&conversation.Error{
			Kind: conversation.Invalid,
			Op:   fmt.Sprintf("inbox: platform %q", in.Platform),
			Err:  errors.New("it cannot be asked for work"),
		}, conversation.Usage{})
	}
	p := &poll{
		in: in, platform: inst.Platform, source: source, runs: i.runs, metrics: i.metrics, outages: &i.faults, skips: i.skips.of(in, i.metrics),
		served: slices.Clone(in.Served), skip: make(map[string]bool), began: time.Now(),
		status: PollStatus{Worker: i.worker, Limit: max(inst.MaxOpen, 0)},
	}
	if in.Probe {
		return p.probe(ctx), nil
	}
	p.open = i.places.enter(inst)
	defer i.places.leave(p.open)
	_, p.tasks = platforms.As[platforms.Tasks](inst.Platform)
	// The counts of an attempt that died go on.
	if last := earlier[PollStatus](ctx, nil); last != nil {
		p.status.Started, p.status.Adopted, p.status.LastPoll = last.Started, last.Adopted, last.LastPoll
		p.status.Orphans, p.status.OrphansAt = last.Orphans, last.OrphansAt
	}
	if p.in.Settings.Interval <= 0 {
		p.in.Settings.Interval = defaultPollInterval
	}
	if p.in.Settings.PollFor <= 0 {
		p.in.Settings.PollFor = defaultPollFor
	}
	p.live = keepAlive(ctx, i.heartbeats, p.status)
	defer p.live.stop()
	return p.run(ctx)
}

// A poll is one run of the Poll activity.
type poll struct {
	in       PollInput
	platform platforms.Platform
	source   platforms.Source
	open     *instance
	runs     Runs
	metrics  *Metrics
	outages  *faults // of all inboxes
	skips    *skipped
	served   []string
	skip     map[string]bool // workflow ids that exist already
	status   PollStatus
	live     *liveness
	tasks    bool // what the source lists
	faults   int  // in a row
	// began is when the poll began, adopted when orphans were last looked for, asked
	// when the platform was last asked for work.
	began, adopted, asked time.Time
}

func (p *poll) run(ctx context.Context) (PollResult, error) {
	stopping := activity.GetWorkerStopChannel(ctx)
	until := time.Now().Add(p.in.Settings.PollFor)
	for {
		freed := p.open.changed()
		err := p.once(ctx, stopping)
		p.live.note(ctx, p.status)
		p.metrics.polled(ctx, p.in, p.status, err)
		p.outages.note(ctx, p.in, err)
		if final(err) && ctx.Err() == nil {
			return p.failed(err), nil
		}
		timer := time.NewTimer(p.delay(err))
		select {
		case <-ctx.Done():
			timer.Stop()
			return p.result(true), nil // with the counts, whatever the reason
		case <-stopping:
			timer.Stop()
			return p.result(true), nil
		case <-freed:
			timer.Stop()
		case <-timer.C:
		}
		if time.Now().After(until) {
			return p.result(false), nil
		}
	}
}

func (p *poll) result(handedOver bool) PollResult {
	return PollResult{PollStatus: p.status, HandedOver: handedOver, Served: p.served}
}

// probe asks the platform once, and starts nothing.
func (p *poll) probe(ctx context.Context) PollResult {
	waiting, err := p.source.Assigned(ctx, p.in.Project, p.in.Agent)
	if _, err = platforms.RowErrors(err); err != nil {
		return p.failed(err)
	}
	p.status.LastPoll, p.status.Waiting = p.now(ctx).UTC(), len(waiting)
	return p.result(false)
}

// failed is the result of a poll that cannot go on, with all that it has done.
func (p *poll) failed(err error) PollResult {
	out := p.result(false)
	out.LastError = clip(err.Error())
	out.Failure = &PollFailure{Kind: conversation.KindOf(err), Reason: out.LastError, Remedy: remedyOf(err)}
	return out
}

// final reports whether waiting does not help: the platform refuses what is asked of
// it as a whole.
func final(err error) bool {
	switch conversation.KindOf(err) {
	case conversation.Unauthorized, conversation.QuotaExhausted, conversation.NotFound, conversation.Invalid:
		return true
	}
	return false
}

// earliestPoll keeps hints from making polls a busy loop.
const earliestPoll = 200 * time.Millisecond

// delay is the time to the next poll: the interval and up to a quarter more, so
// that workers do not march in step; after errors, twice as long each time.
func (p *poll) delay(err error) time.Duration {
	d := p.in.Settings.Interval
	if err != nil {
		p.faults++
		d = pollBackoff(d, p.faults, p.tasks)
		var e *conversation.Error
		if errors.As(err, &e) {
			d = max(d, e.RetryAfter)
		}
	} else {
		p.faults = 0
	}
	d += rand.N(d/4 + 1)
	if hinted, ok := platforms.As[platforms.Hinted](p.platform); ok && err == nil {
		if until := time.Until(hinted.Next()); until > 0 {
			// Sooner, never later: there may be what nobody has told of.
			d = max(min(d, until), earliestPoll)
		}
	}
	return d
}

// pollBackoff is the time to the next poll after so many errors in a row.
func pollBackoff(interval time.Duration, faults int, tasks bool) time.Duration {
	longest := longestPollBackoff
	if tasks {
		longest = longestTaskBackoff
	}
	return min(min(interval, defaultPollInterval)<<min(faults, 6), longest)
}

func (p *poll) once(ctx context.Context, stopping <-chan struct{}) error {
	err := p.look(ctx, stopping)
	counts := p.open.status()
	p.status.Open, p.status.Queued, p.status.Parked, p.status.Stranded = counts.Open, counts.Queued, counts.Parked, counts.Stranded
	p.skips.show(&p.status)
	if err != nil && ctx.Err() == nil {
		p.status.LastError = clip(err.Error())
	} else if err == nil {
		p.status.LastError = ""
	}
	return err
}

func (p *poll) look(ctx context.Context, stopping <-chan struct{}) error {
	if err := p.open.sync(ctx, p.in.Settings.Interval); err != nil {
		return err
	}
	if p.open.full() && time.Since(p.asked) < fullHouseFactor*p.in.Settings.Interval {
		return nil
	}
	waiting, err := p.source.Assigned(ctx, p.in.Project, p.in.Agent)
	// A row that cannot be read must not hold up the others, nor make them wait.
	rows, listErr := platforms.RowErrors(err)
	if listErr == nil {
		p.asked = time.Now()
		p.status.LastPoll = p.now(ctx).UTC()
		p.status.Waiting = len(waiting)
		p.skips.rows(ctx, listWaiting, rows)
		p.skips.waiting(waiting)
		p.skips.advise(ctx, p.in, p.platform)
	}
	if err := p.start(ctx, stopping, waiting); err != nil || listErr != nil {
		return errors.Join(err, listErr)
	}
	return p.adopt(ctx, stopping)
}
