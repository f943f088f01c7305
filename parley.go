// Package parley runs Parley's worker inside your own program, with executors,
// platforms and tools of your own:
//
//	func main() {
//		parley.Main(parley.Options{
//			Executors: map[string]executors.Executor{"mine": myAgent{}},
//		})
//	}
//
// Everything else is as with the worker command: the environment or parley.yaml,
// the Temporal connection from TEMPORAL_*, health pages, draining on SIGTERM.
// Agents in parley.yaml name what you bring along as they name what is configured
// there. An executor is one method; package executors has its contract, and
// executors/executortest the suite to test yours with.
package parley

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/health"
	"github.com/parley-run/parley/internal/interrupt"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/tools"
)

// Options say what is special about your worker. The zero value is the worker
// command without flags.
type Options struct {
	// Executors are yours, by the names that agents may use. "auto", which is what
	// agents use unless told otherwise, tries them in the order of their names,
	// before any that are configured.
	Executors map[string]executors.Executor
	// Platforms are yours, by the names that agents may use. The instance's Name is
	// set for you.
	Platforms map[string]platforms.Instance
	// Tools are sets of your own, by the names that agents may use.
	Tools map[string]Tools

	// Config is the configuration file. Empty: $PARLEY_CONFIG, else parley.yaml if
	// there is one, else the environment.
	Config string
	// Environ is the environment. Nil: the process's own.
	Environ []string
	// HealthAddress is where /healthz, /readyz and /metrics are. Empty:
	// 127.0.0.1:8089. "off": nowhere.
	HealthAddress string
	// Drain is how long work under way may go on after a stop. Zero: 30 seconds.
	Drain time.Duration
	// Logger is told what happens. Nil: standard error, from level info on.
	Logger *slog.Logger
}

// Tools are a set of tools, and how they may be used.
type Tools struct {
	Set   tools.Set
	Rules tools.Rules
}

// Run runs a worker until ctx is done and what was under way has ended or been
// handed over, which is no error.
func Run(ctx context.Context, opts Options) error {
	return process.Serve(ctx, opts.settings(os.Stderr))
}

// Main runs a worker as a whole program: the first SIGINT or SIGTERM drains, the
// second exits at once, with 128 plus its number. It does not return. The exit code
// is 0 after an orderly stop, 1 when starting again may help, and 2 when the
// configuration must change.
func Main(opts Options) {
	ctx, _ := interrupt.Context(context.Background())
	err := Run(ctx, opts)
	if err != nil {
		fmt.Fprintln(printable.Writer(os.Stderr), err)
	}
	os.Exit(process.ExitCode(err))
}

func (o Options) settings(log io.Writer) process.Settings {
	backends := assemble.Builtin()
	backends.Given = assemble.Given{Executors: o.Executors, Platforms: o.Platforms, Tools: map[string]assemble.GivenTools{}}
	for name, t := range o.Tools {
		backends.Given.Tools[name] = assemble.GivenTools{Set: t.Set, Rules: t.Rules}
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	switch o.HealthAddress {
	case "":
		o.HealthAddress = health.DefaultAddress
	case "off":
		o.HealthAddress = ""
	}
	lookup := connect.LookupIn(o.Environ)
	return process.Settings{
		Source:        config.Source{Path: o.Config, Lookup: lookup},
		Backends:      backends,
		Temporal:      connect.Options{Environ: o.Environ, Lookup: lookup},
		HealthAddress: o.HealthAddress,
		Drain:         o.Drain,
		Logger:        o.Logger,
	}
}

// Check reports every fault of the configuration at once, as Run would, without
// connecting to anything.
func Check(opts Options) error {
	s := opts.settings(io.Discard)
	_, err := assemble.LoadWith(s.Source, s.Backends)
	var faults config.Faults
	if errors.As(err, &faults) {
		return faults
	}
	return err
}
