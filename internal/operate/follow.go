package operate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/parley-run/parley/workflows"
)

// A Sighting is what is new about a conversation that is being followed.
type Sighting struct {
	// Status is set when it has changed. Its Retrying is what the server knows.
	Status *workflows.Status
	// Messages are those that have come since.
	Messages []Message
	// NoWorker says that the conversation cannot be asked at the moment: it goes on
	// as soon as there is a worker.
	NoWorker bool
	// Lost says that Temporal does not answer at the moment.
	Lost error
}

// Follow tells what happens in a conversation until its workflow closes, ctx is
// done or see returns an error. It looks again after every interval, and returns
// the whole record in the end. Every message is told once.
func (o *Operator) Follow(ctx context.Context, id string, interval time.Duration, see func(Sighting) error) (Record, error) {
	var (
		next     int
		last     workflows.Status
		noWorker bool
		lost     bool
	)
	for started := false; ; started = true {
		d, err := o.describe(ctx, id)
		if KindOf(err) == Unreachable && started && ctx.Err() == nil {
			if !lost {
				if err := see(Sighting{Lost: err}); err != nil {
					return Record{}, err
				}
			}
			lost = true
			if err := wait(ctx, interval); err != nil {
				return Record{}, giveUp("watch", err)
			}
			continue
		}
		if err != nil {
			return Record{}, err
		}
		lost = false
		info := d.GetWorkflowExecutionInfo()
		if !fromInfo(info).Open {
			record, err := o.show(ctx, d)
			if err != nil {
				return record, err
			}
			if rest := after(record.Messages, next); len(rest) > 0 {
				return record, see(Sighting{Messages: rest})
			}
			return record, nil
		}
		runID := info.GetExecution().GetRunId()
		live, err := o.ask(ctx, id, runID, next)
		var sighting Sighting
		switch {
		case err == nil:
			noWorker = false
			if first := live.transcript.first(); first > next {
				o.addEarlier(ctx, id, runID, &live.transcript, next)
			}
			sighting.Messages = live.transcript.from(next)
			if n := len(sighting.Messages); n > 0 {
				next = sighting.Messages[n-1].Index + 1
			}
			pending := retrying(o.converter(id), d.GetPendingActivities())
			nameRetrying(pending, live.status)
			live.status.Retrying = pending
			if changed(last, live.status) {
				last = live.status
				sighting.Status = &live.status
			}
		case KindOf(err) == NoWorker:
			sighting.NoWorker = !noWorker
			noWorker = true
		case KindOf(err) == NotFound, KindOf(err) == Unreachable: // look again
		default:
			return Record{}, err
		}
		if sighting.Status != nil || len(sighting.Messages) > 0 || sighting.NoWorker {
			if err := see(sighting); err != nil {
				return Record{}, err
			}
		}
		if err := wait(ctx, interval); err != nil {
			return Record{}, giveUp("watch", err)
		}
	}
}

// changed reports whether people would see a difference.
func changed(a, b workflows.Status) bool {
	return a.State != b.State || a.Step != b.Step || a.Turn != b.Turn ||
		(a.Attention == nil) != (b.Attention == nil) || !slices.EqualFunc(a.Retrying, b.Retrying, sameFailure)
}

// sameFailure reports whether both tell of the same attempt.
func sameFailure(a, b workflows.Retrying) bool {
	return a.ID == b.ID && a.Attempt == b.Attempt && a.Reason == b.Reason
}

// after lists the messages from an index on.
func after(messages []Message, index int) []Message {
	for i, m := range messages {
		if m.Index >= index {
			return messages[i:]
		}
	}
	return nil
}

// giveUp tells an end of patience from a server that does not answer.
func giveUp(op string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fault(Failed, err, "%s: not over in the time given", op)
	}
	return fault(Failed, err, "%s: interrupted", op)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
