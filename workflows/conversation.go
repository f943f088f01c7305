package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/tracing"
)

// Error types with which the workflow of a conversation fails.
const (
	// ErrTypeFailed: the conversation failed. The error's details are the Outcome.
	ErrTypeFailed = "ConversationFailed"
	// ErrTypeInput: the workflow was started with an invalid ConversationInput.
	ErrTypeInput = "InvalidInput"
)

// Conversation runs one conversation from claim to outcome.
func Conversation(ctx workflow.Context, in ConversationInput) (conversation.Outcome, error) {
	in, err := recordDefaults(ctx, in)
	if err != nil {
		return conversation.Outcome{}, err
	}
	if err := in.Validate(); err != nil {
		return conversation.Outcome{}, temporal.NewNonRetryableApplicationError(err.Error(), ErrTypeInput, nil)
	}
	r := newRun(ctx, in)
	ctx = r.enterTrace(ctx)
	if err := r.listen(ctx); err != nil {
		return conversation.Outcome{}, err
	}
	r.followAttempts(ctx)
	r.followCapacity(ctx)
	r.followInbox(ctx)
	r.show(ctx)
	e, err := r.converse(ctx)
	var next *workflow.ContinueAsNewError
	if errors.As(err, &next) {
		drainAttempts(ctx)
		dropActs(ctx)
		return conversation.Outcome{}, err
	}
	out, err := r.finish(ctx, e, err)
	r.leaveTrace(ctx, e, out)
	return out, err
}

// converse does everything up to the end. An error means that the workflow is cancelled,
// or that it continues as new.
func (r *run) converse(ctx workflow.Context) (*ending, error) {
	if r.in.Carried == nil {
		if e, err := r.side.begin(ctx); e != nil || err != nil {
			return e, err
		}
	}
	for {
		if e, err := r.turn(ctx); e != nil || err != nil {
			return e, err
		}
	}
}

// turn is one round of the conversation: the other side's message, or the agent's reply
// to it.
func (r *run) turn(ctx workflow.Context) (*ending, error) {
	if r.resets.stale != nil {
		return r.catchUp(ctx)
	}
	if err := r.rollOver(ctx); err != nil {
		return nil, err
	}
	if e, err := r.gate(ctx); e != nil || err != nil {
		return e, err
	}
	if agentsTurn, e, err := r.side.nextMessage(ctx); !agentsTurn {
		return e, err
	}
	r.turnTime.begin(workflow.Now(ctx))
	reply, e, err := r.tracedReply(ctx)
	if reply == nil {
		return e, err
	}
	return r.deliver(ctx, reply)
}

// deliver gives the agent's reply to the other side.
func (r *run) deliver(ctx workflow.Context, reply *reply) (*ending, error) {
	before := r.transcript.Turns
	e, err := r.side.deliverReply(ctx, reply)
	if err == nil && r.transcript.Turns > before {
		r.endTurnTime(ctx)
		r.resets.delivered()
		r.notify(ctx, conversation.EventReplied, "")
	}
	if e != nil || err != nil {
		return e, err
	}
	if !r.lastTurn() {
		r.upsertProgress(ctx)
		return nil, nil
	}
	return &ending{
		kind: conversation.OutcomeBudgetSpent, open: true,
		detail: fmt.Sprintf("it has had the %d turns that max_turns allows", r.policy.MaxTurns),
	}, nil
}

// lastTurn reports that the conversation has had all its turns.
func (r *run) lastTurn() bool {
	return r.policy.MaxTurns > 0 && r.transcript.turn() >= r.policy.MaxTurns
}

// gate holds the conversation back while it is paused or has no capacity, and ends it
// when it must not go on.
func (r *run) gate(ctx workflow.Context) (*ending, error) {
	if r.wishes.paused != nil {
		r.setState(ctx, StatePaused)
		r.releaseCapacity(ctx, true)
		inside, span := r.beginWait(ctx, tracing.SpanPaused, "")
		err := r.waitForOperator(inside, func() bool { return r.wishes.paused == nil || r.ends() })
		span.End(ctx)
		if err != nil {
			return nil, err
		}
	}
	if err := r.reserveCapacity(ctx); err != nil {
		return nil, err
	}
	if r.state == StatePaused && !r.ends() {
		r.setState(ctx, StateTalking)
	}
	return r.mustEnd(ctx), nil
}

