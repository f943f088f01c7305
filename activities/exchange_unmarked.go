package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"
)

// A first attempt whose task came with the completion of the workflow task before it sends
// without a mark, if the workflow allows it: Temporal has recorded that the attempt has started
// a moment ago, which says as much. A later attempt that finds nothing recorded then takes it
// that the message was sent, and reads the transcript. That is wrong in one case: the answer
// that brought the task was lost, so no worker has begun the attempt. The worker
// that waited for the answer knows it by the activity's ticket. So an attempt on another
// worker first gives the exchange back to the workflow. The next activity goes to the
// worker that has the workflow in its cache, which is that worker as long as it is alive.

// errAskIssuer: the worker that has scheduled the activity may know more of it.
var errAskIssuer = errors.New("another worker may know whether the first attempt was begun")

// unmarked reports whether the request may go out without a mark.
func (e *exchanging) unmarked() bool {
	return e.in.Unmarked && e.in.Tried == nil && e.mark == nil && e.live.eager && e.ticket != "" && e.live.fresh()
}

// presume sets the mark of an attempt that may have sent without one, and whether the worker is
// asked that has scheduled the activity.
func (e *exchanging) presume(ctx context.Context) {
	noted := activity.HasHeartbeatDetails(ctx) || e.in.Tried != nil
	switch {
	case e.in.ReadOnly:
	case e.mark != nil && e.mark.Ticket != "":
		if e.live.neverBegun(e.mark.Ticket) {
			e.mark = nil
		}
	case !e.in.Unmarked || noted || e.live.eager:
	case e.info.Attempt > 1:
		if !e.live.neverBegun(e.ticket) {
			e.mark = &Mark{Time: e.info.ScheduledTime, Sends: 1, Slowest: e.in.Slowest, Ticket: e.ticket}
			e.asks = e.ticket != ""
		}
	case e.info.StartedTime.Sub(e.info.ScheduledTime) >= heartbeatTimeout:
		// It has waited in the queue, or an operator has reset the activity and there was an
		// attempt before. That one's request is over, if there was any.
		e.mark = &Mark{Time: e.info.ScheduledTime, Answered: true, Slowest: e.in.Slowest}
	}
}
