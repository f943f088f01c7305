package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// Signals between conversations and their inbox.
const (
	SignalOutage    = "outage"    // to Inbox, with an OutageReport
	SignalRecovered = "recovered" // to Inbox, with a Recovered
	SignalRetry     = "retry"     // to Conversation, with a Retry
)

// A SourceType says what kind of thing failed.
type SourceType string

// What can fail.
const (
	SourcePlatform SourceType = "platform"
	SourceExecutor SourceType = "executor"
)

// A OutageSource is what failed.
type OutageSource struct {
	Type SourceType `json:"type"`
	// Name is its name in the configuration.
	Name string `json:"name"`
}

// Trouble tells an inbox what others of its conversations would meet too.
type OutageReport struct {
	// Conversation is the workflow id of the one that met it.
	Conversation string            `json:"conversation"`
	Source       OutageSource      `json:"source,omitzero"`
	Kind         conversation.Kind `json:"kind"`
	Reason       string            `json:"reason"`
	Remedy       string            `json:"remedy,omitempty"`
	// Task: the conversation is the run of a task.
	Task bool `json:"task,omitempty"`
	// Parked: the conversation waits for the end of the trouble.
	Parked bool `json:"parked,omitempty"`
}

// Healed tells a parked conversation that what it met may be over. It tries again if
// it is parked for the same kind and source.
type Retry struct {
	Source OutageSource      `json:"source"`
	Kind   conversation.Kind `json:"kind"`
	// Probe: others wait for how it goes. The conversation answers with Recovered once
	// it has got further; in trouble again, it says so as before.
	Probe bool `json:"probe,omitempty"`
}

// Recovered is the answer to a probing Retry.
type Recovered struct {
	Conversation string            `json:"conversation"`
	Source       OutageSource      `json:"source"`
	Kind         conversation.Kind `json:"kind"`
	// Gone: the conversation is not parked any more, and says nothing about the
	// trouble.
	Gone bool `json:"gone,omitempty"`
}

// How an inbox deals with trouble.
const (
	// lookEvery is how often it finds out whether a trouble is over, and how long it
	// waits for a conversation that tries.
	lookEvery = time.Minute
	// relapse is how soon after its end a trouble counts as not having been over.
	// Each time, it is looked at half as often.
	relapse  = 5 * time.Minute
	relapses = 4 // at most 16 minutes
	// A trouble of which no conversation waits is forgotten after this time without
	// news.
	troubleFor = 10 * time.Minute
	// What is remembered.
	maxTroubles  = 20
	maxCleared   = 10
	maxTroubled  = 500 // conversations of one trouble
	maxReason    = 500 // bytes
	healedAtOnce = 50
)

// An Outage is what conversations of an inbox have met and others would meet
// too.
type Outage struct {
	Source OutageSource      `json:"source"`
	Kind   conversation.Kind `json:"kind"`
	Reason string            `json:"reason"`
	Remedy string            `json:"remedy,omitempty"`
	// Step is where it was met: "poll", or the workflow id of the first conversation.
	Step  string    `json:"step,omitempty"`
	Since time.Time `json:"since"`
	Last  time.Time `json:"last"`
	// Count is how often it was met.
	Count int `json:"count"`
	// Stops: the inbox claims nothing while it lasts.
	Stops bool `json:"stops,omitempty"`
	// Conversations are parked for it and try again once it is over. At most 500 are
	// remembered.
	Conversations []string `json:"conversations,omitempty"`
	// Again is how often it has come back soon after its end.
	Again int `json:"again,omitempty"`
	// Next is when the inbox finds out whether it is over.
	Next time.Time `json:"next,omitzero"`
}

func (tr *Outage) is(source OutageSource, kind conversation.Kind) bool {
	return tr.Source == source && tr.Kind == kind
}

// delay is the time to the next look, a little different for every inbox and look.
func (b *inbox) delay(ctx workflow.Context, tr *Outage) time.Duration {
	d := lookEvery << min(tr.Again, relapses)
	b.looks++
	spread := uint64(d / 8)
	return d + time.Duration(hash(workflow.GetInfo(ctx).WorkflowExecution.RunID, b.looks)%spread)
}

