package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/schedules"
)

func (s *starter) schedulePause() *cobra.Command {
	return s.heldOrNot("pause", "paused", schedulePauseHelp, (*schedules.Keeper).Pause)
}

func (s *starter) scheduleResume() *cobra.Command {
	return s.heldOrNot("resume", "resumed", scheduleResumeHelp, (*schedules.Keeper).Resume)
}

func (s *starter) heldOrNot(verb, done, help string, do func(*schedules.Keeper, context.Context, string, string) (schedules.Schedule, error)) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: verb + " NAME", Long: help, Example: "  starter schedule " + verb + " report", Args: oneSchedule,
		RunE: s.does(func(ctx context.Context, args []string) error {
			k, err := s.keeper(ctx)
			if err != nil {
				return err
			}
			ctx, cancel := s.bounded(ctx)
			defer cancel()
			sc, err := do(k, ctx, args[0], note)
			if err != nil {
				return err
			}
			if s.inJSON() {
				return s.document(sc)
			}
			s.print("%s %s\n", done, sc.Name)
			if !sc.Paused {
				s.say("Next run: %s.", nextRun(sc))
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&note, "note", "", "the reason, shown by list and show")
	return cmd
}

func (s *starter) scheduleDelete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete NAME", Long: scheduleDeleteHelp, Example: "  starter schedule delete report --yes", Args: oneSchedule,
		RunE: s.does(func(ctx context.Context, args []string) error { return s.deleteSchedule(ctx, args[0], yes) }),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (s *starter) deleteSchedule(ctx context.Context, name string, yes bool) error {
	k, err := s.keeper(ctx)
	if err != nil {
		return err
	}
	if !yes {
		bounded, cancel := s.bounded(ctx)
		defer cancel()
		sc, err := k.Show(bounded, name)
		if err != nil {
			return err
		}
		if err := s.confirm(scheduleQuestion(sc)); err != nil {
			return err
		}
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := k.Delete(ctx, name); err != nil {
		return err
	}
	if s.inJSON() {
		return s.document(map[string]any{"name": name, "deleted": true})
	}
	s.print("deleted %s\n", name)
	return nil
}

func (s *starter) scheduleRun() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: "run NAME", Long: scheduleRunHelp, Example: "  starter schedule run report --wait", Args: oneSchedule,
		RunE: s.does(func(ctx context.Context, args []string) error { return s.runSchedule(ctx, args[0], wait) }),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it has ended, and print the result")
	return cmd
}

func (s *starter) runSchedule(ctx context.Context, name string, wait bool) error {
	k, err := s.keeper(ctx)
	if err != nil {
		return err
	}
	starting, cancel := s.bounded(ctx)
	defer cancel()
	id, err := k.Run(starting, name)
	if err != nil {
		return err
	}
	if !wait {
		if s.inJSON() {
			return s.document(schedules.Run{ID: id, Status: schedules.StatusRunning})
		}
		s.print("%s\n", id)
		return nil
	}
	s.say("Waiting for %s.", id)
	ctx, stop := s.lasting(ctx)
	defer stop()
	run, err := k.Await(ctx, id)
	if err != nil {
		return err
	}
	switch {
	case s.inJSON():
		if err := s.document(run); err != nil {
			return err
		}
	case run.NeedsOperator():
		s.say("starter: %s: %s %s", id, words(run.Status), clip(runResult(run), 500))
	case run.Result != nil:
		s.print("%s\n", compact(run.Result.Result))
	}
	if run.NeedsOperator() {
		return exit(codeNeedsOperator)
	}
	return nil
}

func (s *starter) scheduleBackfill() *cobra.Command {
	var from, to, overlap string
	cmd := &cobra.Command{
		Use: "backfill NAME", Long: scheduleBackfillHelp, Args: oneSchedule,
		Example: `  starter schedule backfill report --from "2030-01-02 00:00" --to "2030-01-03 00:00"`,
		RunE: s.does(func(ctx context.Context, args []string) error {
			if from == "" || to == "" {
				return usagef("give the range, with --from and --to")
			}
			return s.backfill(ctx, args[0], from, to, schedules.Overlap(overlap))
		}),
	}
	cmd.Flags().StringVar(&from, "from", "", "the first `time`")
	cmd.Flags().StringVar(&to, "to", "", "the last `time`")
	cmd.Flags().StringVar(&overlap, "overlap", "", "while one runs: skip, buffer-one, buffer-all, cancel-other or allow (default allow)")
	return cmd
}

func (s *starter) backfill(ctx context.Context, name, from, to string, overlap schedules.Overlap) error {
	k, err := s.keeper(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	times, err := k.Backfill(ctx, name, from, to, overlap)
	if err != nil {
		return err
	}
	if s.inJSON() {
		if times == nil {
			times = []time.Time{}
		}
		return s.document(map[string]any{"name": name, "times": times})
	}
	if len(times) == 0 {
		s.print("nothing to run: the schedule has no time in that range\n")
		return nil
	}
	s.print("%s of %s, for %s to %s\n", count(len(times), "run"), name, schedules.Stamp(times[0]), schedules.Stamp(times[len(times)-1]))
	return nil
}
