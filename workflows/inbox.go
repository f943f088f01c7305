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
		b.started, b.adopted, b.served, b.recent = c.Started, c.Adopted, c.Served, c.Recovered
		for _, o := range c.Outages {
			b.outages = append(b.outages, &o)
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
	workflow.Go(ctx, b.followOutages)
	b.show(ctx)
	for {
		b.updateState(ctx)
		switch {
		case b.stop:
			b.setState(ctx, InboxStopped)
			b.show(ctx)
			dropActs(ctx)
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
	paused   *Attention // by an operator
	stop     bool
	changed  bool // the settings have changed since the poll began

	outages   []*Outage // the oldest first
	recent    []Outage  // that are over; Last is when they ended
	probing   string    // the conversation that retries for others
	recovered *Outage   // that is over, as a conversation reports
	checking  bool      // an outage is being probed or ended
	probeNow  bool      // a worker has started, perhaps with what was missing
	probes    int
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

// count adds what a poll did, however it ended.
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

// lastPoll is what a poll that ended in an error had done, as of its last heartbeat.
func lastPoll(err error) (status activities.PollStatus) {
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) && timeout.HasLastHeartbeatDetails() {
		_ = timeout.LastHeartbeatDetails(&status)
	}
	return status
}

// finalPoll reports whether the poll's own error says that a retry is of no use.
func finalPoll(err error) bool {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.NonRetryable()
}

// pollFailed stops the claiming: the platform refuses what is asked of it.
func (b *inbox) pollFailed(ctx workflow.Context, f activities.PollFailure) {
	b.onOutage(ctx, OutageReport{
		Conversation: "poll", Source: OutageSource{Type: SourcePlatform, Name: b.in.Platform},
		Kind: f.Kind, Reason: f.Reason, Remedy: f.Remedy,
	})
}

// updateState derives the state from what is paused and which outages there are.
func (b *inbox) updateState(ctx workflow.Context) {
	next := InboxPolling
	switch {
	case b.state == InboxStopped:
		return
	case b.paused != nil:
		next = InboxPaused
	case b.blocking() != nil:
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
	o := b.blocking()
	if o == nil {
		return nil
	}
	source := o.Source
	return &Attention{
		Since: o.Since, Step: o.Step, Kind: o.Kind, Reason: o.Reason, Remedy: o.Remedy, Source: &source, NextCheck: o.Next,
	}
}

func (b *inbox) mayRollOver(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && !b.checking
}

func (b *inbox) rollOver(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) && !b.checking }); err != nil {
		return err
	}
	// Signals that have arrived must not be lost with the run.
	b.drain(ctx)
	if b.recovered != nil {
		b.recovered.Next = workflow.Now(ctx) // the next run probes
	}
	in := b.in
	in.Settings = b.settings
	in.Carried = &CarriedInbox{
		Started: b.started, Adopted: b.adopted, Served: b.served, State: b.state, Attention: b.paused,
		Outages: b.copied(), Recovered: b.recent,
	}
	return workflow.NewContinueAsNewError(ctx, InboxName, in)
}

func (b *inbox) copied() []Outage {
	var out []Outage
	for _, o := range b.outages {
		out = append(out, *o)
	}
	return out
}

// listen registers the handlers of queries, updates and signals.
func (b *inbox) listen(ctx workflow.Context) error {
	err := errors.Join(
		workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (InboxStatus, error) { return b.status(), nil },
			workflow.QueryHandlerOptions{Description: "What the inbox is doing. The running poll's heartbeat is newer."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdatePause, b.onPause, workflow.UpdateHandlerOptions{
			Validator: b.mayPause, Description: "Stops claiming conversations; open ones continue."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateResume, b.onResume, workflow.UpdateHandlerOptions{
			Validator: b.mayResume, Description: "Resumes claiming conversations."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateStop, b.onStop, workflow.UpdateHandlerOptions{
			Validator: b.mayStop, Description: "Ends the inbox; open conversations continue. A worker that starts, starts it again."}),
	)
	if err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalOutage), func(c workflow.ReceiveChannel, _ bool) {
			var signal OutageReport
			c.Receive(ctx, &signal)
			b.onOutage(ctx, signal)
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

// drain handles the signals that have arrived and are not handled yet.
func (b *inbox) drain(ctx workflow.Context) {
	var settings InboxSettings
	for workflow.GetSignalChannel(ctx, SignalConfigure).ReceiveAsync(&settings) {
		b.configure(ctx, settings)
		settings = InboxSettings{}
	}
	var outage OutageReport
	for workflow.GetSignalChannel(ctx, SignalOutage).ReceiveAsync(&outage) {
		b.onOutage(ctx, outage)
		outage = OutageReport{}
	}
	var recovered Recovered
	for workflow.GetSignalChannel(ctx, SignalRecovered).ReceiveAsync(&recovered) {
		b.onRecovered(ctx, recovered)
		recovered = Recovered{}
	}
	dropActs(ctx)
}

// configure applies the settings of a worker that has started. The worker may also have
// what was missing, such as a key.
func (b *inbox) configure(ctx workflow.Context, settings InboxSettings) {
	b.probeNow = len(b.outages) > 0
	if reflect.DeepEqual(settings, b.settings) {
		return
	}
	b.settings, b.changed = settings, true
	b.show(ctx)
}

func (b *inbox) mayPause(_ workflow.Context, req PauseRequest) error {
	if b.paused != nil {
		return errors.New("the inbox is paused already")
	}
	return mayDecide(req.By, req.Reason)
}

func (b *inbox) onPause(ctx workflow.Context, req PauseRequest) (InboxStatus, error) {
	b.paused = &Attention{Since: workflow.Now(ctx).UTC(), Reason: join(byOperator("paused", req.By), req.Reason)}
	b.updateState(ctx)
	return b.status(), nil
}

func (b *inbox) mayResume(_ workflow.Context, req ResumeRequest) error {
	if b.state == InboxPolling {
		return errors.New("the inbox is polling: there is nothing to resume")
	}
	return mayDecide(req.By, "")
}

// onResume trusts the operator: what is parked retries too.
func (b *inbox) onResume(ctx workflow.Context, _ ResumeRequest) (InboxStatus, error) {
	b.paused = nil
	outages := slices.Clone(b.outages)
	b.outages, b.recent = nil, nil
	b.updateState(ctx)
	status := b.status()
	workflow.Go(ctx, func(ctx workflow.Context) {
		for _, o := range outages {
			b.retryParked(ctx, o)
		}
	})
	return status, nil
}

func (b *inbox) mayStop(_ workflow.Context, req EndRequest) error {
	return mayDecide(req.By, req.Reason)
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
	for _, o := range b.outages {
		if !o.Stops {
			fmt.Fprintf(&s, "%s %s fails since %s, %d times: %s\n\n", o.Source.Type, o.Source.Name,
				o.Since.Format("2006-01-02 15:04:05 UTC"), o.Count, o.Reason)
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
