package workflows

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
)

// Inbox keeps one Poll activity running for an agent. Any number of workers may
// serve it: Temporal lets one of them poll, and moves the poll when that one goes.
func Inbox(ctx workflow.Context, in InboxInput) error {
	b := &inbox{in: in, settings: in.Settings, state: InboxPolling}
	if c := in.Carried; c != nil {
		b.started, b.adopted, b.served, b.cleared = c.Started, c.Adopted, c.Served, c.Cleared
		for _, tr := range c.Outages {
			b.troubles = append(b.troubles, &tr)
		}
		if c.State != "" {
			b.state = c.State
		}
		if c.State == InboxPaused {
			b.paused = c.Attention
		}
	}
	if err := b.listen(ctx); err != nil {
		return err
	}
	workflow.Go(ctx, b.followTroubles)
	b.show(ctx)
	for {
		b.settle(ctx)
		switch {
		case b.stop:
			b.setState(ctx, InboxStopped)
			b.show(ctx)
			return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
		case b.mayRollOver(ctx):
			return b.rollOver(ctx)
		case b.state != InboxPolling:
			err := workflow.Await(ctx, func() bool { return b.state == InboxPolling || b.stop || b.mayRollOver(ctx) })
			if err != nil {
				return err
			}
		default:
			if err := b.poll(ctx); err != nil {
				return err
			}
		}
	}
}

// inbox is the state of an Inbox.
type inbox struct {
	in       InboxInput
	settings InboxSettings
	state    InboxState
	started  int
	adopted  int
	served   []string
	last     activities.PollStatus
	paused   *Attention // by a person
	stop     bool
	changed  bool // the settings have changed since the poll began

	troubles  []*Outage // the oldest first
	cleared   []Outage  // whose Last is when they ended
	probing   string    // the conversation that tries again for others
	recovered *Outage   // of which a conversation says that it is over
	healing   bool      // it is being found out whether a trouble is over
	lookNow   bool      // something has changed: a worker has started
	looks     int
}

func (b *inbox) pollInput() activities.PollInput {
	return activities.PollInput{
		Platform: b.in.Platform, Project: b.in.Project, Agent: b.in.Agent,
		Settings: b.settings, Served: b.served,
	}
}

// poll runs one Poll activity, until it returns or the inbox is to do something
// else.
func (b *inbox) poll(ctx workflow.Context) error {
	b.changed = false
	in := b.pollInput()
	opts := activities.PollOptions(in)
	opts.Summary = "poll"
	pollCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	future := workflow.ExecuteActivity(workflow.WithActivityOptions(pollCtx, opts), activities.PollName, in)
	// An error means that the workflow is cancelled, and the activity with it.
	_ = workflow.Await(ctx, func() bool {
		return future.IsReady() || b.stop || b.changed || b.state != InboxPolling
	})
	if !future.IsReady() {
		cancel()
	}
	var out activities.PollResult
	err := future.Get(ctx, &out)
	if err != nil {
		out.PollStatus = lastPoll(err)
	}
	b.count(out)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case temporal.IsCanceledError(err):
	case err != nil && finalPoll(err):
		f := failureOf(err)
		b.pollFailed(ctx, activities.PollFailure{Kind: f.kind, Reason: f.reason, Remedy: f.remedy})
	case err != nil: // its worker died, or the like: another goes on
		workflow.GetLogger(ctx).Warn("A poll was lost", "error", err)
		return workflow.Sleep(ctx, lostPollPause)
	case out.Failure != nil:
		b.pollFailed(ctx, *out.Failure)
	}
	b.show(ctx)
	return nil
}

// lostPollPause is the time before another poll follows one that was lost.
const lostPollPause = time.Second

// count takes over what a poll did, however it ended.
func (b *inbox) count(out activities.PollResult) {
	b.started += out.Started
	b.adopted += out.Adopted
	if out.Served != nil {
		b.served = out.Served
	}
	if out.LastPoll.IsZero() && out.Worker == "" {
		return // nothing is known of it
	}
	b.last = out.PollStatus
}

// lastPoll is what a poll that ended in an error had done, as far as its heartbeat
// tells.
func lastPoll(err error) (status activities.PollStatus) {
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) && timeout.HasLastHeartbeatDetails() {
		_ = timeout.LastHeartbeatDetails(&status)
	}
	return status
}

