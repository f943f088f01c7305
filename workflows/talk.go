package workflows

import (
	"encoding/json"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/spending"
)

// talk is the state of a Conversation.
type talk struct {
	in     ConversationInput
	policy conversation.Policy

	about   conversation.Context
	claimed bool
	// unclear means that a claim may have landed of which nobody has seen the end.
	unclear bool
	started time.Time
	outcome *conversation.Outcome

	// messages are the newest of the conversation, those between the agent and its
	// tools included. count is how many the platform holds, internal how many there
	// are beside them, and unseen how many, at the end, the executor has not been
	// given yet. digest is the activities.Digest of all the others.
	messages []conversation.Message
	count    int
	internal int
	unseen   int
	digest   string
	// byOperator: the message being sent is not the executor's.
	byOperator bool

	turn     int // the agent's replies
	state    json.RawMessage
	executor string
	model    string
	usage    conversation.Usage
	allowed  spending.Amount // spent before somebody resumed in spite of the budget

	// run is the run id that this state was built on: see activities.ContextResult.
	run string
	// spoken: the platform has taken messages of this workflow.
	spoken bool
	// slowest is the longest that an answer of the other side has taken, and lag how
	// slowly Temporal acknowledges heartbeats.
	slowest, lag time.Duration

	// What people want.
	paused    *Attention
	attention *Attention
	takeover  *TakeoverRequest
	end       *EndRequest

	stateNow State
	step     string
	sending  bool // an exchange may have reached the platform

	approvals []*approval // that wait, or were decided in this round

	events events
	direct *mailbox // of a direct conversation; else nil
	task   *taskRun // of a task; else nil
}

// total counts all messages.
func (t *talk) total() int { return t.count + t.internal }

func newTalk(ctx workflow.Context, in ConversationInput) *talk {
	if in.Ref.ID == "" {
		// A schedule gives every workflow the same input, and an id of its own.
		in.Ref.ID = strings.TrimPrefix(workflow.GetInfo(ctx).WorkflowExecution.ID, ConversationID(in.Ref))
	}
	t := &talk{
		in: in, policy: in.Policy.WithDefaults(), executor: in.Executor,
		started: workflow.Now(ctx).UTC(), stateNow: StateClaiming, run: workflow.GetInfo(ctx).OriginalRunID,
	}
	if in.Direct != nil {
		t.direct = &mailbox{}
		if in.Policy.CarryBytes == 0 {
			t.policy.CarryBytes = directCarryBytes
		}
	}
	if c := in.Carried; c != nil {
		t.claimed, t.stateNow = true, StateTalking
		t.about, t.started = c.Context, c.Started
		t.messages, t.count, t.internal, t.unseen, t.digest = c.Messages, c.Count, c.Internal, c.New, c.Digest
		t.turn, t.state, t.executor, t.model, t.usage = c.Turn, c.State, c.Executor, c.Model, c.Usage
		t.paused, t.takeover, t.end = c.Paused, c.Takeover, c.End
		t.allowed, t.events.number = c.Allowed, c.Events
		t.spoken, t.slowest, t.lag = c.Spoken, c.Slowest, c.Lag
		if t.direct != nil {
			t.direct.answered = c.Answered
		}
	}
	return t
}

// carried is what goes along when the workflow continues as new.
func (t *talk) carried() *Carried {
	answered, size := t.direct.newest()
	messages := conversation.Newest(t.messages, min(t.policy.CarryBytes, maxCarried-size))
	if len(messages) < t.unseen {
		messages = t.messages[len(t.messages)-t.unseen:]
	}
	return &Carried{
		Context: t.about, Started: t.started,
		Messages: messages, Count: t.count, Internal: t.internal, New: t.unseen, Digest: t.digest,
		Turn: t.turn, State: t.state, Executor: t.executor, Model: t.model, Usage: t.usage,
		Paused: t.paused, Takeover: t.takeover, End: t.end, Allowed: t.allowed,
		Answered: answered, Events: t.events.number, Spoken: t.spoken, Slowest: t.slowest, Lag: t.lag,
	}
}

