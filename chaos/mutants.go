//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/chaos/internal/check"
	"github.com/parley-run/parley/chaos/internal/mutant"
)

// Defaults of a run with a mutant: what it spoils does not come to rest.
const (
	mutantMinutes = "1.5"
	mutantSettle  = "45s"
)

// mutants runs each mutant, or those named, and says which of them the checker has found.
func mutants(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	n := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") })
	if n < 0 {
		n = len(args)
	}
	chosen := mutant.All
	if n > 0 {
		chosen = nil
		for _, name := range args[:n] {
			m, err := mutant.Find(name)
			if err != nil {
				return usageError{err}
			}
			chosen = append(chosen, m)
		}
	}
	var missed []error
	for _, m := range chosen {
		begin := time.Now()
		o, err := parse(append([]string{
			"--minutes", mutantMinutes, "--settle", mutantSettle, "--mutant", m.Name, "--only", m.Only, "--rate", fmt.Sprint(m.Rate),
		}, args[n:]...))
		if err != nil {
			return usageError{err}
		}
		if o.dir != "" {
			o.dir = filepath.Join(o.dir, m.Name)
		}
		report, err := perform(ctx, o, stderr)
		if err != nil {
			return fmt.Errorf("mutant %s: %w", m.Name, err)
		}
		broken := brokenRules(report)
		found := slices.Contains(broken, m.Breaks)
		if !found {
			missed = append(missed, fmt.Errorf("the mutant %s (it %s) was not found with seed %d: want a violation of %q, got %q", m.Name, m.Does, o.seed, m.Breaks, broken))
		}
		_, _ = fmt.Fprintf(stdout, "%-9s found: %-5v  %d violations of %q  seed %d, %.0f s\n", m.Name, found, len(report.Violations), broken, o.seed, time.Since(begin).Seconds())
	}
	return errors.Join(missed...)
}

func brokenRules(report *check.Report) []string {
	var out []string
	for _, r := range report.Rules {
		if r.Broken > 0 {
			out = append(out, r.Name)
		}
	}
	return out
}
