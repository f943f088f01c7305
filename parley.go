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
// Agents in parley.yaml name your executors, platforms and tools as they name those
// that the file configures. An executor is one method; package executors has its
// contract, and executors/executortest the suite to test yours with.
//
// docs/embedding.md lists the packages that are for other programs, and
// examples/embed is a whole program of its own.
package parley

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/health"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/tools"
)

// Options are the settings of a worker. The zero value is the worker command without
// flags.
type Options struct {
	// Executors are ready executors, by the names that agents may use. "auto", the
	// default of agents, tries them in the order of their names, before those that are
	// configured. Nil: none.
	Executors map[string]executors.Executor
	// Platforms are ready platforms, by the names that agents may use. The instance's
	// Name is set for you. Nil: none.
	Platforms map[string]platforms.Instance
	// Tools are ready sets of tools, by the names that agents may use. Nil: none.
	Tools map[string]Tools
	// ExecutorTypes are types that the section executors of parley.yaml can name, in
	// addition to Parley's own. Their executors can have limits, budgets and a place in a
	// chain. Nil: none.
	ExecutorTypes []executors.Type
	// PlatformTypes are types that the section platforms can name, in addition to
	// Parley's own. Nil: none.
	PlatformTypes []platforms.Type

	// Config is the configuration file. Empty: $PARLEY_CONFIG, else parley.yaml if
	// there is one, else the environment.
	Config string
	// Environ is the environment, as from os.Environ. Nil: the process's own.
	Environ []string
	// Executor answers for the agent that the environment describes. With a file it is
	// a fault: the file names one for each agent. Empty: "auto".
	Executor string
	// TaskQueue is Temporal's task queue. Empty: the file's, else "parley".
	TaskQueue string

	// Client changes the options of the Temporal client, after TEMPORAL_* and its
	// profile have set them: address, namespace, credentials, TLS and gRPC options, data
	// converter with payload codecs, failure converter, interceptors, context
	// propagators, plugins. Nil: they stay as they are.
	//
	// With a section encryption in parley.yaml, the converters that this function finds
	// encrypt; package payloads has them for other programs too.
	//
	// The worker reads histories, heartbeats and queries with the data converter that is
	// set here. Other programs need the same one: the starter command and the web
	// interface have the SDK's default unless a codec server decodes for them. A worker
	// whose converter cannot read an open conversation's history cannot continue it: a
	// codec must decode what was written before it was set. It may use one key for each
	// workflow: every payload of a workflow and of its activities has the namespace and
	// the workflow's id in its converter.SerializationContext. It must not depend on more.
	//
	// Options.Logger, MeterProvider and TracerProvider set the client's logger, metrics
	// handler and tracing interceptor; what this function sets instead counts. It is
	// called again for each attempt to connect, so it must not keep state.
	Client func(*client.Options)
	// Worker changes the options of the Temporal worker: interceptors, rates, slots and
	// tuner, pollers, versioning. Nil: they stay as they are.
	//
	// These are set again after it: Identity (it is the client's), WorkerStopTimeout (it
	// is Drain), MaxHeartbeatThrottleInterval (the right to act and readiness depend on
	// frequent heartbeats), DeadlockDetectionTimeout (at least 8 seconds),
	// WorkflowPanicPolicy (a fault of the worker must not end conversations),
	// DisableWorkflowWorker and LocalActivityWorkerOnly (the worker does both kinds of
	// work). OnFatalError is called in addition to the worker's own.
	Worker func(*worker.Options)
	// Deployment switches Temporal's worker versioning on: the deployment's name and the
	// build id, both. All workflows move to the current version, open conversations too.
	// Zero: no versioning, unless Worker sets it.
	Deployment worker.WorkerDeploymentVersion
	// NoReplayCheck starts a versioned worker without a check. Otherwise a version that has
	// no open workflows yet first replays those of the others, and Run fails if it cannot
	// continue one: they could move to it later.
	NoReplayCheck bool
	// TemporalWait is how long a Temporal server that does not answer is waited for at
	// the start. Zero: 5 minutes. Negative: not at all.
	TemporalWait time.Duration

	// NoInbox starts no inboxes: the worker runs conversations that others start.
	NoInbox bool
	// MaxActivities is how many activities may run at once. Each inbox takes one.
	// Zero: 400.
	MaxActivities int
	// MaxPollers is how many requests for work wait at Temporal at most, for workflows
	// and for activities each. Zero: 50.
	MaxPollers int
	// StickyCache is how many workflows all workers of this process together keep in
	// memory, about 60 KiB each; others are replayed from their histories. Zero: 10,000, or fewer where memory is limited.
	StickyCache int
	// TranscriptBytes bounds the transcripts in memory; others are read from the
	// workflow or the platform. Zero: 64 MiB.
	TranscriptBytes int
	// Drain is how long running steps may continue after a stop. What is left then is
	// handed over to another worker. Zero: 30 seconds.
	Drain time.Duration
	// UntilIdle ends the worker by itself once nothing has been to do for so long:
	// docs/worker.md says what that means. Zero: it works until its context is done.
	UntilIdle time.Duration
	// MaxRuntime ends the worker by itself: so long after the start it begins to drain,
	// which takes up to Drain. If it has not begun to work by then, Run fails. Zero: it works
	// until its context is done.
	MaxRuntime time.Duration
	// HealthAddress is where /healthz, /readyz and /metrics are. Empty:
	// 127.0.0.1:8089. "off": nowhere.
	HealthAddress string

	// Logger receives the log of Parley and of the Temporal SDK. Nil: standard error,
	// from level info on.
	Logger *slog.Logger
	// MeterProvider makes the instruments of Parley and of the Temporal SDK. The durations
	// named temporal_* are in seconds: give them boundaries in seconds with a view. Nil: they
	// are exported as the variables OTEL_… of Environ say, by default as /metrics of
	// HealthAddress; with a provider, there is no such page.
	MeterProvider metric.MeterProvider
	// TracerProvider makes the spans of conversations that docs/observability.md describes.
	// Make it with sdktrace.WithIDGenerator(parley.SpanIDs()): with ids of its own, all spans
	// of a conversation are below its root, and that one is not found. An executor finds the
	// span of its attempt in its context. The caller exports what is left at the end. Nil:
	// nothing is traced.
	TracerProvider trace.TracerProvider
	// TracedText adds what is said to the spans of models and tools. It leaves the worker by
	// the provider's exporter, also where payloads are encrypted.
	TracedText bool
}

