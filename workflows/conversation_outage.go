package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
)

// sourceOf is what failed, nil where no service did.
func (t *talk) sourceOf(f failure) *OutageSource {
	switch f.activity {
	case "":
		return nil
	case activities.ReplyName:
		return &OutageSource{Type: SourceExecutor, Name: t.executor}
	default:
		return &OutageSource{Type: SourcePlatform, Name: t.in.Ref.Platform}
	}
}

// warnInbox tells the agent's inbox that its other conversations would fail the
// same way. There may be none.
func (t *talk) warnInbox(ctx workflow.Context, f failure, parked bool) {
	source := t.sourceOf(f)
	if source == nil {
		return
	}
	_ = t.callInbox(ctx, SignalOutage, OutageReport{
		Conversation: ConversationID(t.in.Ref), Source: *source,
		Kind: f.kind, Reason: f.reason, Remedy: f.remedy, Task: t.task != nil, Parked: parked,
	}).Get(ctx, nil)
}

func (t *talk) callInbox(ctx workflow.Context, signal string, arg any) workflow.Future {
	ref := t.in.Ref
	return workflow.SignalExternalWorkflow(ctx, InboxID(ref.Platform, ref.Project, ref.Agent), "", signal, arg)
}

// followInbox makes the conversation hear that it may try again.
func (t *talk) followInbox(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		healed := workflow.GetSignalChannel(ctx, SignalRetry)
		for {
			var h Retry
			healed.Receive(ctx, &h)
			t.onHealed(ctx, h)
		}
	})
}

func (t *talk) onHealed(ctx workflow.Context, h Retry) {
	a := t.attention
	answer := Recovered{Conversation: ConversationID(t.in.Ref), Source: h.Source, Kind: h.Kind}
	if a == nil || a.Kind != h.Kind || a.Source == nil || *a.Source != h.Source {
		if answer.Gone = true; h.Probe {
			t.callInbox(ctx, SignalRecovered, answer)
		}
		return
	}
	t.attention = nil
	if !h.Probe {
		return
	}
	step := t.step
	workflow.Go(ctx, func(ctx workflow.Context) {
		err := workflow.Await(ctx, func() bool {
			return t.attention != nil || t.outcome != nil || !t.waiting && t.step != step
		})
		if err != nil || t.attention != nil {
			return // in trouble again, of which the inbox has been told
		}
		answer.Gone = t.endWanted() || t.outcome != nil
		t.callInbox(ctx, SignalRecovered, answer)
	})
}