// rollOver continues the workflow as new, between turns, when its history has grown
// long. One that an operator has pinned to a version of the worker moves to the current
// version then, if nothing pins its next run too.
func (r *run) rollOver(ctx workflow.Context) error {
	info := workflow.GetInfo(ctx)
	if !r.historyIsLong(info) && !r.hadRunTurns() {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err() // the next run would not know that it is cancelled
	}
	if r.in.Edition >= 1 && r.wishes.takeover != nil {
		return nil // the operator's answer first: both may be large
	}
	// An update that was accepted must not be lost, nor its answer.
	err := workflow.Await(ctx, func() bool {
		return !r.side.drained() || workflow.AllHandlersFinished(ctx) && r.events.delivered()
	})
	if err != nil {
		return err
	}
	if !r.side.drained() {
		return nil // that first
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	in := r.nextInput()
	var opts workflow.ContinueAsNewErrorOptions
	if info.GetTargetWorkerDeploymentVersionChanged() {
		opts.InitialVersioningBehavior = workflow.ContinueAsNewVersioningBehaviorAutoUpgrade
	}
	return workflow.NewContinueAsNewErrorWithOptions(ctx, opts, ConversationName, in)
}

// hadRunTurns reports that this run has had as many turns as Policy.RunTurns says.
func (r *run) hadRunTurns() bool {
	turns := r.transcript.turn()
	if r.in.Carried != nil {
		turns -= r.in.Carried.Turn
	}
	return r.policy.RunTurns > 0 && turns >= r.policy.RunTurns
}

// finish makes the ending known to the other side and gives the outcome. A cancelled
// workflow does so too, in a context of its own.
func (r *run) finish(ctx workflow.Context, e *ending, cause error) (conversation.Outcome, error) {
	cancelled := cause != nil && (temporal.IsCanceledError(cause) || ctx.Err() != nil)
	switch {
	case cancelled:
		e = &ending{kind: conversation.OutcomeCancelled, by: conversation.EndedByOperator, open: r.claim.held}
	case cause != nil:
		return conversation.Outcome{}, cause
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	r.setState(ctx, StateEnding)
	r.side.end(ctx, e)
	if err := r.conclude(ctx, *e); err != nil {
		return conversation.Outcome{}, err
	}
	r.releaseCapacity(ctx, false)
	// An update that was accepted must get its answer.
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) && r.events.delivered() }); err != nil {
		return conversation.Outcome{}, err
	}
	switch {
	case cancelled:
		return *r.outcome, cause
	case e.kind == conversation.OutcomeFailed:
		return *r.outcome, temporal.NewApplicationErrorWithOptions(e.detail, ErrTypeFailed,
			temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{*r.outcome}})
	}
	return *r.outcome, nil
}

// conclude sets the outcome and shows it.
func (r *run) conclude(ctx workflow.Context, e ending) error {
	var status Status
	r.side.describe(&status)
	outcome := conversation.Outcome{
		Kind: e.kind, EndedBy: e.by, Detail: e.detail,
		Turns: r.transcript.turn(), Messages: r.transcript.Count(), Usage: r.usage.total,
		Started: r.started, Duration: workflow.Now(ctx).Sub(r.started), Task: status.Task,
	}
	r.outcome = &outcome
	r.steps.now, r.state = "", StateClosed
	if err := r.upsertOutcome(ctx); err != nil {
		return err
	}
	r.show(ctx)
	drainAttempts(ctx)
	dropActs(ctx)
	r.count(ctx, MetricClosed, "outcome", string(e.kind))
	r.notify(ctx, conversation.EventEnded, "")
	return nil
}

// join joins two sentences of a detail.
func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + "; " + b
}
