package records

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/workflows"
)

// A Change is what is new in a conversation that is being followed.
type Change struct {
	// Status is set if it has changed. Its Retrying comes from the server.
	Status *workflows.Status
	// Messages are the new ones.
	Messages []Message
	// NoWorker means that no worker answers queries. The conversation proceeds once one
	// runs.
	NoWorker bool
	// Lost is set while Temporal does not answer.
	Lost error
}

// Follow reports the changes of a conversation until its workflow closes, ctx is done or
// report returns an error. It reads after every interval, and returns the whole record
// at the end. Every message is reported once.
func (r *Reader) Follow(ctx context.Context, id string, interval time.Duration, report func(Change) error) (Record, error) {
	var (
		next     int
		last     workflows.Status
		noWorker bool
		lost     bool
	)
	for started := false; ; started = true {
		d, err := r.DescribeRun(ctx, id)
		if KindOf(err) == Unreachable && started && ctx.Err() == nil {
			if !lost {
				if err := report(Change{Lost: err}); err != nil {
					return Record{}, err
				}
			}
			lost = true
			if err := pause.For(ctx, interval); err != nil {
				return Record{}, Interrupted("watch", err)
			}
			continue
		}
		if err != nil {
			return Record{}, err
		}
		lost = false
		info := d.GetWorkflowExecutionInfo()
		if !FromInfo(info).Open {
			record, err := r.show(ctx, d)
			if err != nil {
				return record, err
			}
			if rest := after(record.Messages, next); len(rest) > 0 {
				return record, report(Change{Messages: rest})
			}
			return record, nil
		}
		runID := info.GetExecution().GetRunId()
		live, err := answer{}, error(nil)
		if s := r.StrandedOf(ctx, info); s != nil {
			err = Faultf(NoWorker, nil, "watch %q: it is stranded: %s: %s", id, s.Reason, s.Remedy)
		} else {
			live, err = r.ask(ctx, id, runID, next)
		}
		var change Change
		switch {
		case err == nil:
			noWorker = false
			change.Messages = append(r.earlier(ctx, id, runID, next, live.first), live.messages...)
			if n := len(change.Messages); n > 0 {
				next = change.Messages[n-1].Index + 1
			}
			pending := retrying(r.ConverterOf(id), d.GetPendingActivities())
			nameRetrying(pending, live.status)
			live.status.Retrying = pending
			if changed(last, live.status) {
				last = live.status
				change.Status = &live.status
			}
		case KindOf(err) == NoWorker:
			change.NoWorker = !noWorker
			noWorker = true
		case KindOf(err) == NotFound, KindOf(err) == Unreachable: // retried after the interval
		default:
			return Record{}, err
		}
		if change.Status != nil || len(change.Messages) > 0 || change.NoWorker {
			if err := report(change); err != nil {
				return Record{}, err
			}
		}
		if err := pause.For(ctx, interval); err != nil {
			return Record{}, Interrupted("watch", err)
		}
	}
}

// changed reports whether a reader would see a difference.
func changed(a, b workflows.Status) bool {
	return a.State != b.State || a.Step != b.Step || a.Turn != b.Turn ||
		(a.Attention == nil) != (b.Attention == nil) || !slices.EqualFunc(a.Retrying, b.Retrying, sameFailure)
}

// sameFailure reports whether both describe the same attempt.
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

// Interrupted tells an expired deadline from an interruption.
func Interrupted(op string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return Faultf(Failed, err, "%s: not finished in the time given", op)
	}
	return Faultf(Failed, err, "%s: interrupted", op)
}
