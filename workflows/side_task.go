package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// noteReset is in the outcome of a task that goes on after a reset.
const noteReset = "the workflow was reset: the agent may have run before"

// taskSide is one run of a task: one message, one reply, which is the result. The task is
// claimed on its platform, or, where the input has a start, known to this workflow alone.
type taskSide struct {
	*run
	result conversation.TaskResult
	// stop is why the run must not go on, if it must not.
	stop *ending
	// cancelled means that the platform wants no report.
	cancelled bool
	// note is what the outcome adds about a reset.
	note string
	// stopTimers ends what watches a run that is under way.
	stopTimers func()
}

var _ side = (*taskSide)(nil)

// private reports that only this workflow knows of the task.
func (s *taskSide) private() bool { return s.in.Start != nil }

// known reports that there is a run to report: a claim that was not made leaves none.
func (s *taskSide) known() bool {
	return s.claim.receipt != nil || s.about.Task != nil || s.cancelled
}

func (s *taskSide) begin(ctx workflow.Context) (*ending, error) {
	if s.private() {
		s.open(ctx)
		s.takeTask()
		return nil, s.prepare(ctx)
	}
	if e, err := s.enter(ctx); e != nil || err != nil {
		return e, err
	}
	if done, e, err := s.requestClaim(ctx); !done {
		return e, err
	}
	return s.learn(ctx)
}

// learn reads the task that was claimed.
func (s *taskSide) learn(ctx workflow.Context) (*ending, error) {
	out, done, e, err := s.readContext(ctx)
	if !done {
		return e, err
	}
	if out.Context.Task == nil {
		return &ending{kind: conversation.OutcomeFailed, cause: conversation.Invalid, detail: wrongSide(s.in.Ref.Platform, "conversation", SidePlatform)}, nil
	}
	reset := out.RunID != s.resets.run
	e, err = s.take(ctx, out)
	if reset {
		s.foundReset()
		if s.note = noteReset; e != nil {
			s.note, e.detail = "", join("the workflow was reset", e.detail)
		}
	}
	if e != nil || err != nil {
		return e, err
	}
	s.setState(ctx, StateTalking)
	return nil, s.prepare(ctx)
}

// take records what the platform holds.
func (s *taskSide) take(ctx workflow.Context, out activities.ContextResult) (*ending, error) {
	s.resets.run = out.RunID
	s.about = out.Context
	s.takeTask()
	if e, err := s.parkForFinding(ctx, stepContext, out.Park); e != nil || err != nil {
		return e, err
	}
	if out.Fault != "" {
		s.stop = &ending{kind: conversation.OutcomeFailed, detail: out.Fault, cause: conversation.Invalid}
	}
	if out.State == activities.StateEnded {
		s.cancelled = true // while it was claimed
		return &ending{kind: conversation.OutcomeEnded, by: out.EndedBy, detail: out.EndDetail}, nil
	}
	return nil, nil
}

// takeTask applies the task's choice of executor.
func (s *taskSide) takeTask() {
	if err := s.chooseExecutor(*s.about.Task); err != nil {
		s.stop = &ending{kind: conversation.OutcomeFailed, detail: err.Error(), cause: conversation.Invalid}
	}
}

// chooseExecutor lets a task name its executor, among those allowed.
func (s *taskSide) chooseExecutor(task conversation.Task) error {
	wants, err := task.Run()
	if err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSpace(wants.Executor))
	if name == "" || name == "auto" || name == s.agent.executor {
		return nil
	}
	if !slices.Contains(s.policy.Executors, name) {
		allowed := append([]string{s.agent.executor}, s.policy.Executors...)
		return fmt.Errorf("the task asks for executor %q, which its agent may not use: there are %s", name, strings.Join(allowed, ", "))
	}
	s.agent.executor = name
	return nil
}

// prepare makes the run known and waits until it is due.
func (s *taskSide) prepare(ctx workflow.Context) error {
	s.identify(ctx)
	task := *s.about.Task
	if task.Timeout <= 0 {
		task.Timeout = s.in.TaskTimeout
	}
	s.about.Task, s.policy.ReplyTimeout = &task, task.Timeout
	// A task that a platform has let us claim is due, whatever our clock shows.
	if early := s.result.ScheduledFor.Sub(workflow.Now(ctx)); early > 0 && s.private() {
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: early, TimerOptions: workflow.TimerOptions{Summary: "not due yet"},
		}, s.ends)
		if err != nil {
			return err
		}
	}
	s.result.Started = workflow.Now(ctx).UTC()
	return nil
}

// identify names the run for its reports.
func (s *taskSide) identify(ctx workflow.Context) {
	s.result.TaskID = s.in.Ref.Simulation
	// The same for every attempt of this workflow and different for any other.
	s.result.ExecutionID = s.resets.run
	if receipt := s.claim.receipt; receipt != nil && receipt.ExecutionID != "" {
		s.result.ExecutionID = receipt.ExecutionID
	}
	if task := s.about.Task; task != nil {
		s.result.ScheduledFor = dueAt(ctx, *task)
		if task.Callback != nil {
			s.result.Delivery = &conversation.Delivery{State: conversation.DeliveryPending, URL: task.Callback.URL}
		}
	}
	s.upsert(ctx, KeyExecution.ValueSet(s.result.ExecutionID))
}

