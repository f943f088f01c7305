package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/schedules"
)

const scheduleCommands = "create, list, show, run, pause, resume, update, backfill or delete"

func (s *starter) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "schedule", Long: scheduleHelp, Example: scheduleExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("schedule has no command %q: use %s", args[0], scheduleCommands)
			}
			return errors.New("schedule needs a command: " + scheduleCommands)
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // its Args rejects every argument
	}
	cmd.AddCommand(s.scheduleList(), s.scheduleShow())
	for _, change := range []*cobra.Command{
		s.scheduleCreate(), s.scheduleRun(), s.schedulePause(), s.scheduleResume(), s.scheduleUpdate(), s.scheduleBackfill(), s.scheduleDelete(),
	} {
		s.flags.registerAs(change.Flags())
		cmd.AddCommand(change)
	}
	return cmd
}

// oneSchedule is for commands about a single one.
func oneSchedule(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes the name of one schedule: `%s --help` says how", cmd.Name(), cmd.CommandPath())
	}
	return nil
}

// keeper connects to Temporal.
func (s *starter) keeper(ctx context.Context) (*schedules.Keeper, error) {
	o, err := s.operator(ctx)
	if err != nil {
		return nil, err
	}
	return &schedules.Keeper{Operator: o, By: s.operatorName()}, nil
}

func (s *starter) scheduleList() *cobra.Command {
	var agent string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Long: scheduleListHelp, Example: "  starter schedule list --agent support", Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.listSchedules(ctx, agent, limit) }),
	}
	cmd.Flags().StringVar(&agent, "agent", "", "only those of an agent, by its `name`")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most this many; 0 shows all")
	return cmd
}

func (s *starter) listSchedules(ctx context.Context, agent string, limit int) error {
	if limit < 0 {
		return usagef("--limit %d is negative", limit)
	}
	k, err := s.keeper(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	listed, more, err := k.List(ctx, agent, limit)
	if err != nil {
		return err
	}
	if s.inJSON() {
		return s.document(map[string]any{"schedules": listed, "more": more})
	}
	s.print("%s", scheduleTable(listed))
	if more {
		s.say("There are more than %d: --limit 0 shows all.", limit)
	}
	return nil
}

func scheduleTable(listed []schedules.Schedule) string {
	if len(listed) == 0 {
		return "no schedules\n"
	}
	rows := make([][]string, len(listed))
	for i, sc := range listed {
		next, last, ended := nextRun(sc), "never", ""
		if len(sc.Recent) > 0 {
			last, ended = schedules.Stamp(sc.Recent[0].Started), words(sc.Recent[0].Status)
		}
		rows[i] = []string{
			sc.Name, clip(sc.Agent, personaWidth), clip(strings.Join(sc.When, "; "), 60), next, last, ended,
			fmt.Sprint(sc.Runs), fmt.Sprint(sc.Missed), fmt.Sprint(sc.Skipped),
		}
	}
	return tabulate([]string{"schedule", "agent", "when", "next run", "last run", "ended", "runs", "missed", "skipped"}, rows)
}

// nextRun is the next run, or why there is none.
func nextRun(sc schedules.Schedule) string {
	switch {
	case sc.Paused:
		return "paused"
	case sc.Done():
		return "no more"
	}
	return schedules.Stamp(sc.Next[0])
}

func (s *starter) scheduleShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Long: scheduleShowHelp, Example: "  starter schedule show report --output json", Args: oneSchedule,
		RunE: s.does(func(ctx context.Context, args []string) error {
			k, err := s.keeper(ctx)
			if err != nil {
				return err
			}
			ctx, cancel := s.bounded(ctx)
			defer cancel()
			sc, err := k.Show(ctx, args[0])
			if err != nil {
				return err
			}
			return s.tellSchedule(sc, true)
		}),
	}
}

// tellSchedule writes one schedule, with its runs or, after a change, without.
func (s *starter) tellSchedule(sc schedules.Schedule, whole bool) error {
	if s.inJSON() {
		return s.document(sc)
	}
	s.print("%s", scheduleText(sc, whole))
	return nil
}

func scheduleText(sc schedules.Schedule, whole bool) string {
	remaining, task, callback := "", "", ""
	if sc.Remaining != nil {
		remaining = count(*sc.Remaining, "more run")
	}
	if sc.Task != nil {
		task = clip(string(sc.Task.Payload), 500)
		if sc.Task.Callback != nil {
			callback = sc.Task.Callback.URL
		}
	}
	counts := ""
	if whole {
		counts = fmt.Sprintf("%d so far, %d missed, %d skipped", sc.Runs, sc.Missed, sc.Skipped)
	}
	rows := [][2]string{
		{"schedule", sc.Name}, {"agent", sc.Agent}, {"executor", sc.Executor},
		{"when", strings.Join(sc.When, "; ")}, {"time zone", sc.Zone}, {"jitter", positive(sc.Jitter)}, {"limit", remaining},
		{"overlap", string(sc.Overlap)}, {"catch up", positive(sc.CatchUp)}, {"note", clip(sc.Note, 300)},
		{"task", task}, {"callback", callback}, {"runs", counts}, {"next run", nextRun(sc)},
	}
	var b strings.Builder
	b.WriteString(pairs(rows...))
	if !whole {
		return b.String()
	}
	if !sc.Done() {
		b.WriteString("\nnext times" + map[bool]string{true: ", if it were not paused"}[sc.Paused] + "\n")
		for _, at := range sc.Next {
			b.WriteString("   " + schedules.Stamp(at) + "\n")
		}
	}
	if len(sc.Recent) > 0 {
		b.WriteString("\n" + runTable(sc.Recent))
	}
	return b.String()
}

func runTable(runs []schedules.Run) string {
	rows := make([][]string, len(runs))
	for i, r := range runs {
		rows[i] = []string{clip(r.ID, 250), schedules.Stamp(r.Due), words(r.Status), clip(runResult(r), 80)}
	}
	return tabulate([]string{"run", "due", "ended", "result"}, rows)
}

// runResult is a run's result or error, on one line.
func runResult(r schedules.Run) string {
	if r.Result == nil {
		return ""
	}
	text := r.Result.Error
	if r.Result.Status == conversation.TaskSuccess {
		text = compact(r.Result.Result)
	}
	if d := r.Result.Delivery; d != nil && d.State == conversation.DeliveryFailed {
		text += " (callback failed: " + d.Error + ")"
	}
	return text
}

func positive(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return span(d)
}
