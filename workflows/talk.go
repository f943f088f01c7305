package workflows

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/spending"
)

// talk is the state of a Conversation.
type talk struct {
	in     ConversationInput
	policy conversation.Policy

	about   conversation.Context
	claimed bool
	// unclear means that a claim is ambiguous: it may be ours. claimTried is what is
	// known of its requests.
	unclear    bool
	claimTried *activities.Mark
	// claimRun is the run that made the claim.
	claimRun string
	started  time.Time
	outcome  *conversation.Outcome

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
	waiting  bool // for a place of its platform's capacity
	sending  bool // an exchange may have reached the platform

	approvals []*approval // that wait, or were decided in this round

	steps steps
	// stale is set once the state may be older than what the platform holds. The
	// conversation is then read anew before anything else is done.
	stale *stale
	// anew is how often that was done in this run.
	anew int
	// afterReset: the run was reset, and its next reply may have been asked for before.
	afterReset bool

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
		in: in, policy: in.Policy.WithDefaults(), executor: in.Policy.Executor,
		started: workflow.Now(ctx).UTC(), stateNow: StateClaiming, run: runOf(ctx),
		claimRun: runOf(ctx),
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
		if before := workflow.GetInfo(ctx).ContinuedExecutionRunID; before != "" && c.Run != "" && c.Run != before {
			t.stale = &stale{run: t.run}
		}
		if t.direct != nil {
			t.direct.answered = c.Answered
		}
	}
	return t
}

