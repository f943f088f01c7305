package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
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

// An OutageSource is what failed.
type OutageSource struct {
	Type SourceType `json:"type"`
	// Name is its name in the configuration.
	Name string `json:"name"`
}

// An OutageReport tells an inbox of a failure that its other conversations would meet too.
type OutageReport struct {
	// Conversation is the workflow id of the one that met it.
	Conversation string            `json:"conversation"`
	Source       OutageSource      `json:"source,omitzero"`
	Kind         conversation.Kind `json:"kind"`
	Reason       string            `json:"reason"`
	Remedy       string            `json:"remedy,omitempty"`
	// Task: the conversation is the run of a task.
	Task bool `json:"task,omitempty"`
	// Parked: the conversation waits for the end of the outage.
	Parked bool `json:"parked,omitempty"`
}

// Retry tells a parked conversation that the outage it met may be over. It retries if
// it is parked for the same kind and source.
type Retry struct {
	Source OutageSource      `json:"source"`
	Kind   conversation.Kind `json:"kind"`
	// Probe: others wait for the result. The conversation answers with Recovered once
	// its step has succeeded; if it fails again, it sends an OutageReport as before.
	Probe bool `json:"probe,omitempty"`
}

// Recovered is the answer to a probing Retry.
type Recovered struct {
	Conversation string            `json:"conversation"`
	Source       OutageSource      `json:"source"`
	Kind         conversation.Kind `json:"kind"`
	// Gone: the conversation is not parked any more, and says nothing about the
	// outage.
	Gone bool `json:"gone,omitempty"`
}

// How an inbox handles outages.
const (
	// probeEvery is how often it finds out whether an outage is over, and how long it
	// waits for the conversation that retries.
	probeEvery = time.Minute
	// relapse is how soon after its end an outage that comes back counts as not having
	// been over. Each time, the interval of its probes doubles.
	relapse  = 5 * time.Minute
	relapses = 4 // at most 16 minutes
	// An outage for which no conversation is parked is forgotten after this time without
	// a report.
	outageFor = 10 * time.Minute
	// What is remembered.
	maxOutages    = 20
	maxRecovered  = 10
	maxParked     = 500 // conversations of one outage
	maxReason     = 500 // bytes
	retriesAtOnce = 50
)

// An Outage is a failure that conversations of an inbox have met and others would meet
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
	// Conversations are parked for it and retry once it is over. At most 500 are
	// remembered.
	Conversations []string `json:"conversations,omitempty"`
	// Relapses is how often it has come back soon after its end.
	Relapses int `json:"relapses,omitempty"`
	// Next is when the inbox probes whether it is over.
	Next time.Time `json:"next,omitzero"`
}

func (o *Outage) is(source OutageSource, kind conversation.Kind) bool {
	return o.Source == source && o.Kind == kind
}

// delay is the time to the next probe, a little different for every inbox and probe.
func (b *inbox) delay(ctx workflow.Context, o *Outage) time.Duration {
	d := probeAfter(b.settings.Edition, workflow.Now(ctx).Sub(o.Since), o.Relapses)
	b.probes++
	spread := uint64(d / 8)
	return d + time.Duration(hash(workflow.GetInfo(ctx).WorkflowExecution.RunID, b.probes)%spread)
}

// hash is an FNV-1a hash: the same in a replay.
func hash(s string, n int) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range []byte(s) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return (h ^ uint64(n)) * 1099511628211
}

func (b *inbox) outage(source OutageSource, kind conversation.Kind) *Outage {
	for _, o := range b.outages {
		if o.is(source, kind) {
			return o
		}
	}
	return nil
}

// blocking is the outage that keeps the inbox from claiming, nil if none does.
func (b *inbox) blocking() *Outage {
	for _, o := range b.outages {
		if o.Stops {
			return o
		}
	}
	return nil
}

// stops reports whether the inbox must not claim during the outage of a source: the
// conversations would all park. The outage of an executor concerns the inbox only
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

func (b *inbox) onOutage(ctx workflow.Context, signal OutageReport) {
	now := workflow.Now(ctx).UTC()
	o := b.outage(signal.Source, signal.Kind)
	if o == nil {
		o = &Outage{
			Source: signal.Source, Kind: signal.Kind, Since: now, Step: signal.Conversation,
			Relapses: b.relapsed(signal.Source, signal.Kind, now),
		}
		o.Next = now.Add(b.delay(ctx, o))
		if b.outages = append(b.outages, o); len(b.outages) > maxOutages {
			b.outages = slices.Delete(b.outages, 0, 1)
		}
		workflow.GetLogger(ctx).Warn("Conversations fail for a reason that others share",
			"source", string(o.Source.Type), "name", o.Source.Name, "kind", string(o.Kind),
			"reason", printable.Clip(signal.Reason, maxReason), "claims_stopped", o.Stops || b.stops(signal))
	}
	o.Last, o.Count = now, o.Count+1
	o.Reason, o.Remedy = printable.Clip(signal.Reason, maxReason), printable.Clip(signal.Remedy, maxReason)
	o.Stops = o.Stops || b.stops(signal)
	id := signal.Conversation
	if b.probing == id {
		b.probing = "" // it has failed again
	}
	if signal.Parked && !slices.Contains(o.Conversations, id) && len(o.Conversations) < maxParked {
		o.Conversations = append(o.Conversations, id)
	}
	b.updateState(ctx)
}

// relapsed is how often an outage has come back soon after its end.
func (b *inbox) relapsed(source OutageSource, kind conversation.Kind, now time.Time) int {
	for _, c := range b.recent {
		if c.is(source, kind) && now.Sub(c.Last) < relapse {
			return c.Relapses + 1
		}
	}
	return 0
}
