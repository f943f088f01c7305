package workflows

import (
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
)

// StateWaiting is the state of a conversation that waits for a place: as many are
// open as the platform's max_open allows.
const StateWaiting State = "waiting"

// stepWaiting is what people see of it.
const stepWaiting = "waiting for capacity"

// CountedIn says that a conversation counts against the capacity of its platform
// instance.
type CountedIn struct {
	// Limit is how many conversations may be open, as far as known at the start.
	Limit int `json:"limit"`
	// Reservation is what the conversation had last. Its Seq is zero if it has never had one.
	Reservation activities.Reservation `json:"reservation,omitzero"`
	// Holds means that Reservation is held now.
	Holds bool `json:"holds,omitempty"`
}

// Counted is for a conversation that is started without a place: it asks for one
// before it does anything. Nil, that it does not count, where there is no limit.
func Counted(limit int) *CountedIn {
	if limit <= 0 {
		return nil
	}
	return &CountedIn{Limit: limit}
}

// waitRetry is how often a conversation that waits for a place asks again: its
// request may have been lost with a Capacity that somebody terminated.
const waitRetry = 5 * time.Minute

// followCapacity makes the conversation hear from its platform's capacity, and
// checks the place that it was started with.
func (t *talk) followCapacity(ctx workflow.Context) {
	if t.in.CountedIn == nil {
		return
	}
	counted := *t.in.CountedIn // the input is not changed
	t.in.CountedIn = &counted
	counted.Reservation.ID, counted.Reservation.Simulation = workflow.GetInfo(ctx).WorkflowExecution.ID, t.in.Ref.Simulation
	started := workflow.GetInfo(ctx).WorkflowStartTime
	if t.in.Carried == nil && counted.Holds && started.Sub(counted.Reservation.Since) > activities.ReservationValid {
		counted.Holds = false // others may think that it was never used
	}
	if !t.claimed && !counted.Holds {
		t.stateNow = StateWaiting
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalReserved), func(c workflow.ReceiveChannel, _ bool) {
			var place activities.Reservation
			c.Receive(ctx, &place)
			t.onPlace(ctx, place)
		})
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalRevoked), func(c workflow.ReceiveChannel, _ bool) {
			var place activities.Reservation
			c.Receive(ctx, &place)
			if counted := t.in.CountedIn; place.Seq == counted.Reservation.Seq {
				counted.Holds = false
			}
		})
		for {
			selector.Select(ctx)
		}
	})
}

// onPlace takes a place that was given, or gives it back if there is no use for it.
func (t *talk) onPlace(ctx workflow.Context, place activities.Reservation) {
	counted := t.in.CountedIn
	if counted.Holds || !t.waiting {
		if place.Seq != counted.Reservation.Seq {
			_ = t.callCapacity(ctx, SignalRelease, CapacityCall{Reservation: place})
		}
		return
	}
	counted.Reservation.Seq, counted.Reservation.Since, counted.Holds = place.Seq, place.Since, true
}

// leaveCapacity gives the conversation's place back: for good, or, parked, until
// enterCapacity asks for another.
func (t *talk) leaveCapacity(ctx workflow.Context, parked bool) {
	counted := t.in.CountedIn
	if counted == nil || parked && !counted.Holds {
		return
	}
	counted.Holds = false
	// If there is no Capacity, there is nothing to give back.
	_ = t.callCapacity(ctx, SignalRelease, CapacityCall{Reservation: counted.Reservation, Parked: parked}).Get(ctx, nil)
}

// enterCapacity waits until the conversation has a place, if it needs one. It
// returns early, without a place, when the conversation is to end or has expired. An
// error means cancellation.
func (t *talk) enterCapacity(ctx workflow.Context) error {
	counted := t.in.CountedIn
	if counted == nil || counted.Holds {
		return nil
	}
	step := t.step
	t.waiting = true
	defer func() { t.waiting = false }()
	for asked := 0; !counted.Holds && !t.endWanted() && !t.expired(ctx); asked++ {
		err := t.callCapacity(ctx, SignalWait, CapacityCall{Reservation: counted.Reservation, Limit: counted.Limit}).Get(ctx, nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && asked == 0 {
			t.startCapacity(ctx)
			continue
		}
		enough := func() bool { return counted.Holds || t.endWanted() }
		// Mostly there is a place, and the answer takes no time worth showing.
		if asked <= 1 {
			if ok, err := workflow.AwaitWithTimeout(ctx, time.Second, enough); ok || err != nil {
				break
			}
		}
		t.step = stepWaiting
		t.setState(ctx, StateWaiting)
		t.show(ctx)
		_, err = workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout:      t.untilExpiry(ctx, waitRetry),
			TimerOptions: workflow.TimerOptions{Summary: stepWaiting},
		}, enough)
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t.step = step
	if t.stateNow == StateWaiting {
		t.setState(ctx, t.stateBegun())
	}
	t.show(ctx)
	return nil
}

// stateBegun is the state of a conversation that goes on.
func (t *talk) stateBegun() State {
	if t.claimed {
		return StateTalking
	}
	return StateClaiming
}

// untilExpiry is the time until the platform gives the conversation up, but at most
// limit.
func (t *talk) untilExpiry(ctx workflow.Context, limit time.Duration) time.Duration {
	if t.about.Expires.IsZero() {
		return limit
	}
	return max(time.Millisecond, min(limit, t.about.Expires.Sub(workflow.Now(ctx))))
}

func (t *talk) callCapacity(ctx workflow.Context, signal string, call CapacityCall) workflow.Future {
	return workflow.SignalExternalWorkflow(ctx, CapacityID(t.in.Ref.Platform), "", signal, call)
}

// startCapacity starts the owner of the platform's capacity, if it does not run.
func (t *talk) startCapacity(ctx workflow.Context) {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            CapacityID(t.in.Ref.Platform),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         "capacity of " + t.in.Ref.Platform,
	})
	child := workflow.ExecuteChildWorkflow(ctx, CapacityName, CapacityInput{Platform: t.in.Ref.Platform})
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	if already := (*temporal.ChildWorkflowExecutionAlreadyStartedError)(nil); err != nil && !errors.As(err, &already) {
		workflow.GetLogger(ctx).Warn("The capacity of the platform could not be started", "platform", t.in.Ref.Platform, "error", err)
	}
}
