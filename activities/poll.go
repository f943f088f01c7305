package activities

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
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
	// A full house is only looked at this many times less often: nothing can be
	// started anyway.
	fullHouseFactor = 5
	// Simulations remembered in the order they were served.
	maxServed = 200
)

// A StartRequest asks for the workflow of a conversation.
type StartRequest struct {
	Ref      conversation.Ref
	Executor string
	Policy   conversation.Policy
	Persona  string
	Adopt    bool
	// Task means that it is an occurrence of a task: it runs once, and is claimed
	// even to be adopted.
	Task bool
}

// An OpenRun is a conversation workflow that is running.
type OpenRun struct {
	WorkflowID string
	Simulation string
}

// Runs starts conversation workflows and knows which are running.
type Runs interface {
	// Start starts the workflow of a conversation. started is false if it runs
	// already or has run: two polls that meet start one.
	Start(ctx context.Context, req StartRequest) (workflowID string, started bool, err error)
	// Open lists the conversations of the platform instance that are running, of
	// any agent.
	Open(ctx context.Context, platform string) ([]OpenRun, error)
	// Wait returns when the workflow has closed or ctx is done.
	Wait(ctx context.Context, workflowID string)
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
	rooms      *rooms
	faults     faults
	heartbeats HeartbeatClient
	metrics    *Metrics
	worker     string
}

// NewInbox returns the activities of inboxes. All polls of one Inbox share the
// room of each platform instance.
func NewInbox(cfg InboxConfig) (*Inbox, error) {
	if len(cfg.Platforms) == 0 || cfg.Runs == nil {
		return nil, errors.New("activities: an inbox needs platforms and runs")
	}
	if cfg.Metrics == nil {
		cfg.Metrics = noMetrics()
	}
	return &Inbox{
		platforms: cfg.Platforms, runs: cfg.Runs, rooms: newRooms(cfg.Runs),
		faults:     faults{by: make(map[inboxKey]fault)},
		heartbeats: cfg.Heartbeats, metrics: cfg.Metrics, worker: cfg.Worker,
	}, nil
}

// Register makes the activities known to a worker under their recorded names.
func (i *Inbox) Register(r worker.ActivityRegistry) {
	r.RegisterActivityWithOptions(i.Poll, activity.RegisterOptions{Name: PollName})
}

// Poll looks for conversations newly assigned to an agent and starts a workflow
// for each, as far as there is room, oldest first and fairly between simulations.
// It runs until its time is up, the worker stops, the inbox cancels it, or the
// platform gives an answer that waiting cannot mend. Errors that may pass are
// waited out with backoff; they show in the heartbeat, and the log says when they
// begin and end.
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
	source, ok := inst.Platform.(platforms.Source)
	if !ok {
		return PollResult{}, temporalError(&conversation.Error{
			Kind: conversation.Invalid,
			Op:   fmt.Sprintf("inbox: platform %q", in.Platform),
			Err:  errors.New("it cannot be asked for work"),
		}, conversation.Usage{})
	}
	room := i.rooms.enter(inst)
	defer i.rooms.leave(room)
	p := &poll{
		in: in, source: source, room: room, runs: i.runs, metrics: i.metrics, outages: &i.faults,
		served: slices.Clone(in.Served), skip: make(map[string]bool),
		status: PollStatus{Worker: i.worker},
	}
	_, p.tasks = inst.Platform.(platforms.Tasks)
	// The counts of an attempt that died go on.
	if last := earlier[PollStatus](ctx, nil); last != nil {
		p.status.Started, p.status.Adopted, p.status.LastPoll = last.Started, last.Adopted, last.LastPoll
	}
	if p.in.Interval <= 0 {
		p.in.Interval = defaultPollInterval
	}
	if p.in.For <= 0 {
		p.in.For = defaultPollFor
	}
	p.live = keepAlive(ctx, i.heartbeats, p.status)
	defer p.live.stop()
	return p.run(ctx)
}

// A poll is one run of the Poll activity.
type poll struct {
	in      PollInput
	source  platforms.Source
	room    *room
	runs    Runs
	metrics *Metrics
	outages *faults // of all inboxes
	served  []string
	skip    map[string]bool // workflow ids that exist already
	status  PollStatus
	live    *liveness
	tasks   bool // what the source lists
	faults  int  // in a row
	// observed is when the running workflows were last listed, adopted when
	// orphans were last looked for, looked when the platform was last asked.
	observed, adopted, looked time.Time
}