// dueAt is when the task was to run. For a schedule of Temporal's, an attribute of each
// workflow that it starts has the time.
func dueAt(ctx workflow.Context, task conversation.Task) time.Time {
	if !task.ScheduledFor.IsZero() {
		return task.ScheduledFor.UTC()
	}
	if at, ok := workflow.GetTypedSearchAttributes(ctx).GetTime(keyScheduledStart); ok {
		return at.UTC()
	}
	return workflow.GetInfo(ctx).WorkflowStartTime.UTC()
}

// keyScheduledStart is Temporal's own.
var keyScheduledStart = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// nextMessage has nothing to wait for: the task is the message. It starts what stops a
// run under way.
func (s *taskSide) nextMessage(ctx workflow.Context) (bool, *ending, error) {
	if s.stopTimers == nil {
		ctx, s.stopTimers = workflow.WithCancel(ctx)
		s.watch(ctx)
		s.limitTime(ctx)
	}
	return true, nil, nil
}

// watch stops the run once its platform wants no result any more.
func (s *taskSide) watch(ctx workflow.Context) {
	if s.private() {
		return
	}
	in := activities.WatchInput{Ref: s.in.Ref, Receipt: s.receipt()}
	opts := activities.WatchOptions(s.about.Task.Timeout)
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var out activities.WatchResult
			err := s.steps.schedule(ctx, "watch for a cancellation", 0, opts, activities.WatchName, in).Get(ctx, &out)
			switch {
			case err != nil:
				return // the run is over, or goes on unwatched
			case out.Cancelled:
				s.cancelled = true
				s.stop = &ending{kind: conversation.OutcomeEnded, by: conversation.EndedByPlatform, detail: "the task was cancelled on its platform"}
				return
			case !out.HandedOver:
				return
			}
		}
	})
}

// limitTime stops the run when it takes too long. While it waits for its turn under a
// rate limit its time stands still; while it waits for an operator too, and begins anew
// when they have decided.
func (s *taskSide) limitTime(ctx workflow.Context) {
	limit := s.about.Task.Timeout
	workflow.Go(ctx, func(ctx workflow.Context) {
		begun, waited := workflow.Now(ctx), s.steps.queue.waited
		for left := limit; left > 0; {
			err := workflow.NewTimerWithOptions(ctx, left, workflow.TimerOptions{Summary: "the task's time"}).Get(ctx, nil)
			if err != nil || s.stop != nil {
				return
			}
			parked := s.waitsForOperator()
			if workflow.Await(ctx, func() bool { return !s.waitsForOperator() && !s.steps.queue.waits }) != nil {
				return
			}
			if parked {
				begun, waited = workflow.Now(ctx), s.steps.queue.waited
			}
			left = limit - (workflow.Now(ctx).Sub(begun) - (s.steps.queue.waited - waited))
		}
		s.stop = &ending{
			kind: conversation.OutcomeFailed, open: true,
			detail: fmt.Sprintf("the run took longer than the %s that the task has", limit),
		}
	})
}

// deliverReply makes the agent's reply the result of the task.
func (s *taskSide) deliverReply(_ workflow.Context, r *reply) (*ending, error) {
	s.transcript.sent(r)
	s.result.Status, s.result.Result = conversation.TaskSuccess, conversation.ResultOf(r.message)
	return &ending{kind: conversation.OutcomeEnded, by: conversation.EndedByAgent}, nil
}

// reconcile goes on with a task only while its claim is this workflow's. One that has
// been reported, or released, is not run twice.
func (s *taskSide) reconcile(ctx workflow.Context, _ bool) (*ending, error) {
	s.stopWatching()
	if s.private() {
		// It is another run of it.
		s.note = noteReset
		return nil, s.prepare(ctx)
	}
	out, err := s.findClaim(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		f := failureOf(err)
		return &ending{kind: conversation.OutcomeFailed, cause: f.kind, detail: join("whether the task is still ours could not be found out", f.String())}, nil
	case out.Receipt == nil:
		s.cancelled, s.claim.ambiguous = true, false
		return &ending{
			kind: conversation.OutcomeEnded, by: conversation.EndedByPlatform,
			detail: "the workflow was reset after its task had been acknowledged or released: it was not run again",
		}, nil
	}
	begun := s.about.Task != nil
	s.claim.gotReceipt(out.Receipt)
	s.claim.ambiguous, s.note = false, noteReset
	if begun {
		return nil, s.prepare(ctx)
	}
	return s.learn(ctx)
}

func (s *taskSide) stopWatching() {
	if s.stopTimers != nil {
		s.stopTimers()
		s.stopTimers = nil
	}
}

func (s *taskSide) receipt() activities.Receipt {
	if s.claim.receipt == nil {
		return activities.Receipt{}
	}
	return *s.claim.receipt
}

func (s *taskSide) stopped() *ending { return s.stop }

// drained is false: a run of a task does not continue as new.
func (s *taskSide) drained() bool { return false }

func (s *taskSide) describe(status *Status) {
	if !s.known() {
		return
	}
	result := s.result
	result.Started = s.startTime()
	status.Task = &result
}

// startTime is when the run began: the time before the executor's first call that it had
// to wait for its turn is none of it.
func (s *taskSide) startTime() time.Time {
	if s.steps.queue.until.After(s.result.Started) {
		return s.steps.queue.until
	}
	return s.result.Started
}

func (s *taskSide) carry(*Carried) {}
