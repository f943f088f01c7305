package command

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/tools"
)

func (s *starter) executorsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "executors", Long: executorsHelp, Example: executorsExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.executors(ctx) }),
	}
}

func (s *starter) executors(ctx context.Context) error {
	assembly, err := s.speakers()
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var sets []tools.Listing
	toolsListed := make(chan struct{})
	go func() { // tool servers may need time to start
		defer close(toolsListed)
		sets = assembly.Tools.List(ctx)
	}()
	listed := assembly.Executors.List(ctx)
	<-toolsListed
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.inJSON() {
		document := map[string]any{"executors": listed}
		if len(sets) > 0 {
			document["tools"] = sets
		}
		if err := s.document(document); err != nil {
			return err
		}
	} else {
		s.print("%s", executorTable(listed))
		if len(sets) > 0 {
			s.print("\n%s", toolsTable(sets))
		}
	}
	for _, l := range listed {
		if l.Available {
			return nil
		}
	}
	return exit(codeFailed)
}

func executorTable(listed []executors.Listing) string {
	rows := make([][]string, len(listed))
	for i, l := range listed {
		available, reason := "yes", ""
		switch {
		case !l.Available:
			available, reason = "no", clip(l.Reason, 300)
		case l.Auto:
			reason = "used by auto"
		}
		rows[i] = []string{l.Name, l.Backend, l.Model, yesOrNo(l.Tools), available, reason}
	}
	return tabulate([]string{"executor", "type", "model", "tools", "available", ""}, rows)
}

func yesOrNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func toolsTable(sets []tools.Listing) string {
	rows := make([][]string, len(sets))
	for i, l := range sets {
		available, number, ask, repeatable := "yes", strconv.Itoa(len(l.Tools)), strconv.Itoa(len(l.Ask)), strconv.Itoa(len(l.Repeatable))
		if !l.Available {
			available, number, ask, repeatable = "no", "", "", ""
		}
		rows[i] = []string{l.Name, number, ask, repeatable, available, clip(l.Reason, 300)}
	}
	return tabulate([]string{"tools", "number", "ask", "repeatable", "available", ""}, rows)
}
