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
	// Agent is the agent's name in the configuration; Policy is the agent's.
	Agent  string
	Policy conversation.Policy
	Times  Times
	Task   Task
	Rules  Rules
	Paused bool
	Note   string
}

// Rules say how Temporal treats runs that overlap or are late.
type Rules struct {
	// Overlap applies when a run is due while the one before is open. Empty: skip.
	Overlap Overlap
	// CatchUp is how late a run may begin after Temporal was down. Zero: a year.
	CatchUp time.Duration
	// Times is the number of runs. Zero: no limit.
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

// An Overlap says what happens when a run is due while the one before is open.
type Overlap string

// The values of Overlap.
const (
	Skip        Overlap = "skip"         // the new run is skipped
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

// overlapOf is the name of a policy; an unknown one keeps Temporal's name.
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

// Check finds the faults of a plan, without a request to Temporal.
func (p Plan) Check(now time.Time) error {
	_, _, _, err := p.settle(now)
	return err
}

// settle is the plan as Temporal's options.
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
		err = malformed("--at now and --paused exclude each other: give a later time")
	}
	if string(task.Payload) == "{}" {
		err = malformed("the task is missing: give --message, --params, --args or --payload")
	}
	return spec, at, task, err
}

// settle bounds the time that Temporal takes to begin a requested run.
const settle = 2 * time.Second