// finalPoll reports whether the poll itself said that it is of no use to try again.
func finalPoll(err error) bool {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.NonRetryable()
}

// pollFailed stops the claiming: the platform refuses what is asked of it.
func (b *inbox) pollFailed(ctx workflow.Context, f activities.PollFailure) {
	b.onTrouble(ctx, OutageReport{
		Conversation: "poll", Source: OutageSource{Type: SourcePlatform, Name: b.in.Platform},
		Kind: f.Kind, Reason: f.Reason, Remedy: f.Remedy,
	})
}

// settle makes the state follow from what is wanted and what is wrong.
func (b *inbox) settle(ctx workflow.Context) {
	next := InboxPolling
	switch {
	case b.state == InboxStopped:
		return
	case b.paused != nil:
		next = InboxPaused
	case b.stopper() != nil:
		next = InboxNeedsAttention
	}
	b.setState(ctx, next)
	b.show(ctx)
}

// attention is why the inbox claims nothing, nil while it does.
func (b *inbox) attention() *Attention {
	if b.paused != nil {
		return b.paused
	}
	tr := b.stopper()
	if tr == nil {
		return nil
	}
	source := tr.Source
	return &Attention{
		Since: tr.Since, Step: tr.Step, Kind: tr.Kind, Reason: tr.Reason, Remedy: tr.Remedy, Source: &source, NextCheck: tr.Next,
	}
}

func (b *inbox) mayRollOver(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && !b.healing
}

func (b *inbox) rollOver(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) && !b.healing }); err != nil {
		return err
	}
	// Signals that have come must not be lost with the run.
	b.drain(ctx)
	if b.recovered != nil {
		b.recovered.Next = workflow.Now(ctx) // the next run finds out again
	}
	in := b.in
	in.Settings = b.settings
	in.Carried = &CarriedInbox{
		Started: b.started, Adopted: b.adopted, Served: b.served, State: b.state, Attention: b.paused,
		Outages: b.copied(), Cleared: b.cleared,
	}
	return workflow.NewContinueAsNewError(ctx, InboxName, in)
}

func (b *inbox) copied() []Outage {
	var out []Outage
	for _, tr := range b.troubles {
		out = append(out, *tr)
	}
	return out
}

// listen makes the inbox answer queries, updates and signals.
func (b *inbox) listen(ctx workflow.Context) error {
	err := errors.Join(
		workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (InboxStatus, error) { return b.status(), nil },
			workflow.QueryHandlerOptions{Description: "What the inbox is doing. The running poll's heartbeat is newer."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdatePause, b.onPause, workflow.UpdateHandlerOptions{
			Validator: b.mayPause, Description: "Stops claiming conversations; those that run go on."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateResume, b.onResume, workflow.UpdateHandlerOptions{
			Validator: b.mayResume, Description: "Claims conversations again."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateStop, b.onStop, workflow.UpdateHandlerOptions{
			Description: "Ends the inbox; conversations that run go on. A worker that starts, starts it again."}),
	)
	if err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalOutage), func(c workflow.ReceiveChannel, _ bool) {
			var signal OutageReport
			c.Receive(ctx, &signal)
			b.onTrouble(ctx, signal)
		})
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalRecovered), func(c workflow.ReceiveChannel, _ bool) {
			var signal Recovered
			c.Receive(ctx, &signal)
			b.onRecovered(ctx, signal)
		})
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalConfigure), func(c workflow.ReceiveChannel, _ bool) {
			var settings InboxSettings
			c.Receive(ctx, &settings)
			b.configure(ctx, settings)
		})
		for {
			selector.Select(ctx)
		}
	})
	return nil
}

// drain takes in the signals that have arrived but not been handled.
func (b *inbox) drain(ctx workflow.Context) {
	var settings InboxSettings
	for workflow.GetSignalChannel(ctx, SignalConfigure).ReceiveAsync(&settings) {
		b.configure(ctx, settings)
		settings = InboxSettings{}
	}
	var trouble OutageReport
	for workflow.GetSignalChannel(ctx, SignalOutage).ReceiveAsync(&trouble) {
		b.onTrouble(ctx, trouble)
		trouble = OutageReport{}
	}
	var recovered Recovered
	for workflow.GetSignalChannel(ctx, SignalRecovered).ReceiveAsync(&recovered) {
		b.onRecovered(ctx, recovered)
		recovered = Recovered{}
	}
}

