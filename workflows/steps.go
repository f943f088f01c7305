package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// Names of steps, for people.
const (
	stepClaim    = "claim"
	stepContext  = "context"
	stepOpening  = "opening"
	stepExchange = " · exchange" // after the turn
	stepBudget   = "budget of the conversation"
)

// Retrying is a step whose last attempt has failed and which is tried again.
type Retrying struct {
	// ID is the activity's in its workflow.
	ID string `json:"id,omitempty"`
	// Step is for people: "turn 3 · reply".
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

// String is what people are shown of it, after its step: "attempt 3 of 10 failed:
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

// steps are the activities of a conversation that are under way.
type steps struct {
	scheduled int // how many there have been in this run
	open      []*openStep
}

// An openStep is one activity under way.
type openStep struct {
	id, name string
	// tries is how many attempts failed in the activities that handed the step over to
	// this one, and of how many it has with them.
	tries, of int
	future    workflow.Future
	failed    *Retrying
}

// schedule begins an activity as a step. tries is how many attempts at the step have
// failed in activities that handed it over: what they used is taken from this one's.
// The future is its result.
func (t *talk) schedule(ctx workflow.Context, name string, tries int, opts workflow.ActivityOptions, activity string, in any) workflow.Future {
	t.steps.open = t.steps.underWay()
	t.steps.scheduled++
	s := &openStep{id: fmt.Sprintf("%s-%d", shortName(activity), t.steps.scheduled), name: name, tries: tries}
	opts.ActivityID, opts.Summary = s.id, name
	opts.HeartbeatTimeout = activities.HeartbeatTimeout(opts.HeartbeatTimeout, t.lag)
	if policy := opts.RetryPolicy; policy != nil && policy.MaximumAttempts > 0 {
		s.of = int(policy.MaximumAttempts)
		left := *policy
		left.MaximumAttempts = max(1, policy.MaximumAttempts-int32(tries))
		opts.RetryPolicy = &left
	}
	s.future = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activity, in)
	t.steps.open = append(t.steps.open, s)
	return s.future
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

// report takes in that an attempt has failed. It says whether anything has changed: a
// report may come after the end of its activity.
func (s *steps) report(r activities.AttemptReport) bool {
	for _, o := range s.underWay() {
		if o.id == r.ActivityID {
			o.failed = &Retrying{
				ID: o.id, Step: o.name, Attempt: o.tries + r.Attempt, Of: o.of,
				Kind: r.Kind, Reason: r.Reason, Remedy: r.Remedy, Since: r.At, Next: r.Next,
			}
			return true
		}
	}
	return false
}

// followAttempts shows the failures of steps that are tried again.
func (t *talk) followAttempts(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		reports := workflow.GetSignalChannel(ctx, SignalAttempt)
		for {
			var r activities.AttemptReport
			reports.Receive(ctx, &r)
			if t.steps.report(r) {
				t.show(ctx)
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

// do runs one activity as a step, as often as it is handed over, and waits for it
// whatever people want meanwhile. get reads its result.
func (t *talk) do(
	ctx workflow.Context, name string, opts workflow.ActivityOptions, activity string,
	input func(tries int) any,
	get func(workflow.Future) (handedOver bool, tries int, err error),
) error {
	t.step = name
	t.show(ctx)
	for tries := 0; ; {
		handedOver, used, err := get(t.schedule(ctx, name, tries, opts, activity, input(tries)))
		if err != nil {
			f := failureOf(err)
			if f.kind != conversation.Reset {
				workflow.GetLogger(ctx).Warn("step failed", "step", name, "kind", string(f.kind), "reason", f.reason)
			}
			return err
		}
		if !handedOver {
			return nil
		}
		tries += used
	}
}
