package schedules

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
)

// Pause pauses a schedule. Its times pass without a run.
func (k *Keeper) Pause(ctx context.Context, name, note string) (Schedule, error) {
	return k.change(ctx, operate.ActionPause, name, note, func(h client.ScheduleHandle, _ *client.ScheduleDescription) error {
		if note == "" {
			note = "paused with starter"
		}
		return h.Pause(ctx, client.SchedulePauseOptions{Note: note})
	})
}

// Resume resumes a schedule at its next time.
func (k *Keeper) Resume(ctx context.Context, name, note string) (Schedule, error) {
	return k.change(ctx, operate.ActionResume, name, note, func(h client.ScheduleHandle, _ *client.ScheduleDescription) error {
		if note == "" {
			note = "resumed with starter"
		}
		return h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: note})
	})
}

func (k *Keeper) change(
	ctx context.Context, action operate.Action, name, note string, do func(client.ScheduleHandle, *client.ScheduleDescription) error,
) (Schedule, error) {
	op := string(action) + " schedule"
	handle, d, _, err := k.find(ctx, op, name)
	if err != nil {
		return Schedule{}, err
	}
	if err := k.record(ctx, action, name, note); err != nil {
		return Schedule{}, err
	}
	if err := do(handle, d); err != nil {
		return Schedule{}, k.explain(fmt.Sprintf("%s %q", op, name), err)
	}
	return k.Show(ctx, name)
}

// Delete removes a schedule. Its open runs continue.
func (k *Keeper) Delete(ctx context.Context, name string) error {
	handle, _, _, err := k.find(ctx, "delete schedule", name)
	if err != nil {
		return err
	}
	if err := k.record(ctx, operate.ActionDelete, name, ""); err != nil {
		return err
	}
	return k.explain(fmt.Sprintf("delete schedule %q", name), handle.Delete(ctx))
}

// A Change holds the new values of a schedule. An empty field keeps its value.
type Change struct {
	Times Times
	Task  Task
	Rules Rules
	Note  string
	// Agent is the schedule's agent, by its name in the configuration, or empty. Policy is
	// the agent's, and replaces the schedule's.
	Agent  string
	Policy conversation.Policy
}

// Update changes a schedule. Its open runs are not affected.
func (k *Keeper) Update(ctx context.Context, name string, c Change) (Schedule, error) {
	op := fmt.Sprintf("update schedule %q", name)
	handle, d, action, err := k.find(ctx, "update schedule", name)
	if err != nil {
		return Schedule{}, err
	}
	if has := agentOf(action.ID); c.Agent != "" && c.Agent != has {
		return Schedule{}, malformed("%s: it belongs to agent %q: create another for agent %q", op, has, c.Agent)
	}
	if c.Times.given() && c.Times.Zone == "" && c.Times.At == "" {
		c.Times.Zone = d.Schedule.Spec.TimeZoneName
	}
	var spec *client.ScheduleSpec
	var at time.Time
	if c.Times.given() {
		s, when, err := c.Times.spec(k.now())
		if err != nil {
			return Schedule{}, err
		}
		spec, at = &s, when
	} else if c.Times.Zone != "" || c.Times.Offset != 0 || c.Times.Jitter != 0 {
		return Schedule{}, malformed("--timezone, --offset and --jitter go with new times: give --cron, --every or --at as well")
	}
	if word(c.Times.At) == "now" {
		return Schedule{}, malformed("to run it now, use `starter schedule run %s`", name)
	}
	if err := c.Rules.check(c.Times); err != nil {
		return Schedule{}, err
	}
	overlap, err := c.Rules.Overlap.policy()
	if err != nil {
		return Schedule{}, err
	}
	if err := k.record(ctx, operate.ActionUpdate, name, c.Note); err != nil {
		return Schedule{}, err
	}
	err = handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(u client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		s := u.Description.Schedule
		action, ok := s.Action.(*client.ScheduleWorkflowAction)
		if !ok {
			return nil, errors.New("it was not created by Parley")
		}
		in, err := k.input(action)
		if err != nil {
			return nil, fmt.Errorf("read its task: %w", err)
		}
		if err := c.Task.apply(in.Start.Context.Task); err != nil {
			return nil, err
		}
		if c.Agent != "" {
			in.Policy = c.Policy
			in = in.WithDefaults()
		}
		in.Start = start(*in.Start.Context.Task)
		action.Args = []any{in}
		if spec != nil {
			s.Spec = spec
			s.State.LimitedActions, s.State.RemainingActions = !at.IsZero(), 0
			if !at.IsZero() {
				s.State.RemainingActions = 1
			}
		}
		if c.Rules.Times > 0 {
			s.State.LimitedActions, s.State.RemainingActions = true, c.Rules.Times
		}
		if c.Rules.Overlap != "" {
			s.Policy.Overlap = overlap
		}
		if c.Rules.CatchUp > 0 {
			s.Policy.CatchupWindow = c.Rules.CatchUp
		}
		if c.Note != "" {
			s.State.Note = c.Note
		}
		return &client.ScheduleUpdate{Schedule: &s}, nil
	}})
	if err != nil {
		return Schedule{}, k.explain(op, err)
	}
	if err := k.notMissed(ctx, handle, at, d.Schedule.State.Paused, true); err != nil {
		return Schedule{}, err
	}
	return k.Show(ctx, name)
}