// configure takes over the settings of a worker that has started. It may also have
// brought what was missing, a key say.
func (b *inbox) configure(ctx workflow.Context, settings InboxSettings) {
	b.lookNow = len(b.troubles) > 0
	if reflect.DeepEqual(settings, b.settings) {
		return
	}
	b.settings, b.changed = settings, true
	b.show(ctx)
}

func (b *inbox) mayPause(workflow.Context, PauseRequest) error {
	if b.paused != nil {
		return errors.New("the inbox is paused already")
	}
	return nil
}

func (b *inbox) onPause(ctx workflow.Context, req PauseRequest) (InboxStatus, error) {
	b.paused = &Attention{Since: workflow.Now(ctx).UTC(), Reason: join("paused", req.Reason)}
	b.settle(ctx)
	return b.status(), nil
}

func (b *inbox) mayResume(workflow.Context, ResumeRequest) error {
	if b.state == InboxPolling {
		return errors.New("the inbox is polling: there is nothing to resume")
	}
	return nil
}

// onResume believes the person: what is parked tries again too.
func (b *inbox) onResume(ctx workflow.Context, _ ResumeRequest) (InboxStatus, error) {
	b.paused = nil
	troubles := slices.Clone(b.troubles)
	b.troubles, b.cleared = nil, nil
	b.settle(ctx)
	status := b.status()
	workflow.Go(ctx, func(ctx workflow.Context) {
		for _, tr := range troubles {
			b.tellParked(ctx, tr)
		}
	})
	return status, nil
}

func (b *inbox) onStop(workflow.Context, EndRequest) (InboxStatus, error) {
	b.stop = true
	return b.status(), nil
}

func (b *inbox) status() InboxStatus {
	return InboxStatus{
		Platform: b.in.Platform, Project: b.in.Project, Agent: b.in.Agent,
		State: b.state, Settings: b.settings, Started: b.started, Adopted: b.adopted,
		Poll: b.last, Attention: b.attention(), Outages: b.copied(),
	}
}

func (b *inbox) setState(ctx workflow.Context, s InboxState) {
	if b.state == s {
		return
	}
	b.state = s
	if err := workflow.UpsertTypedSearchAttributes(ctx, KeyStatus.ValueSet(string(s))); err != nil {
		workflow.GetLogger(ctx).Error("upsert search attributes", "error", err)
	}
}

func (b *inbox) show(ctx workflow.Context) {
	var s strings.Builder
	fmt.Fprintf(&s, "**%s** · agent %s · executor %s\n\n", b.state, b.name(), b.settings.Policy.Executor)
	if a := b.attention(); a != nil {
		fmt.Fprintf(&s, "since %s: %s\n\n", a.Since.Format("2006-01-02 15:04:05 UTC"), a.Reason)
		if a.Remedy != "" {
			fmt.Fprintf(&s, "> %s\n\n", a.Remedy)
		}
	}
	for _, tr := range b.troubles {
		if !tr.Stops {
			fmt.Fprintf(&s, "%s %s fails since %s, %d times: %s\n\n", tr.Source.Type, tr.Source.Name,
				tr.Since.Format("2006-01-02 15:04:05 UTC"), tr.Count, tr.Reason)
		}
	}
	fmt.Fprintf(&s, "started %d, of them adopted %d, before the running poll\n\n", b.started, b.adopted)
	if !b.last.LastPoll.IsZero() {
		fmt.Fprintf(&s, "open %d · waiting %d · last poll %s by %s\n\n", b.last.Open, b.last.Waiting,
			b.last.LastPoll.Format("15:04:05 UTC"), b.last.Worker)
	}
	if b.last.LastError != "" {
		fmt.Fprintf(&s, "last error: %s\n\n", b.last.LastError)
	}
	s.WriteString("The running poll's heartbeat, under pending activities, is newer.\n")
	workflow.SetCurrentDetails(ctx, s.String())
}

func (b *inbox) name() string {
	if b.settings.AgentName != "" {
		return b.settings.AgentName
	}
	return b.in.Agent
}
