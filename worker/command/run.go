package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/manual"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/version"
)

// run is the worker command. It returns its exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	c := &command{Environ: environ, Lookup: connect.LookupIn(environ), Stdout: stdout, Stderr: stderr}
	if handled, err := c.manual(args); handled {
		if err != nil {
			process.Report(stderr, "worker", err)
			return process.ExitUsage
		}
		return process.ExitOK
	}
	if err := c.parse(args); err != nil {
		process.Report(stderr, "worker", err)
		_, _ = fmt.Fprintln(stderr, "Run worker --help for what there is.")
		return process.ExitUsage
	}
	switch {
	case c.Help:
		_, _ = io.WriteString(stdout, manual.Renamed(help(assemble.Builtin().Types()), "worker", manual.Called("worker")))
		return process.ExitOK
	case c.Version:
		_, _ = fmt.Fprintln(stdout, version.Line(manual.Called("worker")))
		return process.ExitOK
	case c.Dev:
		err := runDev(ctx, c.devOptionsOf(), stdout, stderr)
		if err != nil {
			process.Report(stderr, "worker", err)
		}
		return devExitCode(err)
	}
	settings, stop, err := traced(ctx, c.settings(stderr), c.Lookup, stdout)
	if err != nil {
		process.Report(stderr, "worker", err)
		return process.ExitUsage
	}
	defer stop()
	err = process.Serve(ctx, settings)
	code := process.End(stderr, "worker", err)
	if lacksEnvironment(err) {
		_, _ = fmt.Fprintln(stderr, environmentHelp(assemble.Builtin().Types()))
	}
	return code
}

// lacksEnvironment reports that there is no file, and variables of a platform are
// missing.
func lacksEnvironment(err error) bool {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return false
	}
	described := make(map[string]bool)
	for _, t := range assemble.Builtin().Types().Platforms {
		for _, v := range t.Environment {
			described[v.Name] = true
		}
	}
	return slices.ContainsFunc(faults, func(f *config.Fault) bool { return f.Unset && described[f.Key] })
}

// manual writes man pages and completion, if args ask for them.
func (c *command) manual(args []string) (handled bool, err error) {
	const name = manual.Prefix + "worker"
	text := manual.Renamed(help(assemble.Builtin().Types()), "worker", name)
	return manual.Program{Name: name, Title: "runs AI agents in conversations that must not be lost", Help: text, Flags: c.register()}.Run(args, c.Stdout, c.Stderr)
}