// Tools are a set of tools, and how they may be used.
type Tools struct {
	Set   tools.Set
	Rules tools.Rules
}

// SpanIDs is the generator of ids for Options.TracerProvider. The spans of a conversation
// are made by several workers and at several times: they are found together by ids that
// follow from the conversation. All other ids are random.
func SpanIDs() sdktrace.IDGenerator { return tracing.IDs{} }

// Run runs a worker until ctx is done, or Options.UntilIdle or MaxRuntime ends it, and what
// was under way has ended or has been handed over; that is no error.
func Run(ctx context.Context, opts Options) error {
	_, err := RunSlice(ctx, opts)
	return err
}

// A Slice is what a worker has done from its start to its end.
type Slice struct {
	// Reason is why it has ended: "stopped" by its context, "idle" or "max_runtime". Empty
	// with an error: it has failed.
	Reason  string
	Runtime time.Duration
	// Steps are the steps that the worker has begun, and Conversations how many
	// conversations they belong to. Both are counted with UntilIdle or MaxRuntime only.
	Steps         int
	Conversations int
	// Open are the conversations of the task queue that are left, and Waiting those of them
	// that wait for an operator. Below zero: not known.
	Open    int
	Waiting int
}

// RunSlice is Run, and says what the worker has done. It is for functions and jobs that
// serve conversations in slices: the next slice continues where this one has stopped.
func RunSlice(ctx context.Context, opts Options) (Slice, error) {
	if faults := opts.validate(); faults != nil {
		return Slice{Open: -1, Waiting: -1}, faults
	}
	s, err := process.ServeSlice(ctx, opts.settings(os.Stderr))
	return Slice{
		Reason: string(s.Reason), Runtime: s.Runtime, Steps: s.Steps, Conversations: s.Conversations, Open: s.Open, Waiting: s.Waiting,
	}, err
}

