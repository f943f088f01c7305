package schedules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// A Schedule is Temporal's description of a schedule.
type Schedule struct {
	Name  string `json:"name"`
	Agent string `json:"agent"`
	// When is the times in words, Zone the zone of its times of day.
	When   []string      `json:"when"`
	Zone   string        `json:"timezone"`
	Jitter time.Duration `json:"jitter_ns,omitempty"`
	Paused bool          `json:"paused"`
	Note   string        `json:"note,omitempty"`
	// Remaining counts the runs still to come by themselves. Nil: no limit.
	Remaining *int          `json:"remaining,omitempty"`
	Overlap   Overlap       `json:"overlap"`
	CatchUp   time.Duration `json:"catch_up_ns,omitempty"`
	// Runs counts all so far, requested ones included; Missed those that were too late,
	// Skipped those that an open run prevented.
	Runs    int         `json:"runs"`
	Missed  int         `json:"missed"`
	Skipped int         `json:"skipped"`
	Next    []time.Time `json:"next"`
	// Recent are the newest runs, the newest first. A list has only one of each.
	Recent  []Run     `json:"recent"`
	Created time.Time `json:"created,omitzero"`
	Updated time.Time `json:"updated,omitzero"`

	Executor  string             `json:"executor,omitempty"`
	TaskQueue string             `json:"task_queue,omitempty"`
	Task      *conversation.Task `json:"task,omitempty"`
}

// Location is the zone of its times.
func (s Schedule) Location() *time.Location {
	zone, err := Zone(s.Zone)
	if err != nil {
		return time.UTC // Temporal may know more zones than this machine
	}
	return zone
}

// Done reports whether it will not run by itself again.
func (s Schedule) Done() bool {
	return len(s.Next) == 0 || s.Remaining != nil && *s.Remaining == 0
}

// A Run is one occurrence.
type Run struct {
	ID    string `json:"id"` // of the workflow
	RunID string `json:"run_id"`
	// Due is the run's time, Started its begin.
	Due     time.Time `json:"due"`
	Started time.Time `json:"started"`
	// Status is "running", a task's status, or for a workflow that did not complete
	// "terminated", "timed_out", or "gone" after Temporal's retention.
	Status string `json:"status"`
	// Result is the task's result, once it has ended.
	Result *conversation.TaskResult `json:"result,omitempty"`
}

// NeedsOperator reports whether an operator must act.
func (r Run) NeedsOperator() bool {
	return r.Status != StatusRunning && r.Status != string(conversation.TaskSuccess) && r.Status != StatusGone
}

// The statuses of runs besides those of tasks.
const (
	StatusRunning = "running"
	StatusGone    = "gone"
)

// nextTimes bounds the shown times, recentRuns the shown runs.
const (
	nextTimes  = 5
	recentRuns = 10
	parallel   = 8
)

// Show describes one schedule completely.
func (k *Keeper) Show(ctx context.Context, name string) (Schedule, error) {
	return k.show(ctx, name, recentRuns)
}

func (k *Keeper) show(ctx context.Context, name string, runs int) (Schedule, error) {
	_, d, action, err := k.find(ctx, "show schedule", name)
	if err != nil {
		return Schedule{}, err
	}
	s := Schedule{
		Name: name, Agent: agentOf(action.ID), When: inEnglish(d.Schedule.Spec), Zone: zoneOf(d.Schedule.Spec), Jitter: d.Schedule.Spec.Jitter,
		Paused: d.Schedule.State.Paused, Note: d.Schedule.State.Note,
		Overlap: overlapOf(d.Schedule.Policy.Overlap), CatchUp: d.Schedule.Policy.CatchupWindow,
		Runs: d.Info.NumActions, Missed: d.Info.NumActionsMissedCatchupWindow, Skipped: d.Info.NumActionsSkippedOverlap,
		Next: []time.Time{}, Recent: []Run{}, TaskQueue: action.TaskQueue,
		Created: past(d.Info.CreatedAt), Updated: past(d.Info.LastUpdateAt),
	}
	if d.Schedule.State.LimitedActions {
		s.Remaining = &d.Schedule.State.RemainingActions
	}
	if s.Remaining == nil || *s.Remaining > 0 {
		for _, at := range d.Info.NextActionTimes[:min(nextTimes, len(d.Info.NextActionTimes))] {
			s.Next = append(s.Next, at.In(s.Location()))
		}
		if s.Remaining != nil {
			s.Next = s.Next[:min(*s.Remaining, len(s.Next))]
		}
	}
	// Without the codec that encoded it, it cannot be read.
	if in, err := k.input(action); err == nil {
		s.Executor, s.Task = in.Policy.Executor, in.Start.Context.Task
	}
	recent := slices.Clone(d.Info.RecentActions)
	slices.Reverse(recent)
	recent = slices.DeleteFunc(recent, func(a client.ScheduleActionResult) bool { return a.StartWorkflowResult == nil })
	recent = recent[:min(runs, len(recent))]
	s.Recent = make([]Run, len(recent))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, a := range recent {
		group.Go(func() error {
			run, err := k.read(ctx, a.StartWorkflowResult.WorkflowID, a.StartWorkflowResult.FirstExecutionRunID)
			run.Due, run.Started = a.ScheduleTime.In(s.Location()), a.ActualTime.In(s.Location())
			s.Recent[i] = run
			return err
		})
	}
	return s, group.Wait()
}

