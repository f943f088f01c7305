package command

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/internal/health"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/testhook"
)

// A command is one call of the worker: its flags, and what it may touch.
type command struct {
	Config     string
	TaskQueue  string
	Executor   string
	Address    string // of Temporal
	Namespace  string
	HealthAddr string
	LogLevel   string
	LogFormat  string
	Drain      time.Duration
	Activities int
	Pollers    int
	Sticky     int
	Transcript int // MiB
	Wait       time.Duration
	UntilIdle  time.Duration // zero: off
	MaxRuntime time.Duration // zero: off
	Deployment worker.WorkerDeploymentVersion
	Replay     bool // open workflows before the start
	NoInbox    bool
	Help       bool
	Version    bool
	Dev        bool
	DevOptions devOptions

	// Environ is the environment, and Lookup finds one variable in it.
	Environ        []string
	Lookup         func(name string) (string, bool)
	Stdout, Stderr io.Writer

	flags, devFlags *pflag.FlagSet
	// deploymentFrom and buildFrom are the flags or variables that Deployment is from.
	deploymentFrom, buildFrom string
	hook                      func(effect string) // of tests; nil: none
}

// register makes the flags.
func (c *command) register() *pflag.FlagSet {
	f := pflag.NewFlagSet("worker", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&c.Config, "config", "", "")
	f.StringVar(&c.TaskQueue, "task-queue", "", "")
	f.StringVar(&c.Executor, "executor", "", "")
	f.StringVar(&c.Address, "temporal-address", "", "")
	f.StringVar(&c.Namespace, "namespace", "", "")
	f.StringVar(&c.HealthAddr, "health-addr", health.DefaultAddress, "")
	f.StringVar(&c.LogLevel, "log-level", "info", "")
	f.StringVar(&c.LogFormat, "log-format", "text", "")
	f.Var(duration.NewFlag(&c.Drain, process.DefaultDrain), "drain-timeout", "")
	f.Var(duration.NewFlag(&c.UntilIdle, 0), "until-idle", "")
	f.Var(duration.NewFlag(&c.MaxRuntime, 0), "max-runtime", "")
	f.IntVar(&c.Activities, "max-activities", process.DefaultMaxActivities, "")
	f.IntVar(&c.Pollers, "max-pollers", process.DefaultMaxPollers, "")
	f.IntVar(&c.Sticky, "sticky-cache", 0, "")
	f.IntVar(&c.Transcript, "transcript-cache", process.DefaultTranscriptBytes>>20, "")
	f.DurationVar(&c.Wait, "temporal-wait", connect.DefaultWait, "")
	f.StringVar(&c.Deployment.DeploymentName, "deployment-name", "", "")
	f.StringVar(&c.Deployment.BuildID, "build-id", "", "")
	f.BoolVar(&c.Replay, "replay-check", true, "")
	f.BoolVar(&c.NoInbox, "no-inbox", false, "")
	f.BoolVar(&c.Dev, "dev", false, "")
	c.devFlags = pflag.NewFlagSet("worker --dev", pflag.ContinueOnError)
	c.DevOptions.register(c.devFlags)
	f.AddFlagSet(c.devFlags)
	f.BoolVarP(&c.Help, "help", "h", false, "")
	f.BoolVar(&c.Version, "version", false, "")
	c.flags = f
	return f
}

// parse reads the command line, reporting every fault it can at once.
func (c *command) parse(args []string) error {
	if err := c.register().Parse(args); err != nil {
		return err
	}
	if c.Help || c.Version {
		return nil
	}
	c.deploymentFrom, c.buildFrom = "--deployment-name", "--build-id"
	if !c.Dev {
		c.versionFromEnvironment()
	}
	return c.validate()
}

// The variables by which Temporal's Worker Controller tells a worker its version.
const (
	deploymentVariable = "TEMPORAL_DEPLOYMENT_NAME"
	buildVariable      = "TEMPORAL_WORKER_BUILD_ID"
)

// versionFromEnvironment takes the worker's version from the environment, unless one of
// the two flags is given: name and build are never mixed of both. Empty flags switch
// versioning off.
func (c *command) versionFromEnvironment() {
	if c.Lookup == nil || c.flags.Changed("deployment-name") || c.flags.Changed("build-id") {
		return
	}
	c.Deployment.DeploymentName, _ = c.Lookup(deploymentVariable)
	c.Deployment.BuildID, _ = c.Lookup(buildVariable)
	c.deploymentFrom, c.buildFrom = deploymentVariable, buildVariable
}

