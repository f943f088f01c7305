package load

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

// A schedule is a line of the schedules' account: one that exists, for so many runs.
type schedule struct {
	At      time.Time `json:"at"`
	Name    string    `json:"name"`
	Agent   string    `json:"agent"`
	Seconds int       `json:"seconds"` // the interval
	Times   int       `json:"times"`
	Overlap string    `json:"overlap"`
}

// timed is the agent of schedules.
const timed = "clerk"

// Schedule creates schedules whose runs are due within d.
func (l *Load) Schedule(ctx context.Context, d time.Duration) error {
	for _, s := range []schedule{
		{Name: "beside", Seconds: 9, Overlap: "allow"},
		{Name: "in-a-row", Seconds: 14, Overlap: "buffer-all"},
	} {
		s.At, s.Agent = time.Now().UTC(), timed
		s.Times = max(1, int(d.Seconds())/s.Seconds-1)
		_, code, detail := l.run(ctx, "schedule", "create", s.Name, "--agent", s.Agent, "--every", fmt.Sprintf("%ds", s.Seconds),
			"--times", fmt.Sprint(s.Times), "--overlap", s.Overlap, "--message", "It is time for "+s.Name+".")
		if code != 0 {
			return fmt.Errorf("load: create the schedule %s: exit code %d: %s", s.Name, code, detail)
		}
		if err := l.Schedules.Write(s); err != nil {
			return err
		}
	}
	return nil
}

// planned is how many runs are still to begin, of tasks and of schedules.
func (l *Load) planned(ctx context.Context) (int, error) {
	left, err := l.Pulse.active(ctx)
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"beside", "in-a-row"} {
		d, err := l.Temporal.WorkflowService().DescribeSchedule(ctx, &workflowservice.DescribeScheduleRequest{Namespace: l.Temporal.Namespace, ScheduleId: name})
		if err != nil {
			return 0, fmt.Errorf("load: describe the schedule %s: %w", name, err)
		}
		left += int(d.GetSchedule().GetState().GetRemainingActions() + d.GetInfo().GetBufferSize())
	}
	return left, nil
}