// hash is an FNV-1a hash: the same in a replay.
func hash(s string, n int) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range []byte(s) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return (h ^ uint64(n)) * 1099511628211
}

func (b *inbox) trouble(source OutageSource, kind conversation.Kind) *Outage {
	for _, tr := range b.troubles {
		if tr.is(source, kind) {
			return tr
		}
	}
	return nil
}

// stopper is the trouble that keeps the inbox from claiming, nil if none does.
func (b *inbox) stopper() *Outage {
	for _, tr := range b.troubles {
		if tr.Stops {
			return tr
		}
	}
	return nil
}

// stops reports whether the inbox must not claim while a source is in trouble: the
// conversations would all park. The trouble of an executor concerns the inbox only
// if new conversations use it, and never the inbox of a platform of tasks, whose
// tasks choose their executors and do not wait.
func (b *inbox) stops(signal OutageReport) bool {
	if signal.Source.Type == SourcePlatform {
		return true
	}
	standard := b.settings.Policy.Executor
	return !signal.Task && (signal.Source.Name == standard ||
		standard == "auto" && !slices.Contains(b.settings.Policy.Executors, signal.Source.Name))
}

func (b *inbox) onTrouble(ctx workflow.Context, signal OutageReport) {
	now := workflow.Now(ctx).UTC()
	tr := b.trouble(signal.Source, signal.Kind)
	if tr == nil {
		tr = &Outage{
			Source: signal.Source, Kind: signal.Kind, Since: now, Step: signal.Conversation,
			Again: b.relapsed(signal.Source, signal.Kind, now),
		}
		tr.Next = now.Add(b.delay(ctx, tr))
		if b.troubles = append(b.troubles, tr); len(b.troubles) > maxTroubles {
			b.troubles = slices.Delete(b.troubles, 0, 1)
		}
		workflow.GetLogger(ctx).Warn("Conversations fail for a reason that others share",
			"source", string(tr.Source.Type), "name", tr.Source.Name, "kind", string(tr.Kind),
			"reason", cut(signal.Reason, maxReason), "claims_stopped", tr.Stops || b.stops(signal))
	}
	tr.Last, tr.Count = now, tr.Count+1
	tr.Reason, tr.Remedy = cut(signal.Reason, maxReason), cut(signal.Remedy, maxReason)
	tr.Stops = tr.Stops || b.stops(signal)
	id := signal.Conversation
	if b.probing == id {
		b.probing = "" // it has failed again
	}
	if signal.Parked && !slices.Contains(tr.Conversations, id) && len(tr.Conversations) < maxTroubled {
		tr.Conversations = append(tr.Conversations, id)
	}
	b.settle(ctx)
}

// relapsed is how often a trouble has come back soon after its end.
func (b *inbox) relapsed(source OutageSource, kind conversation.Kind, now time.Time) int {
	for _, c := range b.cleared {
		if c.is(source, kind) && now.Sub(c.Last) < relapse {
			return c.Again + 1
		}
	}
	return 0
}

func (b *inbox) onRecovered(ctx workflow.Context, signal Recovered) {
	if b.probing == signal.Conversation {
		b.probing = ""
	}
	tr := b.trouble(signal.Source, signal.Kind)
	if tr == nil {
		return
	}
	tr.Conversations = slices.DeleteFunc(tr.Conversations, func(id string) bool { return id == signal.Conversation })
	if !signal.Gone {
		b.recovered = tr
	}
}

// followTroubles finds out, now and then, which troubles are over.
func (b *inbox) followTroubles(ctx workflow.Context) {
	for {
		if workflow.Await(ctx, func() bool { return len(b.troubles) > 0 }) != nil {
			return
		}
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout:      max(time.Second, b.nextLook().Sub(workflow.Now(ctx))),
			TimerOptions: workflow.TimerOptions{Summary: "look whether the trouble is over"},
		}, func() bool { return len(b.troubles) == 0 || b.lookNow || b.recovered != nil })
		if err != nil {
			return
		}
		now := b.lookNow
		b.lookNow = false
		if tr := b.recovered; tr != nil { // an answer that came late
			b.recovered = nil
			b.healing = true
			b.goOn(ctx, tr)
			b.healing = false
			continue
		}
		for _, tr := range slices.Clone(b.troubles) {
			if b.stop || !slices.Contains(b.troubles, tr) || !now && workflow.Now(ctx).Before(tr.Next) {
				continue
			}
			b.healing = true
			if b.isOver(ctx, tr) {
				b.goOn(ctx, tr)
			}
			b.healing = false
			tr.Next = workflow.Now(ctx).Add(b.delay(ctx, tr))
		}
	}
}

