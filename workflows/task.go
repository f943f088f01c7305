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

// DefaultTaskTimeout bounds the run of a task that does not say how long it may
// take.
const DefaultTaskTimeout = 10 * time.Minute

// taskRun is one run of a task. A nil one is none.
type taskRun struct {
	result  conversation.TaskResult
	receipt activities.Receipt
	// stop is why the run should not go on, if it should not.
	stop *verdict
	// withdrawn means that the platform wants no report.
	withdrawn bool
	// note is what the outcome has to say of a run that was reset.
	note string
	// queues means that it waits for its turn under a rate limit, and queued is how
	// long it has done so, all in all.
	queues bool
	queued time.Duration
}

func (r *taskRun) stopped() *verdict {
	if r == nil {
		return nil
	}
	return r.stop
}

func (r *taskRun) outcome() *conversation.TaskResult {
	if r == nil {
		return nil
	}
	result := r.result
	return &result
}

// perform does the task: one turn, whose reply is the result. It returns nothing when
// the run was reset, and its claim has to be looked at first.
func (t *talk) perform(ctx workflow.Context) (*verdict, error) {
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	if v, err := t.gate(ctx); v != nil || err != nil {
		return v, err
	}
	runCtx, stop := workflow.WithCancel(ctx)
	defer stop()
	t.watch(runCtx)
	t.limitTime(runCtx)
	for {
		// A person may resume it as often as it fails.
		if v := t.overdue(ctx); v != nil {
			return v, nil
		}
		message, _, v, err := t.reply(ctx)
		switch {
		case v != nil || err != nil || t.stale != nil:
			return v, err
		case t.endWanted():
			continue
		}
		t.turn++
		t.messages = append(t.messages, message)
		t.count++
		t.task.result.Status, t.task.result.Result = conversation.TaskSuccess, conversation.ResultOf(message)
		return &verdict{kind: conversation.OutcomeEnded, by: conversation.EndedByAgent}, nil
	}
}

// prepare makes the task's run known and waits until it is due.
func (t *talk) prepare(ctx workflow.Context) error {
	t.identify(ctx)
	if t.about.Task.Timeout <= 0 {
		t.about.Task.Timeout = DefaultTaskTimeout
	}
	t.policy.ReplyTimeout = t.about.Task.Timeout
	// A task that a platform has let us claim is due, whatever our clock shows.
	if early := t.task.result.ScheduledFor.Sub(workflow.Now(ctx)); early > 0 && t.in.Given != nil {
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: early, TimerOptions: workflow.TimerOptions{Summary: "not due yet"},
		}, t.endWanted)
		if err != nil {
			return err
		}
	}
	t.task.result.Started = workflow.Now(ctx).UTC()
	return nil
}

// identify names the run to whoever is told of it.
func (t *talk) identify(ctx workflow.Context) {
	r := &t.task.result
	r.TaskID, r.ExecutionID = t.in.Ref.Simulation, t.task.receipt.ExecutionID
	if r.ExecutionID == "" {
		// The same for every attempt of this workflow and different for any other.
		r.ExecutionID = t.run
	}
	if task := t.about.Task; task != nil {
		r.ScheduledFor = dueAt(ctx, *task)
		if task.Callback != nil {
			r.Delivery = &conversation.Delivery{State: conversation.DeliveryPending, URL: task.Callback.URL}
		}
	}
	t.upsert(ctx, KeyExecution.ValueSet(r.ExecutionID))
}

// lookBack finds out what a run that is over before it began has to say, and to whom:
// whether an ambiguous claim is ours, for nothing else frees the conversation or task
// then, and which callback waits.
func (t *talk) lookBack(ctx workflow.Context, v *verdict) {
	if t.unclear && !t.claimed && v.cause != conversation.NotFound {
		t.findClaim(ctx, v)
	}
	if t.task != nil && t.about.Task == nil && v.cause != conversation.NotFound {
		t.findCallback(ctx, v)
		t.identify(ctx)
	}
}