func (p *poll) run(ctx context.Context) (PollResult, error) {
	stopping := activity.GetWorkerStopChannel(ctx)
	until := time.Now().Add(p.in.For)
	for {
		freed := p.room.changed()
		err := p.once(ctx, stopping)
		p.live.note(ctx, p.status)
		p.metrics.polled(ctx, p.in, p.status, err)
		switch conversation.KindOf(err) {
		case conversation.Unauthorized, conversation.QuotaExhausted, conversation.NotFound, conversation.Invalid:
			return PollResult{}, temporalError(err, conversation.Usage{}) // the SDK logs it
		}
		p.outages.note(ctx, p.in, err)
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

// earliestPoll keeps hints from making polls a busy loop.
const earliestPoll = 200 * time.Millisecond

// delay is the time to the next poll: the interval and up to a quarter more, so
// that workers do not march in step; after errors, twice as long each time.
func (p *poll) delay(err error) time.Duration {
	d := p.in.Interval
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
	if hinted, ok := p.source.(platforms.Hinted); ok && err == nil {
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
	p.status.Open = p.room.open()
	if err != nil && ctx.Err() == nil {
		p.status.LastError = clip(err.Error())
	} else if err == nil {
		p.status.LastError = ""
	}
	return err
}

func (p *poll) look(ctx context.Context, stopping <-chan struct{}) error {
	// Workflows that other workers started take up room too.
	if time.Since(p.observed) > 5*p.in.Interval {
		open, err := p.runs.Open(ctx, p.in.Platform)
		if err != nil {
			return fmt.Errorf("inbox: list open conversations: %w", err)
		}
		p.room.observe(open)
		p.observed = time.Now()
	}
	if p.room.free() == 0 && time.Since(p.looked) < fullHouseFactor*p.in.Interval {
		return nil
	}
	waiting, listErr := p.source.Assigned(ctx, p.in.Project, p.in.Agent)
	if listErr == nil {
		p.looked = time.Now()
		p.status.LastPoll = p.looked.UTC()
		p.status.Waiting = len(waiting)
	}
	// One simulation that cannot be listed must not hold up the others.
	if err := p.start(ctx, stopping, waiting); err != nil || !isThere(listErr) {
		return errors.Join(err, listErr)
	}
	return errors.Join(listErr, p.adopt(ctx, stopping))
}

// isThere reports whether the platform answers, even if it could not list all.
func isThere(err error) bool {
	e := asError(err)
	return err == nil || e != nil && e.Kind == conversation.Unavailable && e.Answered
}

// start starts as many of the waiting as there is room for.
func (p *poll) start(ctx context.Context, stopping <-chan struct{}, waiting []platforms.Assignment) error {
	waiting = slices.DeleteFunc(slices.Clone(waiting), func(a platforms.Assignment) bool { return p.skip[a.Ref.String()] })
	for len(waiting) > 0 {
		chosen := platforms.Fair(waiting, p.room.openBySimulation(), p.served, 1)
		if len(chosen) == 0 || stopped(ctx, stopping) {
			return nil
		}
		next := chosen[0]
		waiting = slices.DeleteFunc(waiting, func(a platforms.Assignment) bool { return a.Ref == next.Ref })
		full, err := p.startOne(ctx, next, false)
		if err != nil || full {
			return err
		}
	}
	return nil
}

// adopt starts what somebody claimed and left. Whether one of our workflows runs
// a conversation is Temporal's to say, when it is started, not ours by its age.
func (p *poll) adopt(ctx context.Context, stopping <-chan struct{}) error {
	if p.in.AdoptAfter <= 0 || p.room.free() == 0 || time.Since(p.adopted) < min(p.in.AdoptAfter/2, time.Minute) {
		return nil
	}
	p.adopted = time.Now()
	open, listErr := p.source.Open(ctx, p.in.Project, p.in.Agent)
	for _, a := range open {
		if time.Since(a.Touched) < p.in.AdoptAfter || p.room.has(a.Ref.String()) {
			continue
		}
		if stopped(ctx, stopping) {
			return nil
		}
		if full, err := p.startOne(ctx, a, true); err != nil || full {
			return errors.Join(err, listErr)
		}
	}
	return listErr
}

// startOne starts one conversation if there is room, and reports whether there
// was none.
func (p *poll) startOne(ctx context.Context, a platforms.Assignment, adopt bool) (full bool, err error) {
	id := a.Ref.String()
	if !p.room.take(id, a.Ref.Simulation) {
		return true, nil
	}
	// A paused inbox must not go on starting until the next heartbeat happens to
	// tell.
	if err := p.live.record(ctx, p.status); err != nil {
		p.room.release(id)
		if temporal.IsCanceledError(err) {
			<-ctx.Done() // at the next heartbeat
			return false, ctx.Err()
		}
		return false, fmt.Errorf("inbox: ask whether to go on: %w", err)
	}
	_, started, err := p.runs.Start(ctx, StartRequest{
		Ref: a.Ref, Executor: p.in.Executor, Policy: p.in.Policy, Persona: a.Persona, Adopt: adopt, Task: p.tasks,
	})
	if err != nil || !started {
		// Not ours to wait for: if it runs, observe will find it.
		p.room.release(id)
		if err == nil {
			p.skip[id] = !adopt
			p.observed = time.Time{}
		}
		return false, err
	}
	p.room.watch(id)
	p.metrics.conversationStarted(ctx, p.in.Platform, adopt)
	p.status.Started++
	if adopt {
		p.status.Adopted++
	}
	p.served = append(slices.DeleteFunc(p.served, func(s string) bool { return s == a.Ref.Simulation }), a.Ref.Simulation)
	if len(p.served) > maxServed {
		p.served = p.served[len(p.served)-maxServed:]
	}
	return false, nil
}

// stopped is looked at before each start: what is not started now, another worker
// starts at once.
func stopped(ctx context.Context, stopping <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return true
	case <-stopping:
		return true
	default:
		return false
	}
}
