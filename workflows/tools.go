package workflows

import (
	"fmt"

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
	r.approvals, r.roundTook = nil, nil
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
	r.turnTime.toolsTook(r.roundTook)
	r.approvals, r.roundTook = nil, nil
	if r.state == StateNeedsApproval {
		r.setState(ctx, StateTalking)
	}
	return results, err
}
