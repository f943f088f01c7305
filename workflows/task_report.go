package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// maxSummaryBytes is how much of a result may go along with a report to the platform.
const maxSummaryBytes = 4 << 10

// end reports how the task has ended: first to its callback, then to its platform, which
// forgets the task with the report. Neither undoes the run.
func (s *taskSide) end(ctx workflow.Context, e *ending) {
	s.stopWatching()
	s.resolveClaim(ctx, e)
	if !s.known() {
		return
	}
	if s.about.Task == nil && e.cause != conversation.NotFound {
		if !s.cancelled { // else nothing is reported
			s.findCallback(ctx, e)
		}
		s.identify(ctx)
	}
	s.report(ctx, *e)
	e.detail = join(e.detail, s.note)
}

// findCallback finds out, for a run that is over before it began, which callback waits.
func (s *taskSide) findCallback(ctx workflow.Context, e *ending) {
	var out activities.ContextResult
	err := s.runToEnd(ctx, "find the callback", activities.ContextOptions(s.policy), activities.ContextName,
		func(int) any { return s.contextInput() },
		func(f workflow.Future) (bool, int, error) {
			out = activities.ContextResult{}
			err := f.Get(ctx, &out)
			return out.HandedOver, out.Failed, err
		})
	if err != nil {
		e.detail = join(e.detail, "whether a callback waits could not be found out: "+failureOf(err).String())
		return
	}
	s.transcript.replace(out.Record())
	if out.State != activities.StateEnded { // else nothing waits
		s.about = out.Context
	}
}

func (s *taskSide) report(ctx workflow.Context, e ending) {
	r := &s.result
	s.setTimes(ctx)
	switch {
	case s.cancelled, e.kind == conversation.OutcomeClaimLost:
		r.Status = conversation.TaskCancelled
		r.Delivery = nil
		return
	case r.Status == "":
		r.Status = conversation.TaskFailed
		r.Kind = e.cause
		if r.Error = e.detail; r.Error == "" {
			r.Error = string(e.kind)
		}
	}
	callback := s.about.Task != nil && s.about.Task.Callback != nil
	if callback && !s.onceMore(ctx, func() error { return s.callBack(ctx) }) {
		return
	}
	if !s.private() {
		s.onceMore(ctx, func() error { return s.acknowledge(ctx) })
	}
}

func (s *taskSide) setTimes(ctx workflow.Context) {
	r := &s.result
	r.Started, r.Finished = s.startTime(), workflow.Now(ctx).UTC()
	if r.Started.IsZero() {
		r.Started = r.Finished
	}
}

// onceMore makes a report, and once more if that finds the run reset, but only if the
// task is still this workflow's: else it reports false.
func (s *taskSide) onceMore(ctx workflow.Context, report func() error) bool {
	err := report()
	if err == nil || failureOf(err).kind != conversation.Reset {
		return true
	}
	s.resets.run = failureOf(err).runID
	s.note = "the workflow was reset: how the task ended may have been reported before"
	if !s.private() {
		if out, err := s.findClaim(ctx); err == nil && out.Receipt == nil {
			s.note = "the workflow was reset after its task had been acknowledged or released: nothing was reported again"
			s.result.Delivery = nil
			return false
		}
	}
	_ = report()
	return true
}

// callBack calls the task's callback.
func (s *taskSide) callBack(ctx workflow.Context) error {
	callback := *s.about.Task.Callback
	in := activities.DeliverInput{Callback: callback, Result: s.result, Run: s.resets.run, Attempts: activities.CallbackAttempts(callback)}
	in.Result.Delivery = nil
	var out activities.DeliverResult
	err := s.runToEnd(ctx, "callback", activities.DeliverOptions(callback), activities.DeliverName,
		func(failed int) any {
			in.Made = failed
			return in
		},
		func(f workflow.Future) (bool, int, error) {
			out = activities.DeliverResult{}
			err := f.Get(ctx, &out)
			return out.HandedOver, out.Failed, err
		})
	delivery := out.Delivery
	if err != nil {
		delivery = conversation.Delivery{State: conversation.DeliveryFailed, Attempts: activities.CallbackAttempts(callback), Error: failureOf(err).String()}
	}
	if delivery.State == conversation.DeliveryFailed {
		s.callbackFailed(ctx, callback.URL, delivery)
	}
	delivery.URL, delivery.Time = callback.URL, workflow.Now(ctx).UTC()
	s.result.Delivery = &delivery
	return err
}

// callbackFailed logs and counts a callback that has failed for good. It is called once
// for each.
func (r *run) callbackFailed(ctx workflow.Context, address string, d conversation.Delivery) {
	about := []any{"url", conversation.RedactURL(address), "attempts", d.Attempts, "reason", d.Error}
	if d.Code != 0 {
		about = append(about, "status", d.Code)
	}
	workflow.GetLogger(ctx).Warn("Callback failed", about...)
	r.count(ctx, MetricCallbacksFailed)
}

// acknowledge reports the result to the task's platform.
func (s *taskSide) acknowledge(ctx workflow.Context) error {
	r := &s.result
	in := activities.ReportInput{Ref: s.in.Ref, Run: s.resets.run, Report: activities.TaskReport{
		Receipt: s.receipt(), Status: r.Status, Error: r.Error, Duration: r.Duration(),
	}}
	if len(r.Result) <= maxSummaryBytes {
		in.Report.Result = r.Result
	}
	err := s.runToEnd(ctx, "acknowledge", activities.ReportOptions(), activities.ReportName,
		func(int) any { return in },
		func(f workflow.Future) (bool, int, error) {
			var out activities.ReportResult
			err := f.Get(ctx, &out)
			if out.HandedOver {
				in.Tried = out.Tried
			}
			return out.HandedOver, out.Failed, err
		})
	if err != nil {
		r.Fault = failureOf(err).String()
		return err
	}
	r.Acknowledged, r.Fault = true, ""
	return nil
}
