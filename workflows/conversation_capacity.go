package workflows

import (
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/tracing"
)

// StateWaiting is the state of a conversation that waits for capacity: as many are
// open as the platform's max_open allows.
const StateWaiting State = "waiting"

// stepWaiting is its step, as operators see it.
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

// Counted is for a conversation that is started without a reservation: it requests one
// before it does anything. Nil, that it does not count, where there is no limit.
func Counted(limit int) *CountedIn {
	if limit <= 0 {
		return nil
	}
	return &CountedIn{Limit: limit}
}

// followCapacity receives the signals of the platform's capacity, and checks the
// reservation that the conversation was started with.
func (r *run) followCapacity(ctx workflow.Context) {
	if r.in.CountedIn == nil {
		return
	}
	counted := *r.in.CountedIn // the input is not changed
	r.in.CountedIn = &counted
	counted.Reservation.ID, counted.Reservation.Simulation = workflow.GetInfo(ctx).WorkflowExecution.ID, r.in.Ref.Simulation
	started := workflow.GetInfo(ctx).WorkflowStartTime
	if r.in.Carried == nil && counted.Holds && started.Sub(counted.Reservation.Since) > activities.ReservationValid {
		counted.Holds = false // others may think that it was never used
	}
	if !r.claim.held && !counted.Holds {
		r.state = StateWaiting
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalReserved), func(c workflow.ReceiveChannel, _ bool) {
			var reserved activities.Reservation
			c.Receive(ctx, &reserved)
			r.onReserved(ctx, reserved)
		})
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalRevoked), func(c workflow.ReceiveChannel, _ bool) {
			var reserved activities.Reservation
			c.Receive(ctx, &reserved)
			if counted := r.in.CountedIn; reserved.Seq == counted.Reservation.Seq {
				counted.Holds = false
			}
		})
		for {
			selector.Select(ctx)
		}
	})
}

// onReserved takes a reservation, or releases it if there is no use for it.
func (r *run) onReserved(ctx workflow.Context, reserved activities.Reservation) {
	counted := r.in.CountedIn
	if counted.Holds || !r.waiting {
		if reserved.Seq != counted.Reservation.Seq {
			_ = r.callCapacity(ctx, SignalRelease, CapacityCall{Reservation: reserved})
		}
		return
	}
	counted.Reservation.Seq, counted.Reservation.Since, counted.Holds = reserved.Seq, reserved.Since, true
}

// releaseCapacity releases the conversation's reservation: for good, or, parked, until
// reserveCapacity requests another.
func (r *run) releaseCapacity(ctx workflow.Context, parked bool) {
	counted := r.in.CountedIn
	if counted == nil || parked && !counted.Holds {
		return
	}
	counted.Holds = false
	// If there is no Capacity, there is nothing to release.
	_ = r.callCapacity(ctx, SignalRelease, CapacityCall{Reservation: counted.Reservation, Parked: parked}).Get(ctx, nil)
}

// reserveCapacity waits until the conversation has a reservation, if it needs one. It
// returns early, without one, when the conversation is to end or has expired. An
// error means cancellation.
func (r *run) reserveCapacity(ctx workflow.Context) error {
	counted := r.in.CountedIn
	if counted == nil || counted.Holds {
		return nil
	}
	step, interval := r.steps.now, waitRetry
	r.waiting = true
	defer func() { r.waiting = false }()
	var span *tracing.WorkflowSpan
	for requests := 0; !counted.Holds && !r.ends() && !r.expired(ctx); requests++ {
		err := r.callCapacity(ctx, SignalWait, CapacityCall{Reservation: counted.Reservation, Limit: counted.Limit}).Get(ctx, nil)
		if ctx.Err() != nil {
			span.End(ctx)
			return ctx.Err()
		}
		if err != nil && requests == 0 {
			r.startCapacity(ctx)
			continue
		}
		enough := func() bool { return counted.Holds || r.ends() }
		// Mostly there is capacity, and the answer takes no time worth showing.
		if requests <= 1 {
			if ok, err := workflow.AwaitWithTimeout(ctx, time.Second, enough); ok || err != nil {
				break
			}
		}
		r.steps.now = stepWaiting
		if span == nil {
			_, span = r.beginWait(ctx, tracing.SpanCapacity, "")
		}
		r.setState(ctx, StateWaiting)
		r.show(ctx)
		_, err = workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout:      r.untilExpiry(ctx, interval),
			TimerOptions: workflow.TimerOptions{Summary: stepWaiting},
		}, enough)
		if err != nil {
			span.End(ctx)
			return err
		}
		interval = r.nextWaitRetry(interval)
	}
	span.End(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	r.steps.now = step
	if r.state == StateWaiting {
		r.setState(ctx, r.activeState())
	}
	r.show(ctx)
	return nil
}

// untilExpiry is the time until the conversation expires, but at most limit.
func (r *run) untilExpiry(ctx workflow.Context, limit time.Duration) time.Duration {
	if r.about.Expires.IsZero() {
		return limit
	}
	return max(time.Millisecond, min(limit, r.about.Expires.Sub(workflow.Now(ctx))))
}

func (r *run) callCapacity(ctx workflow.Context, signal string, call CapacityCall) workflow.Future {
	return workflow.SignalExternalWorkflow(ctx, CapacityID(r.in.Ref.Platform), "", signal, call)
}

// startCapacity starts the owner of the platform's capacity, if it does not run.
func (r *run) startCapacity(ctx workflow.Context) {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            CapacityID(r.in.Ref.Platform),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         printable.MarkdownClip("capacity of "+r.in.Ref.Platform, maxSummary),
	})
	child := workflow.ExecuteChildWorkflow(ctx, CapacityName, CapacityInput{Platform: r.in.Ref.Platform})
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	if already := (*temporal.ChildWorkflowExecutionAlreadyStartedError)(nil); err != nil && !errors.As(err, &already) {
		workflow.GetLogger(ctx).Warn("The capacity of the platform could not be started", "platform", r.in.Ref.Platform, "error", err)
	}
}
