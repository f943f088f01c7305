package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/executors"
)

func (s *starter) executorsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "executors", Long: executorsHelp, Example: executorsExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.executors(ctx) }),
	}
}

func (s *starter) executors(ctx context.Context) error {
	registry, err := s.executorRegistry()
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	listed := registry.List(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.inJSON() {
		if err := s.document(map[string]any{"executors": listed}); err != nil {
			return err
		}
	} else {
		s.print("%s", executorTable(listed))
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
			reason = "auto takes this one"
		}
		rows[i] = []string{l.Name, l.Backend, l.Model, available, reason}
	}
	return tabulate([]string{"executor", "type", "model", "available", ""}, rows)
}
