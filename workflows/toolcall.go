package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/tracing"
)

// What the model is told of a call without a result. A call that may have been made must
// not read like one that failed: the model would make it again.
const (
	callUnknown = "the outcome of the call is unknown: its answer was lost; it may have been done"
	callNotMade = "the tool could not be reached: the call was not made"
	// Of a call that an operator's answer to the turn has interrupted.
	callInterrupted = "the call was interrupted, and its outcome is unknown: it may have been done"
	callNotAllowed  = "the call was interrupted before it was approved: it was not made"
)

// decisionCancelled is the Decision of a call that was interrupted while it waited.
const decisionCancelled = "cancelled"

// Why the outcome of a call is unknown before it is made.
const (
	lostInReset     = "the workflow was reset in Temporal: the run before may have made this call"
	lostInReconcile = "the turn began anew after its reply was not delivered: it may have made this call before"
)

// callTool makes one call and returns what the model is to know of it, in at most
// maxBytes.
func (r *run) callTool(ctx workflow.Context, call activities.PlannedCall, index, message, maxBytes int) conversation.ToolResult {
	t := pendingCall{run: r, result: conversation.ToolResult{CallID: call.CallID, IsError: true}, in: activities.CallToolInput{
		Ref: r.in.Ref, Run: r.resets.run, Reconciled: r.resets.reconciled, Turn: r.transcript.nextTurn(), Index: index, MessageIndex: message,
		Call: call, MaxBytes: maxBytes,
	}}
	if t.result.Content = call.Fault; call.Fault == "" {
		t.make(ctx)
		r.roundTook = append(r.roundTook, t.tookMS)
	}
	return t.result
}

// pendingCall is one call of a tool, until its result is known, or known to stay unknown.
type pendingCall struct {
	*run
	in     activities.CallToolInput
	result conversation.ToolResult
	tookMS int64 // of the call; zero: not known
}

// make makes the call, if it may be made, and again only if an operator says so.
func (t *pendingCall) make(ctx workflow.Context) {
	lost := ""
	if !t.in.Call.Repeatable {
		lost = t.resets.mayHaveCalled()
	}
	for allowed := true; ; {
		switch {
		case lost != "" && t.in.Call.Ask:
			allowed = t.mayRepeat(ctx, lost)
		case lost != "":
			t.result.Content = callUnknown
			return
		case t.in.Call.Ask:
			allowed = t.mayCall(ctx)
		}
		if !allowed {
			return
		}
		if lost = t.try(ctx); lost == "" {
			return
		}
	}
}

// try makes the call, and gets its result. lost says why the outcome is unknown, if an
// operator may be asked about it.
func (t *pendingCall) try(ctx workflow.Context) (lost string) {
	call := t.in.Call
	name := fmt.Sprintf("turn %d · tool %s", t.in.Turn, call.Tool)
	t.in.Tried = nil
	t.resets.called = t.resets.called || !call.Repeatable
	for failed := 0; ; {
		var out activities.CallToolResult
		err := t.steps.schedule(ctx, name, failed, activities.ToolOptions(t.policy, call), activities.CallToolName, t.in).Get(ctx, &out)
		switch {
		case err != nil && ctx.Err() != nil:
			t.result.Content = callInterrupted
			return ""
		case err != nil && failureOf(err).kind == conversation.Reset:
			t.wasReset(ctx, failureOf(err))
			return ""
		case err != nil:
			return t.failed(ctx, err)
		case !out.HandedOver:
			t.result.Content, t.result.IsError = out.Content, out.IsError
			t.tookMS = out.TookMS
			return ""
		}
		failed += out.Failed
		t.in.Tried = out.Tried
	}
}

// failed says what the model is to know of a call that got no result. The agent can say
// so, or do without; the history shows the failure.
func (t *pendingCall) failed(ctx workflow.Context, err error) (lost string) {
	f := failureOf(err)
	workflow.GetLogger(ctx).Warn("tool call failed", "tool", t.in.Call.Tool, "kind", string(f.kind), "reason", f.reason)
	unknown, marked := mayHaveBeenCalled(ctx, err, t.in.Tried)
	if t.result.Content = callNotMade; !unknown {
		return ""
	}
	if t.result.Content = callUnknown; marked && t.in.Call.Ask {
		return f.reason
	}
	return ""
}