// runOf is the run whose history this is, at its beginning: in a run that was reset,
// the one it was reset from.
func runOf(ctx workflow.Context) string {
	info := workflow.GetInfo(ctx)
	return cmp.Or(info.OriginalRunID, info.WorkflowExecution.RunID)
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
		Answered: answered, Events: t.events.number, Run: t.run, Spoken: t.spoken, Slowest: t.slowest, Lag: t.lag,
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
	if ctx.Err() != nil {
		return ctx.Err() // the next run would not know that it is cancelled
	}
	// An update that was accepted must not be lost, nor its answer.
	t.direct.close()
	if err := workflow.Await(ctx, func() bool { return t.direct.busy() || workflow.AllHandlersFinished(ctx) && t.told() }); err != nil {
		return err
	}
	if t.direct.busy() {
		return nil // that first: no more is accepted
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	in := t.in
	in.Carried = t.carried()
	var opts workflow.ContinueAsNewErrorOptions
	if info.GetTargetWorkerDeploymentVersionChanged() {
		opts.InitialVersioningBehavior = workflow.ContinueAsNewVersioningBehaviorAutoUpgrade
	}
	return workflow.NewContinueAsNewErrorWithOptions(ctx, opts, ConversationName, in)
}

// redo says that an activity has ended without its result, for no fault of its own: a
// worker stopped, or its turn under a rate limit is still to come.
type redo struct {
	// wait is how long its turn is away, and tries how many attempts had failed.
	wait  time.Duration
	tries int
}

func redoIf(handedOver bool, wait time.Duration, tries int) *redo {
	if !handedOver {
		return nil
	}
	return &redo{wait: wait, tries: tries}
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

// recovery says how a step goes on after a failure.
type recovery int

const (
	none     recovery = iota // it does not: people decide
	retry                    // try the step again, differently
	resolved                 // go on without a result
)

// A step is an activity on whose result the conversation goes on.
type step struct {
	name     string
	options  workflow.ActivityOptions
	activity string
	// input is asked for each time the activity is scheduled.
	input func() any
	// interrupted says that the result is not waited for any more.
	interrupted func() bool
	// get reads the result.
	get func(workflow.Future) (*redo, error)
	// recover, if not nil, is shown a failure before people are.
	recover func(failure) recovery
	// look, if not nil, finds out whether an ambiguous step has its result meanwhile,
	// without doing anything twice: see failure.look.
	look func(workflow.Context) (bool, *failure)
	// resumed, if not nil, is told of a failure that a person wants to be tried again.
	resumed func(failure)
}

// attempt runs a step: an activity, as often as it is handed over, and again after
// people have resumed it. done is false when it was interrupted, or when the
// conversation has to be read anew first. An error means cancellation.
func (t *talk) attempt(ctx workflow.Context, s step) (done bool, v *verdict, err error) {
	for tries := 0; ; {
		t.step = s.name
		t.show(ctx)
		stepCtx, cancel := workflow.WithCancel(ctx)
		future := t.schedule(stepCtx, s.name, tries, s.options, s.activity, s.input())
		// An error means that the workflow is cancelled, and the activity with it.
		_ = workflow.Await(ctx, func() bool { return future.IsReady() || s.interrupted() })
		if !future.IsReady() {
			cancel()
		}
		undone, err := s.get(future)
		cancel()
		switch {
		case err == nil && undone == nil:
			return true, nil, nil
		case ctx.Err() != nil:
			return false, nil, ctx.Err()
		case s.interrupted():
			return false, t.overdue(ctx), nil
		case err == nil:
			tries += undone.tries
			if err := t.waitTurn(ctx, undone.wait, s.interrupted); err != nil {
				return false, nil, err
			}
			if s.interrupted() {
				return false, t.overdue(ctx), nil
			}
			continue
		}
		tries = 0
		f := failureOf(err)
		t.usage = t.usage.Add(f.spent)
		if f.kind == conversation.Reset {
			t.wasReset(ctx, f)
			return false, nil, nil
		}
		if s.recover != nil {
			switch s.recover(f) {
			case retry:
				continue
			case resolved:
				return true, nil, nil
			}
		}
		arrived := false
		if s.look != nil && f.kind == conversation.Ambiguous {
			f.look = func(ctx workflow.Context) (bool, *failure) {
				ok, now := s.look(ctx)
				arrived = ok
				return ok, now
			}
		}
		v, err := t.trouble(ctx, s.name, f, s.interrupted)
		switch {
		case v != nil || err != nil:
			return false, v, err
		case arrived:
			return true, nil, nil
		case s.interrupted():
			return false, t.overdue(ctx), nil
		case s.resumed != nil:
			s.resumed(f)
		}
	}
}

// trouble decides how a conversation goes on whose step has failed for good. It
// returns nothing when the step is to be tried again.
func (t *talk) trouble(ctx workflow.Context, step string, f failure, interrupted func() bool) (*verdict, error) {
	workflow.GetLogger(ctx).Warn("step failed", "step", step, "kind", string(f.kind), "reason", f.reason)
	if f.kind == conversation.Claimed && t.spoken {
		// The platform has messages of ours: to leave it now would leave it open there.
		f.kind = conversation.Diverged
	}
	switch f.kind {
	case conversation.Claimed:
		return &verdict{kind: conversation.OutcomeClaimLost, detail: f.String()}, nil
	case conversation.NotFound:
		return &verdict{kind: conversation.OutcomeFailed, detail: f.String(), cause: f.kind}, nil
	case conversation.ContextTooLong:
		// It has been tried with less. Nobody can make the conversation shorter.
		return &verdict{kind: conversation.OutcomeFailed, detail: f.String(), cause: f.kind, tell: t.claimed}, nil
	}
	onExhausted := t.policy.OnExhausted
	if t.task != nil && t.in.Policy.OnExhausted == "" {
		onExhausted = conversation.EndConversation // who scheduled it wants to hear of it
	}
	if f.kind == conversation.BudgetSpent {
		if onExhausted = t.policy.OnSpent; onExhausted == conversation.EndConversation {
			return &verdict{kind: conversation.OutcomeBudgetSpent, detail: f.String(), cause: f.kind, tell: t.claimed}, nil
		}
	}
	if f.contagious() {
		t.warnInbox(ctx, f, onExhausted != conversation.EndConversation)
	}
	if onExhausted == conversation.EndConversation {
		return &verdict{kind: conversation.OutcomeFailed, detail: step + " failed: " + f.String(), cause: f.kind, tell: t.claimed}, nil
	}
	t.attend(ctx, step, f)
	err := t.waitAttended(ctx, &f, interrupted)
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
	if err := t.enterCapacity(ctx); err != nil {
		return nil, err
	}
	t.setState(ctx, t.stateBegun())
	if f.kind == conversation.Diverged && t.stale == nil {
		t.stale = &stale{}
	}
	return t.overdue(ctx), nil
}

// attend makes it known that the conversation waits for people, and why.
func (t *talk) attend(ctx workflow.Context, step string, f failure) {
	t.attention = &Attention{
		Since: workflow.Now(ctx).UTC(), Step: step, Kind: f.kind, Reason: f.reason, Remedy: f.remedy, Source: t.sourceOf(f),
	}
	t.setState(ctx, StateNeedsAttention)
	t.show(ctx)
	t.happened(ctx, conversation.EventNeedsAttention, f.reason)
	t.leaveCapacity(ctx, true)
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