// Main runs a worker as a whole program, as the worker command does. The first SIGINT
// or SIGTERM drains, the second exits at once, with 128 plus its number. On Linux,
// other programs of the same user cannot read this process's environment. It prints
// faults to standard error and does not return. The exit code is 0 after an orderly
// stop, 1 when starting again may help, 2 when the configuration must change, and 3 when
// the build must: see Options.NoReplayCheck.
func Main(opts Options) {
	name := filepath.Base(os.Args[0])
	process.Main(name, func(ctx context.Context) int { return process.End(os.Stderr, name, Run(ctx, opts)) })
}

// Check reports every fault of the options and of the configuration at once, as Run
// would, without connecting to anything.
func Check(opts Options) error {
	s := opts.settings(io.Discard)
	_, err := assemble.LoadWith(s.Source, s.Backends)
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	if faults = append(opts.validate(), faults...); faults != nil {
		return faults
	}
	return nil
}

// validate finds what no worker can run with.
func (o Options) validate() (faults config.Faults) {
	fault := func(field, text string) { faults = append(faults, &config.Fault{Key: "Options." + field, Text: text}) }
	for _, n := range []struct {
		field string
		value int
	}{
		{"MaxActivities", o.MaxActivities}, {"MaxPollers", o.MaxPollers}, {"StickyCache", o.StickyCache}, {"TranscriptBytes", o.TranscriptBytes},
	} {
		if n.value < 0 {
			fault(n.field, "is negative: use 0 for the default")
		}
	}
	if o.MaxPollers == 1 {
		fault("MaxPollers", "is 1: use 2 or more, or 0 for the default")
	}
	if o.Drain < 0 {
		fault("Drain", "is negative: use 0 for the default")
	}
	if o.UntilIdle < 0 {
		fault("UntilIdle", "is negative: use 0 for a worker that does not end by itself")
	}
	if o.MaxRuntime < 0 {
		fault("MaxRuntime", "is negative: use 0 for a worker that does not end by itself")
	}
	if d := o.Deployment; (d.DeploymentName == "") != (d.BuildID == "") {
		fault("Deployment", "needs both DeploymentName and BuildID, or neither")
	}
	backends := assemble.Builtin()
	types := func(field string, errs []error) {
		for _, err := range errs {
			if err != nil {
				fault(field, err.Error())
			}
		}
	}
	types("ExecutorTypes", backends.AddExecutors(o.ExecutorTypes))
	types("PlatformTypes", backends.AddPlatforms(o.PlatformTypes))
	return faults
}

func (o Options) settings(log io.Writer) process.Settings {
	backends := assemble.Builtin()
	backends.AddExecutors(o.ExecutorTypes) // validate has the faults
	backends.AddPlatforms(o.PlatformTypes)
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
		Source:   config.Source{Path: o.Config, Lookup: lookup, Executor: o.Executor, TaskQueue: o.TaskQueue},
		Backends: backends,
		Temporal: connect.Options{Environ: o.Environ, Lookup: lookup, Change: o.Client},
		Worker:   o.Worker, Deployment: o.Deployment, NoReplayCheck: o.NoReplayCheck, TemporalWait: o.TemporalWait,
		NoInbox: o.NoInbox, MaxActivities: o.MaxActivities, MaxPollers: o.MaxPollers, StickyCache: o.StickyCache, TranscriptBytes: o.TranscriptBytes,
		Drain: o.Drain, UntilIdle: o.UntilIdle, MaxRuntime: o.MaxRuntime, HealthAddress: o.HealthAddress,
		Logger: o.Logger, Meters: o.MeterProvider, Tracers: o.TracerProvider, TracedText: o.TracedText,
	}
}