// mayHaveBeenCalled reports whether a call that has failed may have been made. A call goes
// out only once its mark is recorded: an activity that has left none has made none. tried
// is the mark that the activity began with. marked is false for the failures of workers
// that record no marks.
func mayHaveBeenCalled(ctx workflow.Context, err error, tried *activities.Mark) (unknown, marked bool) {
	var app *temporal.ApplicationError
	f := failureOf(err)
	if errors.As(err, &app) && app.HasDetails() {
		return f.ambiguous || f.mark != nil, f.mark != nil
	}
	marked = triedBefore(ctx, err, tried) != nil
	return marked, marked
}

// mayCall asks an operator before the call is made. No decision in time is not the same
// as a refusal.
func (t *pendingCall) mayCall(ctx workflow.Context) bool {
	d, err := t.askOperator(ctx, "")
	switch {
	case err != nil:
		t.result.Decision, t.result.Content = decisionCancelled, callNotAllowed
	case d.Choice == conversation.ChoiceTimedOut:
		t.result.Decision = string(conversation.ChoiceTimedOut)
		t.result.Content = fmt.Sprintf("no operator approved the call within %s: it was not made", t.approvalTime())
	case d.Choice == conversation.ChoiceRefused:
		t.result.Decision = string(conversation.ChoiceRefused)
		t.result.Content = "an operator refused the call"
		if d.Reason != "" {
			t.result.Content += ": " + d.Reason
		}
	default:
		return true
	}
	return false
}

// mayRepeat asks an operator whether a call that may have been made is made again.
func (t *pendingCall) mayRepeat(ctx workflow.Context, lost string) bool {
	d, err := t.askOperator(ctx, lost)
	switch {
	case err != nil:
		t.result.Content = callInterrupted
	case d.Choice == conversation.ChoiceAgain:
		return true
	default:
		t.result.Content = callUnknown
		if d.Reason != "" {
			t.result.Content += "; an operator says: " + d.Reason
		}
	}
	return false
}

func (t *pendingCall) approvalTime() time.Duration {
	return t.policy.ApprovalTimeout.Round(time.Second)
}

// askOperator waits for an operator's decision on the call, and records it. lost says why
// its outcome is unknown, if it may have been made. An error means that the call is
// cancelled.
func (t *pendingCall) askOperator(ctx workflow.Context, lost string) (conversation.Decision, error) {
	call, now := t.in.Call, workflow.Now(ctx).UTC()
	a := &approval{Approval: Approval{
		CallID: call.CallID, Tool: call.Tool, Set: call.Set, Name: call.Name, Arguments: call.Arguments, Lost: lost,
		Digest: approvalDigest(t.in, len(t.result.Decisions), lost != ""), Since: now, Until: now.Add(t.policy.ApprovalTimeout),
	}}
	t.approvals = append(t.approvals, a)
	t.turnTime.disturb()
	t.setState(ctx, StateNeedsApproval)
	t.show(ctx)
	reason := call.Tool
	if lost != "" {
		reason += ": the outcome of the call is unknown: call again?"
	}
	t.notify(ctx, conversation.EventNeedsApproval, reason)
	_, span := t.beginWait(ctx, tracing.SpanApproval, call.Tool,
		tracing.KeyTurn.Int(t.in.Turn), tracing.KeyToolName.String(tracing.Name(call.Tool)), tracing.KeyToolCallID.String(tracing.ID(call.CallID)))
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      t.policy.ApprovalTimeout,
		TimerOptions: workflow.TimerOptions{Summary: printable.Name(fmt.Sprintf("turn %d · approval of %s", t.transcript.nextTurn(), call.Tool), maxSummary)},
	}, func() bool { return a.decision != nil })
	if a.decision == nil {
		a.decision = &conversation.Decision{Choice: conversation.ChoiceTimedOut, At: workflow.Now(ctx).UTC(), Digest: a.Digest}
	}
	t.time(ctx, MetricApprovalWait, workflow.Now(ctx).Sub(now), "decision", string(a.decision.Choice))
	span.End(ctx, tracing.KeyDecision.String(string(a.decision.Choice)))
	t.show(ctx)
	if len(t.approvals.waiting()) == 0 && t.state == StateNeedsApproval && ctx.Err() == nil {
		t.setState(ctx, StateTalking)
	}
	if err != nil {
		return conversation.Decision{}, err
	}
	// The slice of the input that is recorded already stays as it is.
	t.result.Decisions = append(slices.Clone(t.result.Decisions), *a.decision)
	t.in.Decisions = t.result.Decisions
	return *a.decision, nil
}
