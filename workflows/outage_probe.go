package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/printable"
)

func (b *inbox) onRecovered(ctx workflow.Context, signal Recovered) {
	if b.probing == signal.Conversation {
		b.probing = ""
	}
	o := b.outage(signal.Source, signal.Kind)
	if o == nil {
		return
	}
	o.Conversations = slices.DeleteFunc(o.Conversations, func(id string) bool { return id == signal.Conversation })
	if !signal.Gone {
		b.recovered = o
	}
}

// followOutages probes, now and then, which outages are over.
func (b *inbox) followOutages(ctx workflow.Context) {
	for {
		if workflow.Await(ctx, func() bool { return len(b.outages) > 0 }) != nil {
			return
		}
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout:      max(time.Second, b.nextProbe().Sub(workflow.Now(ctx))),
			TimerOptions: workflow.TimerOptions{Summary: "next probe of an outage"},
		}, func() bool { return len(b.outages) == 0 || b.probeNow || b.recovered != nil })
		if err != nil {
			return
		}
		now := b.probeNow
		b.probeNow = false
		if o := b.recovered; o != nil { // an answer that came late
			b.recovered = nil
			b.checking = true
			b.end(ctx, o)
			b.checking = false
			continue
		}
		for _, o := range slices.Clone(b.outages) {
			if b.stop || !slices.Contains(b.outages, o) || !now && workflow.Now(ctx).Before(o.Next) {
				continue
			}
			b.checking = true
			if b.isOver(ctx, o) {
				b.end(ctx, o)
			}
			b.checking = false
			o.Next = workflow.Now(ctx).Add(b.delay(ctx, o))
		}
	}
}

func (b *inbox) nextProbe() time.Time {
	next := b.outages[0].Next
	for _, o := range b.outages {
		if o.Next.Before(next) {
			next = o.Next
		}
	}
	return next
}

// isOver finds out whether an outage is over: it lists the platform's conversations, without
// taking any, and lets one of the conversations that are parked for it retry.
func (b *inbox) isOver(ctx workflow.Context, o *Outage) bool {
	if o.Source.Type == SourcePlatform && !b.answers(ctx, o) {
		return false
	}
	for len(o.Conversations) > 0 && !b.stop {
		id := o.Conversations[0]
		b.probing = id
		err := workflow.SignalExternalWorkflow(ctx, id, "", SignalRetry,
			Retry{Source: o.Source, Kind: o.Kind, Probe: true}).Get(ctx, nil)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
				Timeout:      probeEvery,
				TimerOptions: workflow.TimerOptions{Summary: "one conversation retries"},
			}, func() bool { return b.probing != id || b.stop })
			if err != nil {
				return false
			}
		}
		b.probing = ""
		if b.recovered == o {
			b.recovered = nil
			return true
		}
		if i := slices.Index(o.Conversations, id); i >= 0 {
			o.Conversations = slices.Delete(o.Conversations, i, i+1)
			if err == nil {
				o.Conversations = append(o.Conversations, id) // the next time, another
				return false
			}
		}
	}
	if o.Stops {
		return true
	}
	return workflow.Now(ctx).Sub(o.Last) >= outageFor
}

// answers lists the platform's conversations, and keeps the reason of a refusal.
func (b *inbox) answers(ctx workflow.Context, o *Outage) bool {
	in := b.pollInput()
	in.Probe = true
	opts := activities.ProbeOptions()
	opts.Summary = "probe"
	var out activities.PollResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.PollName, in).Get(ctx, &out)
	switch {
	case err != nil:
		o.Reason = printable.Clip(failureOf(err).reason, maxReason)
	case out.Failure != nil:
		o.Reason, o.Remedy = printable.Clip(out.Failure.Reason, maxReason), printable.Clip(out.Failure.Remedy, maxReason)
	default:
		return true
	}
	b.updateState(ctx)
	return false
}

// end ends an outage: what was parked for it retries.
func (b *inbox) end(ctx workflow.Context, o *Outage) {
	if !slices.Contains(b.outages, o) {
		return
	}
	b.outages = slices.DeleteFunc(b.outages, func(other *Outage) bool { return other == o })
	over := *o
	over.Last, over.Conversations = workflow.Now(ctx).UTC(), nil
	b.recent = append(slices.DeleteFunc(b.recent, func(c Outage) bool { return c.is(o.Source, o.Kind) }), over)
	if len(b.recent) > maxRecovered {
		b.recent = slices.Delete(b.recent, 0, 1)
	}
	workflow.GetLogger(ctx).Info("An outage is over", "source", string(o.Source.Type), "name", o.Source.Name,
		"kind", string(o.Kind), "parked_conversations", len(o.Conversations))
	b.updateState(ctx)
	b.retryParked(ctx, o)
}

// retryParked lets the conversations that an outage has parked retry.
func (b *inbox) retryParked(ctx workflow.Context, o *Outage) {
	for ids := range slices.Chunk(o.Conversations, retriesAtOnce) {
		var sent []workflow.Future
		for _, id := range ids {
			sent = append(sent, workflow.SignalExternalWorkflow(ctx, id, "", SignalRetry, Retry{Source: o.Source, Kind: o.Kind}))
		}
		for _, f := range sent {
			_ = f.Get(ctx, nil) // it may be gone
		}
	}
}
