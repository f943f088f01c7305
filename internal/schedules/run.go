package schedules

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/records"
)

// Run starts a run now, beside open runs, paused or not, and returns its workflow id.
func (k *Keeper) Run(ctx context.Context, name string) (string, error) {
	handle, before, _, err := k.find(ctx, "run schedule", name)
	if err != nil {
		return "", err
	}
	op := fmt.Sprintf("run schedule %q", name)
	if n := len(before.Info.RecentActions); n > 0 && k.now().Sub(before.Info.RecentActions[n-1].ScheduleTime).Abs() < time.Second {
		// Temporal distinguishes runs by the second.
		if err := pause.For(ctx, time.Second); err != nil {
			return "", k.explain(op, err)
		}
	}
	if err := k.record(ctx, operate.ActionRun, name, ""); err != nil {
		return "", err
	}
	err = handle.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enums.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL})
	if err != nil {
		return "", k.explain(op, err)
	}
	known := make(map[string]bool)
	for _, a := range before.Info.RecentActions {
		known[runOf(a)] = true
	}
	for begun := k.now(); ; {
		d, err := handle.Describe(ctx)
		if err != nil {
			return "", k.explain(op, err)
		}
		for _, a := range slices.Backward(d.Info.RecentActions) {
			if a.StartWorkflowResult == nil || known[runOf(a)] {
				continue
			}
			// One that was due in this moment anyway is not meant, if there is another.
			due := !d.Schedule.State.Paused && slices.ContainsFunc(before.Info.NextActionTimes, a.ScheduleTime.Equal)
			if !due || k.now().Sub(begun) > settle {
				return a.StartWorkflowResult.WorkflowID, nil
			}
		}
		if err := pause.For(ctx, 100*time.Millisecond); err != nil {
			return "", &records.Fault{Kind: records.Unreachable, Err: err, Text: op + ": Temporal has not begun the run in time: `starter schedule show " + name + "` shows whether it did later"}
		}
	}
}

func runOf(a client.ScheduleActionResult) string {
	if a.StartWorkflowResult == nil {
		return ""
	}
	return a.StartWorkflowResult.FirstExecutionRunID
}

// maxBackfill is the number of runs that Temporal buffers for one schedule.
const maxBackfill = 1000

// Backfill runs a schedule now for its times from from to to, both included, and returns
// those times.
func (k *Keeper) Backfill(ctx context.Context, name, from, to string, overlap Overlap) ([]time.Time, error) {
	handle, d, _, err := k.find(ctx, "backfill schedule", name)
	if err != nil {
		return nil, err
	}
	if overlap == "" {
		overlap = Allow
	}
	policy, err := overlap.policy()
	if err != nil {
		return nil, err
	}
	zone, err := Zone(d.Schedule.Spec.TimeZoneName)
	if err != nil {
		zone = time.UTC // Temporal may know more zones than this machine
	}
	now := k.now().In(zone)
	start, err := PastMoment(from, now)
	if err != nil {
		return nil, err
	}
	end, err := PastMoment(to, now)
	switch {
	case err != nil:
		return nil, err
	case !start.Before(end):
		return nil, malformed("--from %s is not before --to %s", Stamp(start), Stamp(end))
	case end.After(wholeSecond(now)):
		return nil, malformed("--to %s is in the future: it is %s", Stamp(end), Stamp(now))
	}
	op := fmt.Sprintf("backfill schedule %q", name)
	matching, err := k.Operator.Client.WorkflowService().ListScheduleMatchingTimes(ctx, &workflowservice.ListScheduleMatchingTimesRequest{
		Namespace: k.Operator.Namespace, ScheduleId: name,
		// Unlike a backfill it excludes the start.
		StartTime: timestamppb.New(start.Add(-time.Millisecond)), EndTime: timestamppb.New(end),
	})
	if err != nil {
		return nil, k.explain(op, err)
	}
	var times []time.Time
	for _, t := range matching.GetStartTime() {
		times = append(times, t.AsTime().In(zone))
	}
	switch {
	case len(times) == 0:
		return nil, nil
	case len(times) >= maxBackfill:
		return nil, malformed("%s: there are %d times or more in that range: give one with less than that", op, maxBackfill)
	}
	if err := k.record(ctx, operate.ActionBackfill, name, fmt.Sprintf("%d runs, from %s to %s", len(times), Stamp(start), Stamp(end))); err != nil {
		return nil, err
	}
	err = handle.Backfill(ctx, client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{{Start: start, End: end, Overlap: policy}}})
	return times, k.explain(op, err)
}