// read reads the state of a run.
func (k *Keeper) read(ctx context.Context, id, runID string) (Run, error) {
	run := Run{ID: id, RunID: runID}
	c, err := k.Operator.Describe(ctx, id)
	switch {
	case records.KindOf(err) == records.NotFound:
		run.Status = StatusGone
		return run, nil
	case err != nil:
		return run, err
	case c.RunID != runID:
		// Another run of the same second: this one has closed earlier.
		c.Status = string(conversation.TaskFailed)
	case c.Open:
		run.Status = StatusRunning
		if c.Status == string(workflows.StateNeedsAttention) || c.Status == string(workflows.StatePaused) {
			run.Status = c.Status
		}
		return run, nil
	}
	outcome, err := k.outcome(ctx, id, runID)
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone):
		run.Status = StatusGone
		return run, nil
	case err != nil:
		return run, k.explain(fmt.Sprintf("read the result of %q", id), err)
	}
	run.Status, run.Result = c.Status, outcome.Task
	if outcome.Task != nil {
		run.Status = string(outcome.Task.Status)
	}
	return run, nil
}

// outcome is the outcome of a closed workflow; empty if it has none.
func (k *Keeper) outcome(ctx context.Context, id, runID string) (conversation.Outcome, error) {
	var out conversation.Outcome
	err := k.Operator.Client.GetWorkflow(ctx, id, runID).Get(ctx, &out)
	var execution *temporal.WorkflowExecutionError
	if !errors.As(err, &execution) {
		return out, err
	}
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) && failed.Type() == workflows.ErrTypeFailed && failed.HasDetails() {
		return out, failed.Details(&out)
	}
	return conversation.Outcome{}, nil
}

// Await waits until a run has ended or needs attention.
func (k *Keeper) Await(ctx context.Context, id string) (Run, error) {
	waiting, err := k.Operator.Await(ctx, []string{id}, func(records.Conversation) {})
	if err != nil {
		return Run{}, err
	}
	run, err := k.read(ctx, id, waiting[0].RunID)
	run.Started = waiting[0].Started
	return run, err
}

// List returns Parley's schedules, by name, and whether there are more than limit.
// Temporal may take a second to show a new one.
func (k *Keeper) List(ctx context.Context, agent string, limit int) (all []Schedule, more bool, err error) {
	query := fmt.Sprintf("%s = '%s'", workflows.KeyPlatform.GetName(), Platform)
	if agent != "" {
		if err := checkAgent(agent); err != nil {
			return nil, false, err
		}
		query += fmt.Sprintf(" AND %s = '%s'", workflows.KeyAgent.GetName(), strings.ReplaceAll(agent, "'", "''"))
	}
	entries, err := k.Operator.Client.ScheduleClient().List(ctx, client.ScheduleListOptions{Query: query})
	if err != nil {
		return nil, false, k.explain("list schedules", err)
	}
	var names []string
	for entries.HasNext() {
		entry, err := entries.Next()
		if err != nil {
			return nil, false, k.explain("list schedules", err)
		}
		names = append(names, entry.ID)
	}
	slices.Sort(names)
	if limit > 0 && len(names) > limit {
		names, more = names[:limit], true
	}
	found := make([]*Schedule, len(names))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, name := range names {
		group.Go(func() error {
			s, err := k.show(ctx, name, 1)
			if records.KindOf(err) == records.NotFound {
				return nil // deleted since
			}
			found[i] = &s
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, false, err
	}
	all = []Schedule{}
	for _, s := range found {
		if s != nil {
			all = append(all, *s)
		}
	}
	return all, more, nil
}

// agentOf reads "schedule/<agent>/<name>".
func agentOf(id string) string {
	parts := strings.SplitN(id, "/", 3)
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

func zoneOf(spec *client.ScheduleSpec) string {
	if spec.TimeZoneName == "" {
		return "UTC"
	}
	return spec.TimeZoneName
}

// past is zero for 1970, Temporal's value for never.
func past(at time.Time) time.Time {
	if at.Unix() <= 0 {
		return time.Time{}
	}
	return at.UTC()
}

// inEnglish describes the times. For a schedule without a comment of ours it uses
// Temporal's own form.
func inEnglish(spec *client.ScheduleSpec) []string {
	times := []string{}
	for _, c := range spec.Calendars {
		if c.Comment != "" {
			times = append(times, c.Comment)
			continue
		}
		fields, err := json.Marshal(c)
		if err != nil {
			continue
		}
		times = append(times, "calendar "+string(fields))
	}
	for _, i := range spec.Intervals {
		text := "every " + interval(i.Every)
		if i.Offset > 0 {
			text += ", " + interval(i.Offset) + " later"
		}
		times = append(times, text)
	}
	return times
}

// interval leaves out zero units: "30m", "2d".
func interval(d time.Duration) string {
	if d >= 24*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
