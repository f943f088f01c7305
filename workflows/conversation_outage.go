package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
)

// sourceOf is what failed, nil where no service did.
func (r *run) sourceOf(f failure) *OutageSource {
	switch f.activity {
	case "":
		return nil
	case activities.ReplyName:
		return &OutageSource{Type: SourceExecutor, Name: r.agent.executor}
	default:
		return &OutageSource{Type: SourcePlatform, Name: r.in.Ref.Platform}
	}
}

// warnInbox signals to the agent's inbox that its other conversations would fail the same
// way. There may be no inbox.
func (r *run) warnInbox(ctx workflow.Context, f failure, parked bool) {
	source := r.sourceOf(f)
	if source == nil {
		return
	}
	_ = r.callInbox(ctx, SignalOutage, OutageReport{
		Conversation: ConversationID(r.in.Ref), Source: *source,
		Kind: f.kind, Reason: f.reason, Remedy: f.remedy, Task: r.in.Side == SideTask, Parked: parked,
	}).Get(ctx, nil)
}

func (r *run) callInbox(ctx workflow.Context, signal string, arg any) workflow.Future {
	ref := r.in.Ref
	return workflow.SignalExternalWorkflow(ctx, InboxID(ref.Platform, ref.Project, ref.Agent), "", signal, arg)
}

// followInbox makes the conversation retry when its inbox says that an outage is over.
func (r *run) followInbox(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		healed := workflow.GetSignalChannel(ctx, SignalRetry)
		for {
			var h Retry
			healed.Receive(ctx, &h)
			r.onHealed(ctx, h)
		}
	})
}

func (r *run) onHealed(ctx workflow.Context, h Retry) {
	a := r.attention
	answer := Recovered{Conversation: ConversationID(r.in.Ref), Source: h.Source, Kind: h.Kind}
	if a == nil || a.Kind != h.Kind || a.Source == nil || *a.Source != h.Source || r.in.Edition >= 1 && h.Probe && historyIsFull(ctx) {
		if answer.Gone = true; h.Probe {
			r.callInbox(ctx, SignalRecovered, answer)
		}
		return
	}
	r.attention = nil
	r.steps.waits = 0
	if !h.Probe {
		return
	}
	step := r.steps.now
	workflow.Go(ctx, func(ctx workflow.Context) {
		err := workflow.Await(ctx, func() bool {
			return r.attention != nil || r.outcome != nil || !r.waiting && r.steps.now != step
		})
		if err != nil || r.attention != nil {
			return // parked again, of which the inbox knows
		}
		answer.Gone = r.ends() || r.outcome != nil
		r.callInbox(ctx, SignalRecovered, answer)
	})
}
