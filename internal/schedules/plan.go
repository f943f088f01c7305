package schedules

import (
	"errors"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/conversation"
)

// A Plan is a new schedule.
type Plan struct {
	Name string
	// Agent is the agent's name in the configuration, and Policy is the agent's.
	Agent  string
	Policy conversation.Policy
	Times  Times
	Task   Task
	Rules  Rules
	Paused bool
	Note   string
}

// Rules say what becomes of times that cannot be kept.
type Rules struct {
	// Overlap is what happens when the run before still goes on. Empty: skip.
	Overlap Overlap
	// CatchUp is how late a run may begin after Temporal was down. Zero: a year.
	CatchUp time.Duration
	// Times is how often it runs, in all. Zero: without end.
	Times int
}

const minCatchUp = 10 * time.Second

func (r Rules) check(times Times) error {
	switch {
	case r.CatchUp < 0 || r.CatchUp > 0 && r.CatchUp < minCatchUp:
		return malformed("--catch-up %v: Temporal wants at least %v", r.CatchUp, minCatchUp)
	case r.Times < 0:
		return malformed("--times %d is negative", r.Times)
	case r.Times > 1 && times.At != "":
		return malformed("--times %d: a schedule with --at runs once", r.Times)
	}
	return nil
}

// An Overlap says what happens when it is time for a run and the one before still
// goes on.
type Overlap string

// What can happen.
const (
	Skip        Overlap = "skip"         // the new run
	BufferOne   Overlap = "buffer-one"   // one waits for the end, more are skipped
	BufferAll   Overlap = "buffer-all"   // all wait, one after the other
	CancelOther Overlap = "cancel-other" // the old run is cancelled, then the new one begins
	Allow       Overlap = "allow"        // they run side by side
)

var overlaps = map[Overlap]enums.ScheduleOverlapPolicy{
	"":          enums.SCHEDULE_OVERLAP_POLICY_UNSPECIFIED,
	Skip:        enums.SCHEDULE_OVERLAP_POLICY_SKIP,
	BufferOne:   enums.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
	BufferAll:   enums.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
	CancelOther: enums.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER,
	Allow:       enums.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
}

func (o Overlap) policy() (enums.ScheduleOverlapPolicy, error) {
	p, ok := overlaps[o]
	if !ok {
		return p, malformed("unknown overlap %q: use skip, buffer-one, buffer-all, cancel-other or allow", o)
	}
	return p, nil
}

// overlapOf is the name of a policy; one that is not among ours keeps Temporal's.
func overlapOf(p enums.ScheduleOverlapPolicy) Overlap {
	if p == enums.SCHEDULE_OVERLAP_POLICY_UNSPECIFIED {
		return Skip
	}
	for name, policy := range overlaps {
		if policy == p {
			return name
		}
	}
	return Overlap(strings.ToLower(p.String()))
}

// Check finds what is wrong with a plan, without asking Temporal.
func (p Plan) Check(now time.Time) error {
	_, _, _, err := p.settle(now)
	return err
}

// settle is the plan in Temporal's words.
func (p Plan) settle(now time.Time) (spec client.ScheduleSpec, at time.Time, task conversation.Task, err error) {
	if err = errors.Join(CheckName(p.Name), checkAgent(p.Agent)); err != nil {
		return spec, at, task, err
	}
	if spec, at, err = p.Times.spec(now); err != nil {
		return spec, at, task, err
	}
	if err = p.Rules.check(p.Times); err != nil {
		return spec, at, task, err
	}
	if _, err = p.Rules.Overlap.policy(); err != nil {
		return spec, at, task, err
	}
	if err = p.Task.apply(&task); err != nil {
		return spec, at, task, err
	}
	if p.Paused && word(p.Times.At) == "now" {
		err = malformed("--at now and --paused exclude each other: give a time that is still to come")
	}
	if string(task.Payload) == "{}" {
		err = malformed("what is the agent to do? Give --message, --params, --args or --payload")
	}
	return spec, at, task, err
}

// settle is how long Temporal may take to begin a run that was asked for.
const settle = 2 * time.Second