func (t *talk) findClaim(ctx workflow.Context, v *verdict) {
	out, err := t.held(ctx)
	if err != nil {
		v.detail = join(v.detail, "whether the claim was made could not be found out: "+failureOf(err).String())
		return
	}
	t.unclear = false
	if out.Receipt != nil {
		t.task = &taskRun{receipt: *out.Receipt}
	}
	if out.Ours || out.Receipt != nil {
		t.claimed, v.tell = true, true
	}
}

// held asks the platform whether the claim is this workflow's.
func (t *talk) held(ctx workflow.Context) (activities.HeldResult, error) {
	in := activities.HeldInput{Ref: t.in.Ref, Adopt: t.in.TakeOver, Tried: t.claimTried, Run: t.claimRun}
	var out activities.HeldResult
	err := t.do(ctx, "whose claim", activities.ReportOptions(), activities.HeldName,
		func(int) any { return in },
		func(f workflow.Future) (bool, int, error) {
			out = activities.HeldResult{}
			err := f.Get(ctx, &out)
			if out.HandedOver && out.Tried != nil {
				in.Tried = out.Tried
			}
			return out.HandedOver, out.Tries, err
		})
	return out, err
}

func (t *talk) findCallback(ctx workflow.Context, v *verdict) {
	var out activities.ContextResult
	err := t.do(ctx, "callback's address", activities.ContextOptions(t.policy), activities.ContextName,
		func(int) any { return t.contextInput() },
		func(f workflow.Future) (bool, int, error) {
			out = activities.ContextResult{}
			err := f.Get(ctx, &out)
			return out.HandedOver, out.Tries, err
		})
	if err != nil {
		v.detail = join(v.detail, "whether a callback waits could not be found out: "+failureOf(err).String())
		return
	}
	if out.State != activities.StateEnded { // else nobody waits
		t.about = out.Context
	}
}

// dueAt is when the task was to run. A schedule of Temporal's says it of each
// workflow that it starts.
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

// watch stops the run once nobody wants its result any more.
func (t *talk) watch(ctx workflow.Context) {
	if t.in.Given != nil {
		return // only this workflow knows of it
	}
	in := activities.WatchInput{Ref: t.in.Ref, Receipt: t.task.receipt}
	opts := activities.WatchOptions(t.about.Task.Timeout)
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var out activities.WatchResult
			err := t.schedule(ctx, "watch for a cancellation", 0, opts, activities.WatchName, in).Get(ctx, &out)
			switch {
			case err != nil:
				return // the run is over, or goes on unwatched
			case out.Withdrawn:
				t.task.withdrawn = true
				t.task.stop = &verdict{kind: conversation.OutcomeEnded, by: conversation.EndedByPlatform, detail: "the task was cancelled on its platform"}
				return
			case !out.HandedOver:
				return
			}
		}
	})
}

// limitTime stops the run when it takes too long. While it waits for its turn under
// a rate limit its time stands still; while it waits for a person too, and begins
// anew when they have decided.
func (t *talk) limitTime(ctx workflow.Context) {
	limit := t.about.Task.Timeout
	workflow.Go(ctx, func(ctx workflow.Context) {
		begun, queued := workflow.Now(ctx), t.task.queued
		for left := limit; left > 0; {
			err := workflow.NewTimerWithOptions(ctx, left, workflow.TimerOptions{Summary: "the task's time"}).Get(ctx, nil)
			if err != nil || t.task.stop != nil {
				return
			}
			person := t.waitsForPerson()
			if workflow.Await(ctx, func() bool { return !t.waitsForPerson() && !t.task.queues }) != nil {
				return
			}
			if person {
				begun, queued = workflow.Now(ctx), t.task.queued
			}
			left = limit - (workflow.Now(ctx).Sub(begun) - (t.task.queued - queued))
		}
		t.task.stop = &verdict{
			kind: conversation.OutcomeFailed, tell: true,
			detail: fmt.Sprintf("the run took longer than the %s that the task has", limit),
		}
	})
}

func (t *talk) waitsForPerson() bool { return t.attention != nil || len(t.waitingApprovals()) > 0 }