func (b *inbox) nextLook() time.Time {
	next := b.troubles[0].Next
	for _, tr := range b.troubles {
		if tr.Next.Before(next) {
			next = tr.Next
		}
	}
	return next
}

// isOver finds out whether a trouble is over: it asks the platform for work, without
// taking any, and has one of the conversations that are parked for it try again.
func (b *inbox) isOver(ctx workflow.Context, tr *Outage) bool {
	if tr.Source.Type == SourcePlatform && !b.answers(ctx, tr) {
		return false
	}
	for len(tr.Conversations) > 0 && !b.stop {
		id := tr.Conversations[0]
		b.probing = id
		err := workflow.SignalExternalWorkflow(ctx, id, "", SignalRetry,
			Retry{Source: tr.Source, Kind: tr.Kind, Probe: true}).Get(ctx, nil)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
				Timeout:      lookEvery,
				TimerOptions: workflow.TimerOptions{Summary: "one conversation tries again"},
			}, func() bool { return b.probing != id || b.stop })
			if err != nil {
				return false
			}
		}
		b.probing = ""
		if b.recovered == tr {
			b.recovered = nil
			return true
		}
		if i := slices.Index(tr.Conversations, id); i >= 0 {
			tr.Conversations = slices.Delete(tr.Conversations, i, i+1)
			if err == nil {
				tr.Conversations = append(tr.Conversations, id) // the next time, another
				return false
			}
		}
	}
	if tr.Stops {
		return true
	}
	return workflow.Now(ctx).Sub(tr.Last) >= troubleFor
}

// answers asks the platform for work, and keeps what it says against that.
func (b *inbox) answers(ctx workflow.Context, tr *Outage) bool {
	in := b.pollInput()
	in.Probe = true
	opts := activities.ProbeOptions()
	opts.Summary = "is the platform well again?"
	var out activities.PollResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.PollName, in).Get(ctx, &out)
	switch {
	case err != nil:
		tr.Reason = cut(failureOf(err).reason, maxReason)
	case out.Failure != nil:
		tr.Reason, tr.Remedy = cut(out.Failure.Reason, maxReason), cut(out.Failure.Remedy, maxReason)
	default:
		return true
	}
	b.settle(ctx)
	return false
}

// goOn ends a trouble: what was parked for it tries again.
func (b *inbox) goOn(ctx workflow.Context, tr *Outage) {
	if !slices.Contains(b.troubles, tr) {
		return
	}
	b.troubles = slices.DeleteFunc(b.troubles, func(other *Outage) bool { return other == tr })
	over := *tr
	over.Last, over.Conversations = workflow.Now(ctx).UTC(), nil
	b.cleared = append(slices.DeleteFunc(b.cleared, func(c Outage) bool { return c.is(tr.Source, tr.Kind) }), over)
	if len(b.cleared) > maxCleared {
		b.cleared = slices.Delete(b.cleared, 0, 1)
	}
	workflow.GetLogger(ctx).Info("Trouble is over", "source", string(tr.Source.Type), "name", tr.Source.Name,
		"kind", string(tr.Kind), "parked_conversations", len(tr.Conversations))
	b.settle(ctx)
	b.tellParked(ctx, tr)
}

// tellParked has the conversations that a trouble has parked try again.
func (b *inbox) tellParked(ctx workflow.Context, tr *Outage) {
	for ids := range slices.Chunk(tr.Conversations, healedAtOnce) {
		var told []workflow.Future
		for _, id := range ids {
			told = append(told, workflow.SignalExternalWorkflow(ctx, id, "", SignalRetry, Retry{Source: tr.Source, Kind: tr.Kind}))
		}
		for _, f := range told {
			_ = f.Get(ctx, nil) // it may be gone
		}
	}
}

// cut shortens a text to so many bytes, at a rune's border.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xC0 == 0x80 {
		limit--
	}
	return s[:limit] + "…"
}
