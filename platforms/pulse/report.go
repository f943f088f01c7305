package pulse

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// historyLimit is how many executions of the history are read.
const historyLimit = 100

// Cancelled reports whether the task was cancelled or deleted.
func (p *Platform) Cancelled(ctx context.Context, ref conversation.Ref, _ platforms.Receipt) (bool, error) {
	o, err := occurrenceOf(ref)
	if err != nil {
		return false, err
	}
	t, err := p.client.Task(ctx, o.task)
	if conversation.IsKind(err, conversation.NotFound) {
		return true, nil
	}
	return err == nil && t.Status == StatusCancelled, err
}

// Report acknowledges the task. It reads the task first, always: Pulse takes every
// acknowledgement of a recurring task for another run of it.
//
//   - A task that is completed, cancelled, paused, failed or gone, or that is at a
//     later occurrence, needs no acknowledgement.
//   - After an attempt that may have taken effect, a recurring task's history is read too,
//     and no acknowledgement is given if the execution is in it. Servers without a
//     readable history (stages A2 and B) have the due second alone.
//   - A task that is not recurring is acknowledged again: Pulse ignores it.
//
// A run that was cancelled is reported as failed, so that the task does not stay
// claimed for ever.
//
// Kind Claimed: another worker has taken the task over (stage A). Kind Invalid: the
// server cannot acknowledge recurring tasks (stages A to B), and the task stays
// claimed.
func (p *Platform) Report(ctx context.Context, ref conversation.Ref, report platforms.Report) error {
	o, err := occurrenceOf(ref)
	if err != nil {
		return err
	}
	t, err := p.client.Task(ctx, o.task)
	if conversation.IsKind(err, conversation.NotFound) {
		return nil
	}
	if err != nil {
		return mayHaveLanded(err, report.Tried)
	}
	if done, err := p.acknowledged(ctx, o, t, report); err != nil || done {
		return err
	}
	if p.summary > 0 && t.Status == StatusProcessing {
		// The acknowledgement matters more than a note about it.
		_ = p.summarise(ctx, o, report)
	}
	if err := p.awaitDue(ctx, o); err != nil {
		return err
	}
	err = p.client.Ack(ctx, o.task, ackOf(report, t.lock()))
	if conversation.IsKind(err, conversation.NotFound) {
		return nil
	}
	if err != nil {
		return p.notAcknowledged(ctx, o, report, err)
	}
	return nil
}

// awaitDue sleeps until Pulse's clock has surely reached the due second: what is
// acknowledged before it may run a second time. Pulse's Date header may be behind.
func (p *Platform) awaitDue(ctx context.Context, o occurrence) error {
	early := o.due.Sub(p.client.clock.now())
	if early <= 0 {
		return nil
	}
	_, left := p.client.clock.until(o.due)
	if left = max(left, 0); early > dateLag {
		return &conversation.Error{
			Kind: conversation.Unavailable, Op: fmt.Sprintf("pulse: acknowledge task %q", o.task), RetryAfter: left,
			Err: fmt.Errorf("it is due at %s: Pulse runs what is acknowledged early a second time", iso(o.due)),
		}
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &conversation.Error{Kind: conversation.Unavailable, Op: fmt.Sprintf("pulse: acknowledge task %q", o.task), Err: ctx.Err()}
	}
}

// ackOf is the report for Pulse. Without a receipt, for a task that was adopted and
// not claimed again, it is in the name of the worker that claimed the task.
func ackOf(report platforms.Report, held lock) Ack {
	ack := Ack{
		Status: AckSuccess, WorkerID: report.Receipt.Worker, ExecutionID: report.Receipt.ExecutionID,
		ExecutionTimeMS: report.Duration.Milliseconds(), Error: report.Error,
	}
	if ack.WorkerID == "" {
		ack.WorkerID = cmp.Or(held.By, WorkerPrefix+"report")
		ack.ExecutionID = cmp.Or(ack.ExecutionID, held.Current)
	}
	if report.Status != conversation.TaskSuccess {
		ack.Status = AckFailed
		ack.Error = cmp.Or(ack.Error, string(report.Status))
	}
	return ack
}

