package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// events are what a listener is still to be told, one after the other. The
// conversation does not wait for it before its end.
type events struct {
	queue   []conversation.Event
	number  int // of the last
	telling bool
}

// happened has the listener told, if there is one.
func (t *talk) happened(ctx workflow.Context, what conversation.EventType, reason string) {
	if t.in.Notify == "" {
		return
	}
	t.events.number++
	t.events.queue = append(t.events.queue, conversation.Event{
		Type: what, Number: t.events.number, Conversation: t.in.Ref, Time: workflow.Now(ctx).UTC(), Turn: t.turn, Reason: reason, Outcome: t.outcome,
	})
	if t.events.telling {
		return
	}
	t.events.telling = true
	// A cancelled conversation has an end to tell of too.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	workflow.Go(ctx, t.tell)
}

func (t *talk) tell(ctx workflow.Context) {
	defer func() { t.events.telling = false }()
	for len(t.events.queue) > 0 {
		event := t.events.queue[0]
		t.events.queue = t.events.queue[1:]
		out := activities.NotifyResult{HandedOver: true}
		var err error
		for tries := 0; err == nil && out.HandedOver; tries += out.Tries {
			out = activities.NotifyResult{}
			err = t.schedule(ctx, "tell of "+string(event.Type), tries, activities.NotifyOptions(), activities.NotifyName,
				activities.NotifyInput{Platform: t.in.Notify, Event: event}).Get(ctx, &out)
		}
		if err != nil {
			// The conversation is what counts. The history shows it.
			workflow.GetLogger(ctx).Warn("event not told", "event", string(event.Type), "reason", failureOf(err).String())
		}
	}
}

// told: the listener knows everything.
func (t *talk) told() bool { return !t.events.telling }
