package workflows

import (
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation/pressure"
)

// Names of the workflow that owns the capacity of a platform instance, as recorded
// in histories.
const (
	CapacityName = "Capacity"

	// UpdateReserve of Capacity: activities.ReserveRequest -> activities.ReserveResult.
	UpdateReserve = "reserve"
	// Signals to Capacity, each with a CapacityCall.
	SignalWait    = "wait"    // queues for a reservation
	SignalRelease = "release" // releases a reservation

	// Signals from Capacity to a Conversation, each with an activities.Reservation.
	SignalReserved = "reserved" // it holds this reservation
	SignalRevoked  = "revoked"  // it has lost this reservation: no worker could run it
)

// CapacityID is the workflow id of what owns the capacity of a platform instance.
func CapacityID(platform string) string { return "capacity/" + platform }

// CapacityInput starts a Capacity.
type CapacityInput struct {
	Platform string `json:"platform"`
	// Carried is the state of the run before this one.
	Carried *CarriedCapacity `json:"carried,omitempty"`
}

// CarriedCapacity is the state of a Capacity that goes along when it continues as
// new.
type CarriedCapacity struct {
	activities.CapacityStatus
	// Seq is the newest number granted.
	Seq int64 `json:"seq"`
	// Pressure is what the workers' reports have shown of the platform. Nil: nothing.
	Pressure *pressure.Limit `json:"pressure,omitempty"`
}

// A CapacityCall is what a conversation sends to the Capacity of its platform.
type CapacityCall struct {
	// Reservation names the conversation and, by Seq, the reservation it had last.
	Reservation activities.Reservation `json:"reservation"`
	// Limit is as in activities.ReserveRequest.
	Limit int `json:"limit,omitempty"`
	// Parked: the conversation releases its reservation and waits for an operator.
	Parked bool `json:"parked,omitempty"`
}

// Capacity grants the reservations of a platform instance: which conversations may be
// open. Every conversation that counts holds one, however it was started. There are
// never more than the limit, except for conversations that were found running without
// one, or when the limit is lowered: then none is granted until enough are released. A
// platform that has too much to do lowers the limit for a time: see package pressure.
func Capacity(ctx workflow.Context, in CapacityInput) error {
	c := &capacity{platform: in.Platform}
	if carried := in.Carried; carried != nil {
		c.limit, c.seq = carried.Limit, carried.Seq
		c.open, c.queued = carried.Open, carried.Queued
		c.parked, c.stranded = carried.Parked, carried.Stranded
		if carried.Pressure != nil {
			c.pressure = *carried.Pressure
		}
	}
	if err := c.listen(ctx); err != nil {
		return err
	}
	c.show(ctx)
	// Signals that have arrived must not be lost with the run, nor those that it sends.
	err := workflow.Await(ctx, func() bool {
		return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && workflow.AllHandlersFinished(ctx) &&
			c.signalling == 0 && workflow.GetSignalChannel(ctx, SignalWait).Len()+workflow.GetSignalChannel(ctx, SignalRelease).Len() == 0
	})
	if err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, CapacityName, CapacityInput{
		Platform: in.Platform, Carried: &CarriedCapacity{CapacityStatus: c.status(), Seq: c.seq, Pressure: c.carriedPressure()},
	})
}

// capacity is the state of a Capacity. An id is in at most one of the lists.
type capacity struct {
	platform   string
	limit      int // as configured; zero or less: none
	pressure   pressure.Limit
	seq        int64
	open       []activities.Reservation
	queued     []activities.Reservation
	parked     []activities.Reservation
	stranded   []activities.Reservation
	signalling int // signals to conversations that are being sent
}

func (c *capacity) listen(ctx workflow.Context) error {
	err := errors.Join(
		workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (activities.CapacityStatus, error) { return c.status(), nil },
			workflow.QueryHandlerOptions{Description: "Which conversations hold a reservation, wait for one, or have released theirs."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateReserve, c.onReserve,
			workflow.UpdateHandlerOptions{Description: "Releases and grants reservations. For Parley's own use."}),
	)
	if err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		selector := workflow.NewSelector(ctx)
		receive := func(name string, handle func(workflow.Context, CapacityCall)) {
			selector.AddReceive(workflow.GetSignalChannel(ctx, name), func(ch workflow.ReceiveChannel, _ bool) {
				var call CapacityCall
				ch.Receive(ctx, &call)
				handle(ctx, call)
			})
		}
		receive(SignalRelease, c.onRelease)
		receive(SignalWait, c.onWait)
		for {
			selector.Select(ctx)
		}
	})
	return nil
}

func (c *capacity) onReserve(ctx workflow.Context, req activities.ReserveRequest) (activities.ReserveResult, error) {
	c.setLimit(req.Limit)
	for _, p := range req.Ended {
		c.release(p)
	}
	now := workflow.Now(ctx)
	for _, p := range req.Unused {
		if i := held(c.open, p); i >= 0 && now.Sub(c.open[i].Since) >= activities.ReservationLost {
			c.open = slices.Delete(c.open, i, i+1)
		}
	}
	for _, p := range req.Parked {
		c.park(p)
	}
	for _, p := range req.Stranded {
		c.strand(ctx, p)
	}
	for _, p := range req.Found {
		if !c.knows(p.ID) {
			c.grant(ctx, p)
		}
	}
	var out activities.ReserveResult
	if req.Pressure != nil {
		out.Change = c.observe(ctx, *req.Pressure)
	}
	c.grantQueued(ctx) // the queued come before the new
	for _, p := range req.Wanted {
		switch {
		case c.knows(p.ID):
			out.Known = append(out.Known, p.ID)
		case c.free():
			out.Granted = append(out.Granted, c.grant(ctx, p))
		default:
			c.pressure.Note(true)
		}
	}
	out.CapacityCounts, out.Reduced = c.counts(), c.pressure.Reduction
	c.show(ctx)
	return out, nil
}

