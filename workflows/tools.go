package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// maxRoundBytes bounds the results of a round together: one payload takes them all
// to the executor. It is what MaxToolResultBytes is for, and half as much again.
const maxRoundBytes = 768 << 10

// callTools makes the calls of one round, in parallel, each an activity of its
// own, and returns their results in the order of the calls. first numbers the
// calls over the whole turn. When the reply is interrupted the calls are
// cancelled, and what is returned does not count.
func (r *run) callTools(ctx workflow.Context, calls []activities.PlannedCall, first int) ([]conversation.Message, error) {
	roundCtx, cancel := workflow.WithCancel(ctx)
	results := make([]conversation.Message, len(calls))
	open, next := len(calls), r.transcript.Next
	r.approvals = nil
	share := min(r.policy.ToolResultBytes, conversation.MaxToolResultBytes, maxRoundBytes/max(len(calls), 1))
	r.steps.now = fmt.Sprintf("turn %d · tools", r.transcript.nextTurn())
	r.show(ctx)
	for i, call := range calls {
		workflow.Go(roundCtx, func(ctx workflow.Context) {
			results[i] = conversation.ToolResultMessage(r.callTool(ctx, call, first+i, next+i, share))
			results[i].Time = workflow.Now(ctx).UTC()
			open--
		})
	}
	err := workflow.Await(ctx, func() bool { return open == 0 || r.replyInterrupted() })
	cancel()
	if err == nil {
		// Cancelled calls end at once: their activities are not waited for.
		err = workflow.Await(ctx, func() bool { return open == 0 })
	}
	r.approvals = nil
	if r.state == StateNeedsApproval {
		r.setState(ctx, StateTalking)
	}
	return results, err
}

// callTool makes one call and returns what the model is to know of it, in at most
// maxBytes.
func (r *run) callTool(ctx workflow.Context, call activities.PlannedCall, index, message, maxBytes int) conversation.ToolResult {
	result := conversation.ToolResult{CallID: call.CallID, IsError: true}
	if call.Fault != "" {
		result.Content = call.Fault
		return result
	}
	if call.Ask {
		if decision, why := r.askApproval(ctx, call); decision != "" {
			result.Decision, result.Content = decision, why
			return result
		}
	}
	name := fmt.Sprintf("turn %d · tool %s", r.transcript.nextTurn(), call.Tool)
	in := activities.CallToolInput{
		Ref: r.in.Ref, Run: r.resets.run, Reconciled: r.resets.reconciled, Turn: r.transcript.nextTurn(), Index: index, MessageIndex: message,
		Call: call, MaxBytes: maxBytes,
	}
	for failed := 0; ; {
		var out activities.CallToolResult
		err := r.steps.schedule(ctx, name, failed, activities.ToolOptions(r.policy, call), activities.CallToolName, in).Get(ctx, &out)
		switch {
		case err != nil && ctx.Err() != nil:
			result.Content = "cancelled"
			return result
		case err != nil && failureOf(err).kind == conversation.Reset:
			r.wasReset(ctx, failureOf(err))
			return result
		case err != nil:
			// The agent can say so, or do without; the history shows it.
			f := failureOf(err)
			workflow.GetLogger(ctx).Warn("tool call failed", "tool", call.Tool, "kind", string(f.kind), "reason", f.reason)
			result.Content = "the tool could not be reached"
			return result
		case !out.HandedOver:
			result.Content, result.IsError = out.Content, out.IsError
			return result
		}
		failed += out.Failed
	}
}

// askApproval waits for an operator. It returns nothing when the call may be made, and
// otherwise what was decided, and a sentence for the model. No decision in time is not
// the same as a refusal.
func (r *run) askApproval(ctx workflow.Context, call activities.PlannedCall) (decision, why string) {
	now := workflow.Now(ctx).UTC()
	a := &approval{Approval: Approval{
		CallID: call.CallID, Tool: call.Tool, Arguments: call.Arguments, Since: now, Until: now.Add(r.policy.ApprovalTimeout),
	}}
	r.approvals = append(r.approvals, a)
	r.setState(ctx, StateNeedsApproval)
	r.show(ctx)
	r.notify(ctx, conversation.EventNeedsApproval, call.Tool)
	inTime, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      r.policy.ApprovalTimeout,
		TimerOptions: workflow.TimerOptions{Summary: fmt.Sprintf("turn %d · approval of %s", r.transcript.nextTurn(), call.Tool)},
	}, func() bool { return a.decided })
	wasDecided := a.decided
	a.decided = true
	r.show(ctx)
	if len(r.approvals.waiting()) == 0 && r.state == StateNeedsApproval && ctx.Err() == nil {
		r.setState(ctx, StateTalking)
	}
	switch {
	case err != nil:
		return "cancelled", "cancelled"
	case !inTime && !wasDecided:
		return "timed_out", fmt.Sprintf("no operator approved the call within %s: it was not made", r.policy.ApprovalTimeout.Round(time.Second))
	case a.deny && a.reason != "":
		return "refused", "an operator refused the call: " + a.reason
	case a.deny:
		return "refused", "an operator refused the call"
	}
	return "", ""
}