// acknowledged reports whether there is nothing left to acknowledge.
func (p *Platform) acknowledged(ctx context.Context, o occurrence, t Task, report platforms.Report) (bool, error) {
	switch t.Status {
	case StatusActive, StatusProcessing, StatusExpired:
	default:
		return true, nil
	}
	id := report.Receipt.ExecutionID
	// Another client may have given the task another time while it ran.
	ours := t.Status == StatusProcessing && id != "" && t.lock().Current == id
	if o.moved(t) && !ours {
		return true, nil
	}
	if !report.Tried || !t.Recurring() || id == "" {
		return false, nil
	}
	history, err := p.client.History(ctx, o.task, historyLimit)
	switch {
	case rest.StatusOf(err) == http.StatusInternalServerError, conversation.IsKind(err, conversation.NotFound):
		return false, nil // stages A to B have no history; the due second has decided
	case err != nil:
		return false, mayHaveLanded(err, true)
	}
	return slices.ContainsFunc(history, func(e Execution) bool { return e.ExecutionID == id }), nil
}

// notAcknowledged says what became of an acknowledgement that failed.
func (p *Platform) notAcknowledged(ctx context.Context, o occurrence, report platforms.Report, err error) error {
	var e *conversation.Error
	if !errors.As(err, &e) {
		return err
	}
	switch status := rest.StatusOf(err); {
	case status == http.StatusConflict:
		e.Kind = conversation.Claimed
		e.Remedy = "another worker took the task over: its acknowledgement counts"
		return e
	case errors.Is(err, errOtherAnswer): // another stage's, perhaps: the task shows it
	case status < 500:
		return mayHaveLanded(e, report.Tried)
	}
	t, readErr := p.client.Task(ctx, o.task)
	if conversation.IsKind(readErr, conversation.NotFound) {
		return nil
	}
	if readErr != nil {
		return err
	}
	report.Tried = true
	if done, lookErr := p.acknowledged(ctx, o, t, report); done || lookErr != nil {
		return lookErr
	}
	if !e.Answered || rest.Foreign(err) {
		return e
	}
	e.Ambiguous = false // the task shows that it has not
	e.Remedy = fmt.Sprintf("the task is still %s: see the server's log", rest.Clip(t.Status))
	if !t.Recurring() {
		return e
	}
	stage, stageErr := p.client.Stage(ctx)
	switch {
	case stageErr != nil && rest.StatusOf(err) == http.StatusInternalServerError:
		e.Remedy += "; a Pulse before stage C cannot acknowledge recurring tasks"
	case stageErr == nil && stage != StageC:
		e.Kind = conversation.Invalid
		e.Remedy = fmt.Sprintf("a Pulse of stage %s cannot acknowledge recurring tasks, and the task stays %s: "+
			"run a newer Pulse, then set the task's status to active", stage, rest.Clip(t.Status))
	}
	return e
}

// summaryKey is where a result's summary is in the task's metadata.
const summaryKey = "parley_result"

// summarise writes the result into the metadata. It is done before the
// acknowledgement: as long as the task is claimed, Pulse itself writes nothing.
func (p *Platform) summarise(ctx context.Context, o occurrence, report platforms.Report) error {
	t, err := p.client.Task(ctx, o.task) // again, so that as little as possible is overwritten
	if err != nil {
		return err
	}
	if len(t.Cut) > 0 {
		return errors.New("what was left out would be lost")
	}
	metadata := map[string]json.RawMessage{}
	if len(t.Metadata) > 0 {
		if err := json.Unmarshal(t.Metadata, &metadata); err != nil {
			return err // not an object: nothing that can be added to
		}
	}
	if metadata == nil {
		metadata = map[string]json.RawMessage{} // it was null
	}
	summary := struct {
		ExecutionID  string                  `json:"execution_id,omitempty"`
		ScheduledFor int64                   `json:"scheduled_for"`
		Status       conversation.TaskStatus `json:"status"`
		Error        string                  `json:"error,omitempty"`
		Result       json.RawMessage         `json:"result,omitempty"`
	}{report.Receipt.ExecutionID, o.due.Unix(), report.Status, rest.Clip(report.Error), report.Result}
	if len(report.Result) > p.summary {
		summary.Result = nil
	}
	if metadata[summaryKey], err = json.Marshal(summary); err != nil {
		return err
	}
	whole, err := json.Marshal(metadata)
	if err != nil {
		return err
	}
	return p.client.SetMetadata(ctx, o.task, whole)
}