func (c *capacity) onRelease(ctx workflow.Context, call CapacityCall) {
	c.setLimit(call.Limit)
	if call.Parked {
		c.park(call.Reservation)
	} else {
		c.release(call.Reservation)
	}
	c.grantQueued(ctx)
	c.show(ctx)
}

func (c *capacity) onWait(ctx workflow.Context, call CapacityCall) {
	c.setLimit(call.Limit)
	id := call.Reservation.ID
	if i := index(c.open, id); i >= 0 {
		c.signal(ctx, SignalReserved, c.open[i]) // it repeats its request, or was counted meanwhile
		return
	}
	c.parked, c.stranded = without(c.parked, id), without(c.stranded, id)
	if index(c.queued, id) < 0 {
		p := call.Reservation
		p.Since = workflow.Now(ctx).UTC()
		c.queued = append(c.queued, p)
	}
	c.grantQueued(ctx)
	c.show(ctx)
}

// grantQueued grants free capacity to the queued, in their order.
func (c *capacity) grantQueued(ctx workflow.Context) {
	for len(c.queued) > 0 && c.free() {
		next := c.queued[0]
		c.queued = c.queued[1:]
		c.signal(ctx, SignalReserved, c.grant(ctx, next))
	}
}

func (c *capacity) grant(ctx workflow.Context, p activities.Reservation) activities.Reservation {
	now := workflow.Now(ctx)
	// Ahead of what an earlier chain of runs has granted, if this is a new one.
	c.seq = max(c.seq+1, now.UnixMicro())
	p.Seq, p.Since = c.seq, now.UTC()
	c.open = append(c.open, p)
	return p
}

// strand revokes the reservation of a conversation that no worker can run. The signal
// waits for it: when it runs again, it reserves before it goes on.
func (c *capacity) strand(ctx workflow.Context, p activities.Reservation) {
	i := held(c.open, p)
	if i < 0 {
		return
	}
	p = c.open[i]
	c.open = slices.Delete(c.open, i, i+1)
	c.stranded = append(without(c.stranded, p.ID), p)
	c.signal(ctx, SignalRevoked, p)
}

func (c *capacity) park(p activities.Reservation) {
	for _, list := range []*[]activities.Reservation{&c.open, &c.queued, &c.stranded} {
		if i := held(*list, p); i >= 0 {
			c.parked = append(without(c.parked, p.ID), (*list)[i])
			*list = slices.Delete(*list, i, i+1)
		}
	}
}

// release forgets the conversation, unless it has a newer reservation than the one named.
func (c *capacity) release(p activities.Reservation) {
	for _, list := range []*[]activities.Reservation{&c.open, &c.queued, &c.parked, &c.stranded} {
		if i := held(*list, p); i >= 0 {
			*list = slices.Delete(*list, i, i+1)
		}
	}
}

// signal signals a conversation. One that has closed needs no reservation.
func (c *capacity) signal(ctx workflow.Context, signal string, p activities.Reservation) {
	c.signalling++
	future := workflow.SignalExternalWorkflow(ctx, p.ID, "", signal, p)
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { c.signalling-- }()
		if err := future.Get(ctx, nil); err != nil && !temporal.IsCanceledError(err) {
			c.release(p)
			c.grantQueued(ctx)
			c.show(ctx)
		}
	})
}

func (c *capacity) setLimit(limit int) {
	if limit != 0 {
		c.limit = max(limit, 0)
	}
	if c.limit <= 0 {
		c.pressure.Restore() // there is nothing to reduce
	}
}

func (c *capacity) free() bool { return c.limit <= 0 || len(c.open) < c.pressure.Of(c.limit) }

func (c *capacity) knows(id string) bool {
	return index(c.open, id) >= 0 || index(c.queued, id) >= 0 || index(c.parked, id) >= 0 || index(c.stranded, id) >= 0
}

func (c *capacity) counts() activities.CapacityCounts {
	return activities.CapacityCounts{
		Open: len(c.open), Queued: len(c.queued), Parked: len(c.parked), Stranded: len(c.stranded),
	}
}

func (c *capacity) status() activities.CapacityStatus {
	return activities.CapacityStatus{
		Limit: c.limit, Reduced: c.pressure.Reduction, Open: c.open, Queued: c.queued, Parked: c.parked, Stranded: c.stranded,
	}
}

func (c *capacity) show(ctx workflow.Context) {
	limit := "without a limit"
	if c.limit > 0 {
		limit = fmt.Sprintf("of at most %d", c.limit)
	}
	n := c.counts()
	workflow.SetCurrentDetails(ctx, fmt.Sprintf(
		"**%d open** %s on %s · %d wait for capacity · %d parked · %d without a worker that can run them\n",
		n.Open, limit, c.platform, n.Queued, n.Parked, n.Stranded)+c.reduced())
}

// index is where a conversation is in a list, or -1.
func index(list []activities.Reservation, id string) int {
	return slices.IndexFunc(list, func(p activities.Reservation) bool { return p.ID == id })
}

// held is where a reservation is in a list, or -1.
func held(list []activities.Reservation, r activities.Reservation) int {
	return slices.IndexFunc(list, func(p activities.Reservation) bool { return p.ID == r.ID && p.Seq == r.Seq })
}

func without(list []activities.Reservation, id string) []activities.Reservation {
	return slices.DeleteFunc(list, func(p activities.Reservation) bool { return p.ID == id })
}
