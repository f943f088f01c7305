package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/workflows"
)

func (s *starter) setupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "setup", Long: setupHelp, Example: setupExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.setup(ctx) }),
	}
}

// setupResult is setup's JSON document.
type setupResult struct {
	Namespace  string   `json:"namespace"`
	Registered []string `json:"registered"`
	Present    []string `json:"present"`
}

func (s *starter) setup(ctx context.Context) error {
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
	result := setupResult{Namespace: o.Namespace, Registered: []string{}, Present: []string{}}
	for _, key := range workflows.SearchAttributes() {
		result.Present = append(result.Present, key.GetName())
	}
	result.Registered = append(result.Registered, added...)
	result.Present = without(result.Present, added)
	if s.inJSON() {
		return s.document(result)
	}
	for _, name := range result.Registered {
		s.print("registered %s\n", name)
	}
	s.print("namespace %q has all %s\n", o.Namespace, count(len(workflows.SearchAttributes()), "search attribute"))
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
