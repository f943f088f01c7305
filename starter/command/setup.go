package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/workflows"
)

func (s *starter) setupCommand() *cobra.Command {
	var retention time.Duration
	cmd := &cobra.Command{
		Use: "setup", Long: setupHelp, Example: setupExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.setup(ctx, retention) }),
	}
	cmd.Flags().Var(duration.NewFlag(&retention, 0), "retention", "keep conversations for this `long` after their end, such as 7d (default: as the namespace has it)")
	return cmd
}

// setupResult is setup's JSON document.
type setupResult struct {
	Namespace  string   `json:"namespace"`
	Registered []string `json:"registered"`
	Present    []string `json:"present"`
	// Retention is what was set, in words. Empty: the namespace's is left alone.
	Retention string `json:"retention,omitempty"`
}

func (s *starter) setup(ctx context.Context, retention time.Duration) error {
	if retention != 0 && retention < time.Hour {
		return usagef("--retention %v is shorter than Temporal takes: use an hour or more, such as 7d", retention)
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	// The server takes some ten seconds to apply them.
	ctx, cancel := s.lasting(ctx)
	defer cancel()
	added, err := connect.EnsureSearchAttributes(ctx, s.client, o.Namespace)
	if err != nil {
		return err
	}
	if retention > 0 {
		if err := o.SetRetention(ctx, retention); err != nil {
			return err
		}
	}
	result := setupResult{Namespace: o.Namespace, Registered: []string{}, Present: []string{}}
	for _, key := range workflows.SearchAttributes() {
		result.Present = append(result.Present, key.GetName())
	}
	result.Registered = append(result.Registered, added...)
	result.Present = without(result.Present, added)
	if retention > 0 {
		result.Retention = days(retention)
	}
	if s.inJSON() {
		return s.document(result)
	}
	for _, name := range result.Registered {
		s.print("registered %s\n", name)
	}
	s.print("namespace %q has all %s\n", o.Namespace, count(len(workflows.SearchAttributes()), "search attribute"))
	if result.Retention != "" {
		s.print("namespace %q keeps conversations for %s after their end\n", o.Namespace, result.Retention)
	}
	return nil
}

// without removes b's elements from a.
func without(a, b []string) []string {
	have := make(map[string]bool)
	for _, x := range b {
		have[x] = true
	}
	left := []string{}
	for _, x := range a {
		if !have[x] {
			left = append(left, x)
		}
	}
	return left
}