func (c *command) validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if rest := c.flags.Args(); len(rest) > 0 {
		fault("%q is no flag: the worker takes flags only", rest[0])
	}
	if _, ok := levels[c.LogLevel]; !ok {
		fault("--log-level is %q: use debug, info, warn or error", c.LogLevel)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		fault("--log-format is %q: use text or json", c.LogFormat)
	}
	if c.Drain <= 0 {
		fault("--drain-timeout is %v: use a positive duration such as 30s", c.Drain)
	}
	if c.Wait < 0 {
		fault("--temporal-wait is %v: use a duration such as 5m, or 0 to give up at once", c.Wait)
	}
	if c.UntilIdle < 0 || c.UntilIdle > 0 && c.UntilIdle < time.Second {
		fault("--until-idle is %v: use 1s or more, or 0 to work until a signal", c.UntilIdle)
	}
	if c.MaxRuntime < 0 {
		fault("--max-runtime is %v: use a positive duration such as 10m, or 0 to work until a signal", c.MaxRuntime)
	}
	for _, n := range []struct {
		name         string
		value, least int
	}{
		{"max-activities", c.Activities, 1}, {"max-pollers", c.Pollers, 2}, {"sticky-cache", c.Sticky, 0}, {"transcript-cache", c.Transcript, 1},
	} {
		if n.value < n.least {
			fault("--%s is %d: use %d or more", n.name, n.value, n.least)
		}
	}
	if _, _, err := net.SplitHostPort(c.HealthAddr); err != nil && c.HealthAddr != "" {
		fault("--health-addr is %q: use host:port such as %s, or \"\" for none", c.HealthAddr, health.DefaultAddress)
	}
	if d := c.Deployment; (d.DeploymentName == "") != (d.BuildID == "") {
		fault("%s and %s go together: give both, or neither", c.deploymentFrom, c.buildFrom)
	}
	if strings.ContainsAny(c.Deployment.DeploymentName, ". ") {
		fault("%s is %q: Temporal allows no dot and no space in it", c.deploymentFrom, c.Deployment.DeploymentName)
	}
	if c.Lookup != nil {
		value, _ := c.Lookup(testhook.Variable)
		hook, err := testhook.Parse(value)
		if err != nil {
			errs = append(errs, err)
		}
		c.hook = hook
	}
	if !c.Dev {
		c.devFlags.VisitAll(func(f *pflag.Flag) {
			if f.Changed {
				fault("--%s goes with --dev only", f.Name)
			}
		})
		return errors.Join(errs...)
	}
	for _, name := range []string{"config", "task-queue", "no-inbox", "health-addr", "drain-timeout", "until-idle", "max-runtime", "max-activities", "max-pollers", "sticky-cache",
		"transcript-cache", "temporal-wait", "deployment-name", "build-id", "replay-check"} {
		if c.flags.Changed(name) {
			fault("--%s does not go with --dev, which sees to that itself", name)
		}
	}
	return errors.Join(append(errs, c.DevOptions.validate())...)
}

// devOptionsOf are the flags that --dev heeds, its own and others.
func (c *command) devOptionsOf() devOptions {
	o := c.DevOptions
	o.Address, o.Namespace, o.Executor = c.Address, c.Namespace, c.Executor
	o.Environ = c.Environ
	if c.flags.Changed("log-level") {
		o.Level = levels[c.LogLevel]
	}
	return o
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// logger writes the log that the flags ask for.
func (c *command) logger(to io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: levels[c.LogLevel]}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(printable.JSON(to), options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}

// settings are those of a worker process that the flags ask for.
func (c *command) settings(log io.Writer) process.Settings {
	return process.Settings{
		Source:        config.Source{Path: c.Config, Lookup: c.Lookup, Executor: c.Executor, TaskQueue: c.TaskQueue},
		Temporal:      connect.Options{Environ: c.Environ, Lookup: c.Lookup, Address: c.Address, Namespace: c.Namespace},
		HealthAddress: c.HealthAddr,
		NoInbox:       c.NoInbox,
		Drain:         c.Drain,
		UntilIdle:     c.UntilIdle,
		MaxRuntime:    c.MaxRuntime,
		TemporalWait:  temporalWait(c.Wait),
		MaxActivities: c.Activities, MaxPollers: c.Pollers, StickyCache: c.Sticky, TranscriptBytes: c.Transcript << 20,
		Deployment: c.Deployment, NoReplayCheck: !c.Replay,
		Logger: c.logger(log), BeforeEffect: c.hook,
	}
}

// temporalWait is the flag as settings have it, where zero is the default.
func temporalWait(flag time.Duration) time.Duration {
	if flag == 0 {
		return -1
	}
	return flag
}