// chooseRun lets a task name its executor, among those allowed.
func (t *talk) chooseRun(task conversation.Task) error {
	run, err := task.Run()
	if err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSpace(run.Executor))
	if name == "" || name == "auto" || name == t.executor {
		return nil
	}
	if !slices.Contains(t.policy.Executors, name) {
		there := append([]string{t.executor}, t.policy.Executors...)
		return fmt.Errorf("the task asks for executor %q, which its agent may not use: there are %s", name, strings.Join(there, ", "))
	}
	t.executor = name
	return nil
}

// report tells whoever waits for it how the task has ended: first the callback,
// then the platform, which forgets the task with it. Neither undoes the run.
func (t *talk) report(ctx workflow.Context, v verdict) {
	r := &t.task.result
	r.Finished = workflow.Now(ctx).UTC()
	if r.Started.IsZero() {
		r.Started = r.Finished
	}
	switch {
	case t.task.withdrawn, v.kind == conversation.OutcomeClaimLost:
		r.Status = conversation.TaskCancelled
		r.Delivery = nil
		return
	case r.Status == "":
		r.Status = conversation.TaskFailed
		r.Kind = v.cause
		if r.Error = v.detail; r.Error == "" {
			r.Error = string(v.kind)
		}
	}
	callback := t.about.Task != nil && t.about.Task.Callback != nil
	if callback && !t.again(ctx, func() error { return t.deliver(ctx) }) {
		return
	}
	if t.in.Given == nil {
		t.again(ctx, func() error { return t.acknowledge(ctx) })
	}
}

// again has a task's end told. If it finds the run reset, it is told only if the task is
// still this workflow's: told is false otherwise.
func (t *talk) again(ctx workflow.Context, tell func() error) (told bool) {
	err := tell()
	if err == nil || failureOf(err).kind != conversation.Reset {
		return true
	}
	t.run = failureOf(err).runID
	t.task.note = "the workflow was reset: how the task ended may have been told before"
	if t.in.Given == nil {
		if out, err := t.held(ctx); err == nil && out.Receipt == nil {
			t.task.note = "the workflow was reset after its task had been acknowledged or released: nothing was told again"
			t.task.result.Delivery = nil
			return false
		}
	}
	_ = tell()
	return true
}

func (t *talk) deliver(ctx workflow.Context) error {
	callback := *t.about.Task.Callback
	in := activities.DeliverInput{Callback: callback, Result: t.task.result, Run: t.run, Attempts: activities.Tries(callback)}
	in.Result.Delivery = nil
	var out activities.DeliverResult
	err := t.do(ctx, "callback", activities.DeliverOptions(callback), activities.DeliverName,
		func(tries int) any {
			in.Made = tries
			return in
		},
		func(f workflow.Future) (bool, int, error) {
			out = activities.DeliverResult{}
			err := f.Get(ctx, &out)
			return out.HandedOver, out.Tries, err
		})
	delivery := out.Delivery
	if err != nil {
		delivery = conversation.Delivery{State: conversation.DeliveryFailed, Attempts: activities.Tries(callback), Error: failureOf(err).String()}
	}
	if delivery.State == conversation.DeliveryFailed {
		callbackFailed(ctx, callback.URL, delivery)
	}
	delivery.URL, delivery.Time = callback.URL, workflow.Now(ctx).UTC()
	t.task.result.Delivery = &delivery
	return err
}

func (t *talk) acknowledge(ctx workflow.Context) error {
	r := &t.task.result
	in := activities.ReportInput{Ref: t.in.Ref, Run: t.run, Report: activities.TaskReport{
		Receipt: t.task.receipt, Status: r.Status, Error: r.Error, Took: r.Duration(),
	}}
	if len(r.Result) <= maxSummaryBytes {
		in.Report.Result = r.Result
	}
	err := t.do(ctx, "acknowledge", activities.ReportOptions(), activities.ReportName,
		func(int) any { return in },
		func(f workflow.Future) (bool, int, error) {
			var out activities.ReportResult
			err := f.Get(ctx, &out)
			if out.HandedOver {
				in.Tried = out.Tried
			}
			return out.HandedOver, out.Tries, err
		})
	if err != nil {
		r.Fault = failureOf(err).String()
		return err
	}
	r.Acknowledged, r.Fault = true, ""
	return nil
}

// maxSummaryBytes is how much of a result may go along with an acknowledgement.
const maxSummaryBytes = 4 << 10
