package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// maxSummary bounds summaries, in bytes: Temporal refuses activities and timers with one of
// more than 400.
const maxSummary = 200

// Names of steps, for operators.
const (
	stepClaim    = "claim"
	stepContext  = "context"
	stepOpening  = "opening"
	stepExchange = " · exchange" // after the turn
	stepBudget   = "budget of the conversation"
)

// Retrying is a step whose last attempt has failed and which is retried.
type Retrying struct {
	// ID is the activity's in its workflow.
	ID string `json:"id,omitempty"`
	// Step is for operators: "turn 3 · reply".
	Step string `json:"step"`
	// Attempt is how many attempts have failed, hand-overs to other workers not
	// counted. Of is how many there are. Zero: no limit.
	Attempt int `json:"attempt"`
	Of      int `json:"of,omitempty"`
	// Kind, Reason and Remedy are those of the last failure.
	Kind   conversation.Kind `json:"kind,omitempty"`
	Reason string            `json:"reason"`
	Remedy string            `json:"remedy,omitempty"`
	// Since is when the attempt failed, and Next about when the next begins. Zero: not
	// known.
	Since time.Time `json:"since,omitzero"`
	Next  time.Time `json:"next,omitzero"`
}

// String describes it, after its step: "attempt 3 of 10 failed:
// connection refused; the next at 10:04:05 UTC".
func (r Retrying) String() string {
	s := fmt.Sprintf("attempt %d", r.Attempt)
	if r.Of > 0 {
		s += fmt.Sprintf(" of %d", r.Of)
	}
	s += " failed: " + r.Reason
	if !r.Next.IsZero() {
		s += "; the next at " + r.Next.UTC().Format("15:04:05 UTC")
	}
	return s
}

// queue says how the run waits for its turn under a rate limit.
type queue struct {
	waits bool
	// waited is for how long it has done so, all in all.
	waited time.Duration
	// until is when the waiting ended that came before the executor's first call.
	until time.Time
}

// steps are what a conversation does, and its activities that are under way.
type steps struct {
	now   string // what is being done, for operators
	queue queue
	// lag is how slowly Temporal acknowledges heartbeats.
	lag       time.Duration
	scheduled int // how many there have been in this run
	// waits is how often in a row the present step was tried again after a wait that the
	// other side had asked for, with no operator or outage's end in between.
	waits int
	open  []*openStep
}

// An openStep is one activity under way.
type openStep struct {
	id, name string
	// before is how many attempts failed in the activities that handed the step over to
	// this one, and of how many it has with them.
	before, of int
	future     workflow.Future
	failed     *Retrying
}

// schedule begins an activity as a step. failed is how many attempts at the step have
// failed in activities that handed it over: they are taken from this one's attempts. The
// future is its result.
func (s *steps) schedule(ctx workflow.Context, name string, failed int, opts workflow.ActivityOptions, activity string, in any) workflow.Future {
	s.open = s.underWay()
	s.scheduled++
	o := &openStep{id: fmt.Sprintf("%s-%d", shortName(activity), s.scheduled), name: name, before: failed}
	opts.ActivityID, opts.Summary = o.id, printable.Name(name, maxSummary)
	opts.HeartbeatTimeout = activities.HeartbeatTimeout(opts.HeartbeatTimeout, s.lag)
	if policy := opts.RetryPolicy; policy != nil && policy.MaximumAttempts > 0 {
		o.of = int(policy.MaximumAttempts)
		left := *policy
		left.MaximumAttempts = max(1, policy.MaximumAttempts-int32(failed))
		opts.RetryPolicy = &left
	}
	o.future = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activity, in)
	s.open = append(s.open, o)
	return o.future
}

// shortName is an activity's name as it stands in ids: "reply".
func shortName(activity string) string {
	return strings.ToLower(activity[strings.LastIndexByte(activity, '.')+1:])
}

func (s *steps) underWay() []*openStep {
	var open []*openStep
	for _, o := range s.open {
		if !o.future.IsReady() {
			open = append(open, o)
		}
	}
	return open
}

// retrying are the steps under way that have failed before.
func (s *steps) retrying() []Retrying {
	var out []Retrying
	for _, o := range s.underWay() {
		if o.failed != nil {
			out = append(out, *o.failed)
		}
	}
	return out
}

// report records that an attempt failed, and returns whether anything changed: a
// report may come after the end of its activity.
func (s *steps) report(r activities.AttemptReport) bool {
	for _, o := range s.underWay() {
		if o.id == r.ActivityID {
			o.failed = &Retrying{
				ID: o.id, Step: o.name, Attempt: o.before + r.Attempt, Of: o.of,
				Kind: r.Kind, Reason: r.Reason, Remedy: r.Remedy, Since: r.At, Next: r.Next,
			}
			return true
		}
	}
	return false
}

// followAttempts shows the failures of steps that are retried.
func (r *run) followAttempts(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		reports := workflow.GetSignalChannel(ctx, SignalAttempt)
		for {
			var report activities.AttemptReport
			reports.Receive(ctx, &report)
			if r.steps.report(report) {
				r.show(ctx)
			}
		}
	})
}

// drainAttempts takes reports that have come and would be left when the run ends.
func drainAttempts(ctx workflow.Context) {
	var r activities.AttemptReport
	for workflow.GetSignalChannel(ctx, SignalAttempt).ReceiveAsync(&r) {
	}
}
