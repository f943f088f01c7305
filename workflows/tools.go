package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// maxRoundBytes bounds the results of a round together: one payload takes them all
// to the executor. It is what MaxToolResultBytes is for, and half as much again.
const maxRoundBytes = 768 << 10

// approval is a tool call that waits for a person's word.
type approval struct {
	Approval
	decided bool
	deny    bool
	reason  string
}

// callTools makes the calls of one round, in parallel, each an activity of its
// own, and returns their results in the order of the calls. first numbers the
// calls over the whole turn. When the reply is interrupted the calls are
// cancelled, and what is returned does not count.
func (t *talk) callTools(ctx workflow.Context, calls []activities.PlannedCall, first int) ([]conversation.Message, error) {
	roundCtx, cancel := workflow.WithCancel(ctx)
	results := make([]conversation.Message, len(calls))
	open := len(calls)
	t.approvals = nil
	share := min(t.policy.ToolResultBytes, conversation.MaxToolResultBytes, maxRoundBytes/max(len(calls), 1))
	t.step = fmt.Sprintf("turn %d · tools", t.turn+1)
	t.show(ctx)
	for i, call := range calls {
		workflow.Go(roundCtx, func(ctx workflow.Context) {
			results[i] = conversation.ToolResultMessage(t.callTool(ctx, call, first+i, share))
			results[i].Time = workflow.Now(ctx).UTC()
			open--
		})
	}
	err := workflow.Await(ctx, func() bool { return open == 0 || t.replyInterrupted() })
	cancel()
	if err == nil {
		// Cancelled calls end at once: their activities are not waited for.
		err = workflow.Await(ctx, func() bool { return open == 0 })
	}
	t.approvals = nil
	if t.stateNow == StateNeedsApproval {
		t.setState(ctx, StateTalking)
	}
	return results, err
}

// callTool makes one call and gives what the model is to know of it, in at most
// maxBytes.
func (t *talk) callTool(ctx workflow.Context, call activities.PlannedCall, index, maxBytes int) conversation.ToolResult {
	result := conversation.ToolResult{CallID: call.CallID, IsError: true}
	if call.Fault != "" {
		result.Content = call.Fault
		return result
	}
	if call.Ask {
		if decision, why := t.askApproval(ctx, call); decision != "" {
			result.Decision, result.Content = decision, why
			return result
		}
	}
	name := fmt.Sprintf("turn %d · tool %s", t.turn+1, call.Tool)
	in := activities.CallToolInput{
		Ref: t.in.Ref, Run: t.run, Anew: t.anew, Turn: t.turn + 1, Index: index, Call: call, MaxBytes: maxBytes,
	}
	for tries := 0; ; {
		var out activities.CallToolResult
		err := t.schedule(ctx, name, tries, activities.ToolOptions(t.policy, call), activities.CallToolName, in).Get(ctx, &out)
		switch {
		case err != nil && ctx.Err() != nil:
			result.Content = "cancelled"
			return result
		case err != nil && failureOf(err).kind == conversation.Reset:
			t.wasReset(ctx, failureOf(err))
			return result
		case err != nil:
			// The agent can say so, or do without; a person sees it in the history.
			f := failureOf(err)
			workflow.GetLogger(ctx).Warn("tool call failed", "tool", call.Tool, "kind", string(f.kind), "reason", f.reason)
			result.Content = "the tool could not be reached"
			return result
		case !out.HandedOver:
			result.Content, result.IsError = out.Content, out.IsError
			return result
		}
		tries += out.Tries
	}
}

// askApproval waits for a person. It returns nothing when the call may be made,
// and otherwise what was decided, and a sentence for the model. That nobody
// decided is not the same as a refusal.
func (t *talk) askApproval(ctx workflow.Context, call activities.PlannedCall) (decision, why string) {
	now := workflow.Now(ctx).UTC()
	a := &approval{Approval: Approval{
		CallID: call.CallID, Tool: call.Tool, Arguments: call.Arguments, Since: now, Until: now.Add(t.policy.ApprovalTimeout),
	}}
	t.approvals = append(t.approvals, a)
	t.setState(ctx, StateNeedsApproval)
	t.show(ctx)
	t.happened(ctx, conversation.EventNeedsApproval, call.Tool)
	inTime, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      t.policy.ApprovalTimeout,
		TimerOptions: workflow.TimerOptions{Summary: fmt.Sprintf("turn %d · approval of %s", t.turn+1, call.Tool)},
	}, func() bool { return a.decided })
	wasDecided := a.decided
	a.decided = true
	t.show(ctx)
	if len(t.waitingApprovals()) == 0 && t.stateNow == StateNeedsApproval && ctx.Err() == nil {
		t.setState(ctx, StateTalking)
	}
	switch {
	case err != nil:
		return "cancelled", "cancelled"
	case !inTime && !wasDecided:
		return "timed_out", fmt.Sprintf("nobody approved the call within %s: it was not made", t.policy.ApprovalTimeout.Round(time.Second))
	case a.deny && a.reason != "":
		return "refused", "a person refused the call: " + a.reason
	case a.deny:
		return "refused", "a person refused the call"
	}
	return "", ""
}

// waitingApprovals are those that nobody has decided on.
func (t *talk) waitingApprovals() []Approval {
	var out []Approval
	for _, a := range t.approvals {
		if !a.decided {
			out = append(out, a.Approval)
		}
	}
	return out
}

func (t *talk) findApproval(callID string) (*approval, error) {
	waiting := t.waitingApprovals()
	switch {
	case len(waiting) == 0:
		return nil, errors.New("no tool call waits for approval")
	case callID == "" && len(waiting) > 1:
		return nil, fmt.Errorf("%d tool calls wait for approval: name one", len(waiting))
	case callID == "":
		callID = waiting[0].CallID
	}
	for _, a := range t.approvals {
		if a.CallID == callID && !a.decided {
			return a, nil
		}
	}
	return nil, fmt.Errorf("no tool call %q waits for approval", callID)
}

func (t *talk) mayApprove(_ workflow.Context, req ApproveRequest) error {
	if err := t.over(); err != nil {
		return err
	}
	_, err := t.findApproval(req.CallID)
	return err
}

func (t *talk) onApprove(_ workflow.Context, req ApproveRequest) (Status, error) {
	a, err := t.findApproval(req.CallID)
	if err != nil {
		return Status{}, err
	}
	a.decided, a.deny, a.reason = true, req.Deny, req.Reason
	return t.status(), nil
}