// rollOver continues the workflow as new, between turns, when its history has
// grown long. That is also when it moves to a newer version of the worker: not
// before, so that a conversation does not change its agent in the middle.
func (t *talk) rollOver(ctx workflow.Context) error {
	info := workflow.GetInfo(ctx)
	long := info.GetContinueAsNewSuggested()
	if t.policy.RunTurns > 0 && t.in.Carried != nil {
		long = long || t.turn-t.in.Carried.Turn >= t.policy.RunTurns
	} else if t.policy.RunTurns > 0 {
		long = long || t.turn >= t.policy.RunTurns
	}
	if !long {
		return nil
	}
	// An update that was accepted must not be lost, nor its answer.
	t.direct.close()
	if err := workflow.Await(ctx, func() bool { return t.direct.busy() || workflow.AllHandlersFinished(ctx) && t.told() }); err != nil {
		return err
	}
	if t.direct.busy() {
		return nil // that first: no more is accepted
	}
	in := t.in
	in.Carried = t.carried()
	var opts workflow.ContinueAsNewErrorOptions
	if info.GetTargetWorkerDeploymentVersionChanged() {
		opts.InitialVersioningBehavior = workflow.ContinueAsNewVersioningBehaviorAutoUpgrade
	}
	return workflow.NewContinueAsNewErrorWithOptions(ctx, opts, ConversationName, in)
}

// activity is the context of one activity. A server that acknowledges heartbeats
// slowly gets more time for them.
func (t *talk) activity(ctx workflow.Context, opts workflow.ActivityOptions, summary string) workflow.Context {
	opts.Summary = summary
	opts.HeartbeatTimeout = activities.HeartbeatTimeout(opts.HeartbeatTimeout, t.lag)
	return workflow.WithActivityOptions(ctx, opts)
}

// redo says that an activity has ended without its result, for no fault of
// anybody: a worker stopped, or its turn under a rate limit is still to come.
type redo struct{ wait time.Duration }

func redoIf(handedOver bool, wait time.Duration) *redo {
	if !handedOver {
		return nil
	}
	return &redo{wait}
}

// waitTurn waits until it is this conversation's turn.
func (t *talk) waitTurn(ctx workflow.Context, wait time.Duration, interrupted func() bool) error {
	if wait <= 0 {
		return nil
	}
	if r := t.task; r != nil {
		begun := workflow.Now(ctx)
		r.queues = true
		defer func() {
			now := workflow.Now(ctx)
			r.queues, r.queued = false, r.queued+now.Sub(begun)
			if t.usage.Calls == 0 {
				r.result.Started = now.UTC() // nothing has been asked before
			}
		}()
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      wait,
		TimerOptions: workflow.TimerOptions{Summary: "its turn under the rate limit"},
	}, interrupted)
	return err
}

// mending is what became of a failure.
type mending int

const (
	unmended mending = iota
	again            // try the step again, differently
	settled          // go on without a result
)

// attempt runs one step: an activity, as often as it is handed over by a worker
// that stops, and again after people have mended what made it fail. It returns
// with neither a verdict nor an error when the step has its result or when
// interrupted says that somebody wants something else. mend, if not nil, is shown a
// failure first: it may have found another way, or settled the matter.
func (t *talk) attempt(
	ctx workflow.Context,
	step string,
	interrupted func() bool,
	mend func(failure) mending,
	schedule func(workflow.Context) workflow.Future,
	get func(workflow.Future) (*redo, error),
) (*verdict, error) {
	for {
		t.step = step
		t.show(ctx)
		stepCtx, cancel := workflow.WithCancel(ctx)
		future := schedule(stepCtx)
		// An error means that the workflow is cancelled, and the activity with it.
		_ = workflow.Await(ctx, func() bool { return future.IsReady() || interrupted() })
		if !future.IsReady() {
			cancel()
		}
		undone, err := get(future)
		cancel()
		switch {
		case err == nil && undone == nil:
			return nil, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case interrupted():
			return t.overdue(ctx), nil
		case err == nil:
			if err := t.waitTurn(ctx, undone.wait, interrupted); err != nil {
				return nil, err
			}
			if interrupted() {
				return t.overdue(ctx), nil
			}
			continue
		}
		f := failureOf(err)
		t.usage = t.usage.Add(f.spent)
		if mend != nil {
			switch mend(f) {
			case again:
				continue
			case settled:
				return nil, nil
			}
		}
		if v, err := t.trouble(ctx, step, f, interrupted); v != nil || err != nil {
			return v, err
		}
		if interrupted() {
			return t.overdue(ctx), nil
		}
	}
}

