package activities

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/tracing"
)

// An attempt is one attempt of an activity: what it may still do, and how it ends.
type attempt struct {
	*Conversation
	step string
	info activity.Info
	// sdk is the activity's own context. work ends before it when the worker stops,
	// and carries the lease.
	sdk, work context.Context
	live      *liveness
	clock     clock
	stopDrain func()
	span      *tracing.Span

	// before counts the attempts of activities before this one, and limit is how many
	// there may be in all. Zero: as many as the retry policy allows.
	before, limit int
}

// begin is called first, because the attempt's clock starts with it. ref may be empty.
func (c *Conversation) begin(ctx context.Context, step string, ref conversation.Ref, detail any) *attempt {
	late := time.Duration(0)
	info := activity.GetInfo(ctx)
	attrs := append(tracing.Of(ref), tracing.KeyConversation.String(tracing.ID(info.WorkflowExecution.ID)), tracing.KeyRun.String(info.WorkflowExecution.RunID))
	ctx, span := tracing.Start(ctx, spanOf(step), "", trace.SpanKindClient, attrs...)
	if c.heartbeats != nil {
		late = info.HeartbeatTimeout
	}
	a := &attempt{Conversation: c, step: step, info: info, sdk: ctx, clock: newClock(ctx, late), span: span}
	a.work, a.live = hold(ctx, c.heartbeats, c.lag, detail)
	a.work, a.stopDrain = withDrain(a.work, c.drain)
	return a
}

// end releases what begin has started.
func (a *attempt) end() {
	a.stopDrain()
	a.live.stop()
	a.span.Set(tracing.KeyAttempt.Int(a.number()))
	a.span.End()
}

// number counts this attempt over all activities that handed the step over, from 1.
func (a *attempt) number() int { return int(a.info.Attempt) + a.before }

// undisturbed is the time of a call in milliseconds, for the overhead of a turn. Zero: it
// is not known, or an earlier attempt's time is part of the turn too.
func (a *attempt) undisturbed(took time.Duration) int64 {
	if took <= 0 || a.number() > 1 {
		return 0
	}
	return max(took.Milliseconds(), 1)
}

// handsOver reports whether the worker stops: the step is handed over.
func (a *attempt) handsOver() bool {
	over := handedOver(a.work)
	if over {
		a.traceEnd(tracing.ResultHandedOver)
	}
	return over
}

// record records at Temporal what the attempt is about to do. That also proves that it is
// the current one.
func (a *attempt) record(ctx context.Context, detail any, effect string) error {
	err := a.live.record(ctx, detail)
	if err == nil || errors.Is(err, lease.ErrNotCurrent) || ctx.Err() != nil {
		return err
	}
	return &conversation.Error{
		Kind: conversation.Unavailable, Op: effect,
		Err:    fmt.Errorf("nothing was sent: Temporal did not record the attempt before it: %w", err),
		Remedy: "check the connection to Temporal and the server's load",
	}
}

// act is called right before an effect. It returns an error if the attempt must not have
// it: another attempt is the current one, or Temporal does not answer.
func (a *attempt) act(ctx context.Context, effect string) error {
	if a.beforeEffect != nil {
		a.beforeEffect(effect)
	}
	err := lease.Check(ctx)
	if err != nil {
		activity.GetLogger(a.sdk).Warn("The attempt must not act: nothing was done", "conversation_id", a.info.WorkflowExecution.ID,
			"effect", effect, "attempt", a.number(), "reason", printable.Clip(err.Error(), maxReportText))
	}
	return err
}

// fail counts and reports err, and returns it as the error for Temporal. A cancellation
// by the workflow stays one.
func (a *attempt) fail(err error, details ErrorDetails) error {
	if errors.Is(a.sdk.Err(), context.Canceled) {
		a.traceEnd(tracing.ResultCancelled)
		return a.sdk.Err()
	}
	if errors.Is(err, lease.ErrNotCurrent) {
		a.traceEnd(tracing.ResultNotCurrent)
		return err // it counts for nothing
	}
	a.traceFailure(err)
	if details.Kind = conversation.KindOf(err); details.Kind == conversation.Reset {
		details.RunID = a.info.WorkflowExecution.RunID
	}
	details.Until = waitsUntil(err, a.clock.now())
	a.metrics.failure(a.sdk, a.step, conversation.KindOf(err))
	last := a.limit > 0 && a.number() >= a.limit
	failed := temporalErrorWith(err, details, last)
	next := retryDelay(failed, a.info)
	if next >= 0 {
		a.metrics.retried(a.sdk, a.step, conversation.KindOf(err))
	}
	a.report(err, next)
	return failed
}

// report logs a failed attempt and reports it to the workflow: the first, each power of
// two, and the last. next is when the step is retried; negative: it is not.
func (a *attempt) report(err error, next time.Duration) {
	n := a.number()
	if next >= 0 && bits.OnesCount(uint(n)) != 1 {
		return
	}
	reason, remedy := conversation.Explain(err)
	failed := AttemptReport{
		Step: a.step, Attempt: n, Kind: conversation.KindOf(err), At: a.clock.now().UTC(),
		Reason: printable.Clip(reason, maxReportText), Remedy: printable.Clip(remedy, maxReportText),
	}
	failed.ActivityID, failed.Of = a.info.ActivityID, a.limit
	if p := a.info.RetryPolicy; p != nil && failed.Of == 0 {
		failed.Of = int(p.MaximumAttempts)
	}
	about := []any{
		"conversation_id", a.info.WorkflowExecution.ID, "step", a.step, "attempt", n, "kind", string(failed.Kind), "reason", failed.Reason,
	}
	if failed.Remedy != "" {
		about = append(about, "remedy", failed.Remedy)
	}
	log := activity.GetLogger(a.sdk)
	if next < 0 {
		log.Warn("A step has failed; it is not retried", about...)
		return // the workflow gets the error itself
	}
	failed.Next = failed.At.Add(next)
	log.Warn("A step has failed; it is retried", append(about, "next_in", next.Round(time.Millisecond).String())...)
	if a.reports == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.sdk), reportTimeout)
	defer cancel()
	// Best effort: the workflow gets the last failure in any case.
	_ = a.reports.Failed(ctx, a.info.WorkflowExecution.ID, a.info.WorkflowExecution.RunID, failed)
}

const (
	maxReportText = 500
	reportTimeout = 2 * time.Second
)

// Reports reports failed attempts to their workflows.
type Reports interface {
	Failed(ctx context.Context, workflowID, runID string, report AttemptReport) error
}
