package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/version"
)

// run is the worker command. It returns its exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	c := &command{Environ: environ, Lookup: connect.LookupIn(environ), Stdout: stdout, Stderr: stderr}
	if err := c.parse(args); err != nil {
		process.Report(stderr, "worker", err)
		_, _ = fmt.Fprintln(stderr, "Run worker --help for what there is.")
		return process.ExitUsage
	}
	switch {
	case c.Help:
		_, _ = io.WriteString(stdout, help)
		return process.ExitOK
	case c.Version:
		_, _ = fmt.Fprintln(stdout, version.Line("worker"))
		return process.ExitOK
	case c.Dev:
		err := runDev(ctx, c.devOptionsOf(), stdout, stderr)
		if err != nil {
			process.Report(stderr, "worker", err)
		}
		return devExitCode(err)
	}
	err := process.Serve(ctx, c.settings(stderr))
	code := process.End(stderr, "worker", err)
	if lacksEnvironment(err) {
		_, _ = fmt.Fprintln(stderr, environmentHelp)
	}
	return code
}

// environmentHelp is for whoever has not said, or not in full, where conversations
// come from.
const environmentHelp = `OneRun needs ONERUN_API_BASE_URL, ONERUN_API_KEY, ONERUN_PROJECT_ID and ONERUN_AGENT_ID.
RunAgent Pulse needs PULSE_SERVER_URL, and PULSE_API_KEY if it checks a key.
Set those of one of them, or describe platforms and agents in parley.yaml: worker --help has an example. To only look, run worker --dev.`

// lacksEnvironment reports that there is no file, and variables are missing.
func lacksEnvironment(err error) bool {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return false
	}
	for _, f := range faults {
		ofPlatform := strings.HasPrefix(f.Key, "ONERUN_") || strings.HasPrefix(f.Key, "PULSE_")
		if f.File == "" && ofPlatform && strings.HasPrefix(f.Text, "is not set") {
			return true
		}
	}
	return false
}