// trouble decides what becomes of a conversation whose step has failed for good.
// It returns nothing when the step is to be tried again.
func (t *talk) trouble(ctx workflow.Context, step string, f failure, interrupted func() bool) (*verdict, error) {
	workflow.GetLogger(ctx).Warn("step failed", "step", step, "kind", string(f.kind), "reason", f.reason)
	switch f.kind {
	case conversation.Claimed:
		return &verdict{kind: conversation.OutcomeClaimLost, detail: f.reason}, nil
	case conversation.NotFound:
		return &verdict{kind: conversation.OutcomeFailed, detail: f.reason, cause: f.kind}, nil
	case conversation.ContextTooLong:
		// It has been tried with less. Nobody can make the conversation shorter.
		return &verdict{kind: conversation.OutcomeFailed, detail: f.reason, cause: f.kind, tell: t.claimed}, nil
	}
	onExhausted := t.policy.OnExhausted
	if t.task != nil && t.in.Policy.OnExhausted == "" {
		onExhausted = conversation.EndConversation // who scheduled it wants to hear of it
	}
	if f.kind == conversation.BudgetSpent {
		if onExhausted = t.policy.OnSpent; onExhausted == conversation.EndConversation {
			return &verdict{kind: conversation.OutcomeBudgetSpent, detail: f.reason, cause: f.kind, tell: t.claimed}, nil
		}
	}
	if f.contagious() {
		t.warnInbox(ctx, f)
	}
	if onExhausted == conversation.EndConversation {
		return &verdict{kind: conversation.OutcomeFailed, detail: join(step+" failed", f.reason), cause: f.kind, tell: t.claimed}, nil
	}
	t.attention = &Attention{
		Since: workflow.Now(ctx).UTC(), Step: step, Kind: f.kind, Reason: f.reason,
		Remedy: join(f.remedy, "then resume, take over or end the conversation"),
	}
	t.setState(ctx, StateNeedsAttention)
	t.happened(ctx, conversation.EventNeedsAttention, f.reason)
	err := t.waitForPeople(ctx, func() bool { return t.attention == nil || interrupted() })
	t.attention = nil
	if err != nil {
		return nil, err
	}
	if v := t.overdue(ctx); v != nil {
		if f.kind == conversation.BudgetSpent && v.kind == conversation.OutcomeEnded {
			v.kind, v.by = conversation.OutcomeBudgetSpent, ""
		}
		return v, nil
	}
	t.setState(ctx, StateTalking)
	return nil, nil
}

// warnInbox tells the agent's inbox that its other conversations would fail the
// same way. There may be none.
func (t *talk) warnInbox(ctx workflow.Context, f failure) {
	ref := t.in.Ref
	_ = workflow.SignalExternalWorkflow(ctx, InboxID(ref.Platform, ref.Project, ref.Agent), "", SignalTrouble, Trouble{
		Conversation: ConversationID(ref), Kind: f.kind, Reason: f.reason, Remedy: f.remedy,
	}).Get(ctx, nil)
}

// waitForPeople waits until done, or until the platform gives the conversation
// up: nobody should have to clear away what has expired.
func (t *talk) waitForPeople(ctx workflow.Context, done func() bool) error {
	t.show(ctx)
	if t.about.Expires.IsZero() {
		return workflow.Await(ctx, done)
	}
	left := t.about.Expires.Sub(workflow.Now(ctx))
	if left <= 0 {
		return nil
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      left,
		TimerOptions: workflow.TimerOptions{Summary: "expiry of the conversation"},
	}, done)
	return err
}

// setState changes what the conversation is seen to be doing.
func (t *talk) setState(ctx workflow.Context, s State) {
	if t.stateNow == s {
		return
	}
	t.stateNow = s
	t.show(ctx)
	if s == StateEnding || s == StateClosed {
		return // over in a moment, with the outcome
	}
	t.upsert(ctx, KeyStatus.ValueSet(string(s)), KeyTurns.ValueSet(int64(t.turn)))
}

func (t *talk) upsert(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Error("upsert search attributes", "error", err)
	}
}

func (t *talk) upsertOutcome(ctx workflow.Context) error {
	updates := []temporal.SearchAttributeUpdate{
		KeyStatus.ValueSet(string(StateClosed)),
		KeyOutcome.ValueSet(string(t.outcome.Kind)),
		KeyTurns.ValueSet(int64(t.outcome.Turns)),
	}
	if t.outcome.EndedBy != "" {
		updates = append(updates, KeyEndedBy.ValueSet(string(t.outcome.EndedBy)))
	}
	return workflow.UpsertTypedSearchAttributes(ctx, updates...)
}
