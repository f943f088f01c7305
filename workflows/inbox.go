package workflows

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
)

// Inbox keeps one Poll activity running for an agent. Any number of workers may
// serve it: Temporal lets one of them poll, and moves the poll when that one goes.
func Inbox(ctx workflow.Context, in InboxInput) error {
	b := &inbox{in: in, settings: in.Settings, state: InboxPolling}
	if c := in.Carried; c != nil {
		b.started, b.adopted, b.served, b.attention = c.Started, c.Adopted, c.Served, c.Attention
		if c.State != "" {
			b.state = c.State
		}
	}
	if err := b.listen(ctx); err != nil {
		return err
	}
	b.show(ctx)
	for {
		switch {
		case b.stop:
			b.setState(ctx, InboxStopped)
			return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
		case workflow.GetInfo(ctx).GetContinueAsNewSuggested():
			return b.rollOver(ctx)
		case b.state != InboxPolling:
			if err := workflow.Await(ctx, func() bool { return b.state == InboxPolling || b.stop }); err != nil {
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
	in        InboxInput
	settings  InboxSettings
	state     InboxState
	started   int
	adopted   int
	served    []string
	last      activities.PollStatus
	attention *Attention
	stop      bool
	changed   bool // the settings have changed since the poll began
}

// poll runs one Poll activity, until it returns or the inbox is to do something
// else.
func (b *inbox) poll(ctx workflow.Context) error {
	b.changed = false
	in := activities.PollInput{
		Platform: b.in.Platform, Project: b.in.Project, Agent: b.in.Agent,
		Executor: b.settings.Executor, Policy: b.settings.Policy,
		Interval: b.settings.Interval, AdoptAfter: b.settings.AdoptAfter, For: b.settings.PollFor,
		Served: b.served,
	}
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
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case temporal.IsCanceledError(err):
		return nil
	case err != nil:
		b.needAttention(ctx, "poll", failureOf(err))
		return nil
	}
	b.started += out.Started
	b.adopted += out.Adopted
	b.served = out.Served
	b.last = out.PollStatus
	b.show(ctx)
	return nil
}

func (b *inbox) needAttention(ctx workflow.Context, step string, f failure) {
	b.attention = &Attention{
		Since: workflow.Now(ctx).UTC(), Step: step, Kind: f.kind, Reason: f.reason,
		Remedy: join(f.remedy, "then resume the inbox"),
	}
	b.setState(ctx, InboxNeedsAttention)
}

func (b *inbox) rollOver(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	// Signals that have come must not be lost with the run.
	b.drain(ctx)
	in := b.in
	in.Settings = b.settings
	in.Carried = &CarriedInbox{
		Started: b.started, Adopted: b.adopted, Served: b.served, State: b.state, Attention: b.attention,
	}
	return workflow.NewContinueAsNewError(ctx, InboxName, in)
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
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalTrouble), func(c workflow.ReceiveChannel, _ bool) {
			var signal Trouble
			c.Receive(ctx, &signal)
			b.onTrouble(ctx, signal)
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

// drain takes in the signals that have arrived but not been looked at.
func (b *inbox) drain(ctx workflow.Context) {
	var settings InboxSettings
	for workflow.GetSignalChannel(ctx, SignalConfigure).ReceiveAsync(&settings) {
		b.configure(ctx, settings)
	}
	var signal Trouble
	for workflow.GetSignalChannel(ctx, SignalTrouble).ReceiveAsync(&signal) {
		b.onTrouble(ctx, signal)
	}
}

func (b *inbox) onTrouble(ctx workflow.Context, signal Trouble) {
	if b.state != InboxPolling {
		return
	}
	b.needAttention(ctx, signal.Conversation, failure{kind: signal.Kind, reason: signal.Reason, remedy: signal.Remedy})
}

func (b *inbox) configure(ctx workflow.Context, settings InboxSettings) {
	if reflect.DeepEqual(settings, b.settings) {
		return
	}
	b.settings, b.changed = settings, true
	b.show(ctx)
}

func (b *inbox) mayPause(workflow.Context, PauseRequest) error {
	if b.state == InboxPaused {
		return errors.New("the inbox is paused already")
	}
	return nil
}

func (b *inbox) onPause(ctx workflow.Context, req PauseRequest) (InboxStatus, error) {
	b.attention = &Attention{Since: workflow.Now(ctx).UTC(), Reason: join("paused", req.Reason)}
	b.setState(ctx, InboxPaused)
	return b.status(), nil
}

func (b *inbox) mayResume(workflow.Context, ResumeRequest) error {
	if b.state == InboxPolling {
		return errors.New("the inbox is polling: there is nothing to resume")
	}
	return nil
}

func (b *inbox) onResume(ctx workflow.Context, _ ResumeRequest) (InboxStatus, error) {
	b.attention = nil
	b.setState(ctx, InboxPolling)
	return b.status(), nil
}

func (b *inbox) onStop(workflow.Context, EndRequest) (InboxStatus, error) {
	b.stop = true
	return b.status(), nil
}

func (b *inbox) status() InboxStatus {
	return InboxStatus{
		Platform: b.in.Platform, Project: b.in.Project, Agent: b.in.Agent,
		State: b.state, Settings: b.settings, Started: b.started, Adopted: b.adopted,
		Poll: b.last, Attention: b.attention,
	}
}

func (b *inbox) setState(ctx workflow.Context, s InboxState) {
	if b.state == s {
		return
	}
	b.state = s
	b.show(ctx)
	if err := workflow.UpsertTypedSearchAttributes(ctx, KeyStatus.ValueSet(string(s))); err != nil {
		workflow.GetLogger(ctx).Error("upsert search attributes", "error", err)
	}
}

func (b *inbox) show(ctx workflow.Context) {
	var s strings.Builder
	fmt.Fprintf(&s, "**%s** · agent %s · executor %s\n\n", b.state, b.name(), b.settings.Executor)
	if a := b.attention; a != nil {
		fmt.Fprintf(&s, "since %s: %s\n\n", a.Since.Format("2006-01-02 15:04:05 UTC"), a.Reason)
		if a.Remedy != "" {
			fmt.Fprintf(&s, "> %s\n\n", a.Remedy)
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
