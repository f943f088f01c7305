package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// events are what a listener is still to be notified of, one after the other. The
// conversation does not wait for that before its end.
type events struct {
	queue  []conversation.Event
	number int // of the last
	busy   bool
}

// delivered reports that the listener has been notified of everything.
func (e *events) delivered() bool { return !e.busy }

// notify has the listener notified, if there is one.
func (r *run) notify(ctx workflow.Context, what conversation.EventType, reason string) {
	if r.in.Notify == "" {
		return
	}
	r.events.number++
	r.events.queue = append(r.events.queue, conversation.Event{
		Type: what, Number: r.events.number, Conversation: r.in.Ref, Time: workflow.Now(ctx).UTC(),
		Turn: r.transcript.turn(), Reason: reason, Outcome: r.outcome,
	})
	if r.events.busy {
		return
	}
	r.events.busy = true
	// A cancelled conversation has an end to notify of too.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	workflow.Go(ctx, r.deliverEvents)
}

func (r *run) deliverEvents(ctx workflow.Context) {
	defer func() { r.events.busy = false }()
	for len(r.events.queue) > 0 {
		event := r.events.queue[0]
		r.events.queue = r.events.queue[1:]
		out := activities.NotifyResult{HandedOver: true}
		var err error
		for failed := 0; err == nil && out.HandedOver; failed += out.Failed {
			out = activities.NotifyResult{}
			err = r.steps.schedule(ctx, "notify of "+string(event.Type), failed, activities.NotifyOptions(), activities.NotifyName,
				activities.NotifyInput{Platform: r.in.Notify, Event: event}).Get(ctx, &out)
		}
		if err != nil {
			// The conversation is what counts. The history shows it.
			workflow.GetLogger(ctx).Warn("notification failed", "event", string(event.Type), "reason", failureOf(err).String())
		}
	}
}
