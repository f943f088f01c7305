// Package process runs a worker inside this process: the worker command is a thin
// layer above it, and so are the demo, tests and programs that embed Parley.
//
// [New] and [Worker] are the worker alone, made of parts that the caller has.
// [Serve] is the whole process: configuration, checks, connection, health pages,
// worker, inboxes and the orderly end of all of them.
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/logging"
	"github.com/parley-run/parley/internal/replaycheck"
	"github.com/parley-run/parley/internal/ticket"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

const (
	// DefaultDrain leaves most turns the time to end: a reply takes seconds, a
	// persona's answer tens of them. What takes longer is handed over.
	DefaultDrain = 30 * time.Second
	// DefaultMaxActivities is far above what platforms allow to be open at once, and
	// low enough for all heartbeats to reach Temporal in time: activities send one about
	// every five seconds, so these send eighty a second, a quarter of what a small server
	// takes. With more, heartbeats come late and Temporal starts second attempts.
	DefaultMaxActivities = 400
	// DefaultMaxPollers bounds the requests for work that wait at Temporal at once, for
	// workflows and for activities each. Their number grows with the work.
	DefaultMaxPollers = 50
	// DefaultTranscriptBytes is what transcripts in memory may take.
	DefaultTranscriptBytes = 64 << 20

	// deadlock is below the timeout of a workflow task, and far above the SDK's second: on
	// a busy machine that fails tasks without a deadlock.
	deadlock = 8 * time.Second

	// heartbeatThrottle bounds the age of a poll's heartbeat at the server: readiness is
	// judged by it.
	heartbeatThrottle = 2 * time.Second

	// workersHeld is how long the polls use one reading of which versions have workers.
	workersHeld = 5 * time.Second
)

// Options are what a [Worker] is made of.
type Options struct {
	// Client is the connection. Required.
	Client client.Client
	// TaskQueue defaults to workflows.DefaultTaskQueue.
	TaskQueue string
	// Platforms and Executors are those of the configuration. Executors are required; without
	// platforms the worker serves direct conversations only.
	Platforms map[string]platforms.Instance
	Executors activities.Executors
	// Tools are those of the configuration. Nil: none.
	Tools activities.Tools
	// Callbacks reports how tasks have ended. Nil: there are no reports.
	Callbacks activities.Callbacks
	// Inboxes are started by the worker, or given these settings if they run.
	Inboxes []workflows.InboxInput

	// Services run beside the worker and bring it work. They are stopped before it.
	Services []Service

	// Drain is how long running steps may continue after a stop.
	// Zero: [DefaultDrain].
	Drain time.Duration
	// MaxActivities is how many activities may run at once. Zero:
	// [DefaultMaxActivities].
	MaxActivities int
	// MaxPollers is how many requests for work may wait at Temporal, for workflows and
	// for activities each. Zero: [DefaultMaxPollers].
	MaxPollers int
	// TranscriptBytes bounds the transcripts in memory; others are read from the workflow.
	// Zero: [DefaultTranscriptBytes].
	TranscriptBytes int
	// TemporalWait is how long inboxes wait to be started while Temporal does not
	// answer. Zero: [connect.DefaultWait]. Negative: not at all.
	TemporalWait time.Duration
	// Namespace is the client's, if Client is not a connect.Client. Empty: the SDK's
	// default.
	Namespace string
	// Deployment switches worker versioning on. Zero: off.
	Deployment worker.WorkerDeploymentVersion
	// Identity names the worker in histories and in the status of inboxes.
	Identity string
	// Meter makes the instruments. Nil: nothing is counted.
	Meter metric.Meter
	// Logger receives the log. Nil: none.
	Logger *slog.Logger
	// BeforeEffect is as in activities.Config.
	BeforeEffect func(effect string)
	// OnWork, if not nil, is called when the worker has started and all inboxes are open.
	OnWork func()
	// OnDrain, if not nil, is called when the worker begins to drain.
	OnDrain func()
	// Interceptors are added to those that Change sets.
	Interceptors []interceptor.WorkerInterceptor
	// Change, if not nil, changes the SDK's options. The worker then sets those again that
	// it depends on: see protect.
	Change func(*worker.Options)
}

// A Service serves calls from elsewhere that end in workflows of the worker.
type Service interface {
	// Start begins to serve and returns at once.
	Start() error
	// Stop accepts no more calls and returns once those under way have ended or ctx is
	// done.
	Stop(ctx context.Context) error
}

// A Worker serves conversations and inboxes on one task queue.
type Worker struct {
	opts     Options
	dialled  client.Client // the caller's own, where opts has the SDK's
	sdk      worker.Worker
	renew    func() error // makes sdk anew
	launcher launch.Launcher
	checker  *replaycheck.Checker
	version  versions.Version // zero: the worker has none
	fatal    chan error
	beside   func() // waits for goroutines that outlive their activities
	metrics  *activities.Metrics
}

// New makes a worker. Nothing happens before [Worker.Run].
func New(opts Options) (*Worker, error) {
	opts.TaskQueue = cmp.Or(opts.TaskQueue, workflows.DefaultTaskQueue)
	opts.Drain = cmp.Or(opts.Drain, DefaultDrain)
	opts.MaxActivities = cmp.Or(opts.MaxActivities, DefaultMaxActivities)
	opts.MaxPollers = cmp.Or(opts.MaxPollers, DefaultMaxPollers)
	opts.TranscriptBytes = cmp.Or(opts.TranscriptBytes, DefaultTranscriptBytes)
	opts.TemporalWait = cmp.Or(opts.TemporalWait, connect.DefaultWait)
	if opts.Meter == nil {
		opts.Meter = noop.NewMeterProvider().Meter("")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Logger = slog.New(logging.WithoutQuotes(opts.Logger.Handler()))
	if opts.Client == nil {
		return nil, errors.New("process: no Temporal client")
	}
	checker := &replaycheck.Checker{TaskQueue: opts.TaskQueue, Register: workflows.Register}
	dialled := opts.Client // with what this program knows of its connection
	showPersona := false   // the converter of a client that is not ours is not known
	if c, ok := opts.Client.(*connect.Client); ok {
		showPersona = launch.Plain(c.Converter)
		checker.Namespace, checker.Options = c.Namespace, c.Replayer
		opts.Client, opts.Namespace = c.Client, c.Namespace // the SDK makes workers of its own clients only
	}
	checker.Client = opts.Client
	opts.Namespace = cmp.Or(opts.Namespace, client.DefaultNamespace)
	w := &Worker{
		opts: opts, dialled: dialled, launcher: launch.Launcher{Client: opts.Client, TaskQueue: opts.TaskQueue, ShowPersona: showPersona}, checker: checker, fatal: make(chan error, 1),
	}
	options := w.options()
	w.replayAs(options)
	if d := options.DeploymentOptions; d.UseVersioning {
		w.version = d.Version
	}
	if n, most := len(opts.Inboxes), options.MaxConcurrentActivityExecutionSize; options.Tuner == nil && n >= most {
		return nil, fmt.Errorf("%w: %d activities at once leave no capacity for conversations: "+
			"polling takes one for each of %d agents (raise --max-activities or Options.MaxActivities)", errOptions, most, n)
	}
	conversations, inbox, err := w.activities()
	if err != nil {
		return nil, err
	}
	w.renew = func() (err error) {
		if w.sdk, err = newSDK(opts.Client, opts.TaskQueue, options); err != nil {
			return err
		}
		workflows.Register(w.sdk)
		conversations.Register(w.sdk)
		inbox.Register(w.sdk)
		replaycheck.RegisterWorkflow(w.sdk)
		checker.RegisterActivity(w.sdk)
		return nil
	}
	return w, w.renew()
}

// errOptions: the options of the worker contradict each other.
var errOptions = errors.New("process: worker options")

// newSDK makes the SDK's worker, which panics on options that contradict each other.
func newSDK(c client.Client, queue string, o worker.Options) (w worker.Worker, err error) {
	defer func() {
		if refused := recover(); refused != nil {
			err = fmt.Errorf("%w: %v", errOptions, refused)
		}
	}()
	return worker.New(c, queue, o), nil
}

func (w *Worker) activities() (*activities.Conversation, *activities.Inbox, error) {
	metrics, err := activities.NewMetrics(w.opts.Meter)
	if err != nil {
		return nil, nil, fmt.Errorf("process: %w", err)
	}
	runs := launch.Runs{Launcher: w.launcher, Workers: &versions.Cache{
		Reader: versions.Reader{Client: w.opts.Client, Namespace: w.opts.Namespace}, MaxAge: workersHeld,
	}}
	w.metrics = metrics
	count := activities.NewPressure(activities.PressureConfig{Runs: runs, Metrics: metrics})
	conversations, err := activities.NewConversation(activities.Config{
		Platforms: w.opts.Platforms, Pressure: count, Executors: w.opts.Executors, Tools: w.opts.Tools, Callbacks: w.opts.Callbacks,
		Transcripts: runs, Heartbeats: w.dialled, Drain: w.opts.Drain, CacheBytes: w.opts.TranscriptBytes, Metrics: metrics,
		Reports: runs, BeforeEffect: w.opts.BeforeEffect,
	})
	if err != nil {
		return nil, nil, err
	}
	w.beside = func() { conversations.Wait(); count.Stop() }
	inbox, err := activities.NewInbox(activities.InboxConfig{
		Platforms: w.opts.Platforms, Pressure: count, Runs: runs, Heartbeats: w.opts.Client, Metrics: metrics, Worker: w.opts.Identity,
	})
	return conversations, inbox, err
}

func (w *Worker) options() worker.Options {
	o := worker.Options{
		MaxConcurrentActivityExecutionSize: w.opts.MaxActivities,
		// Polls grow with the work: fixed numbers are too few under load and too many
		// without.
		WorkflowTaskPollerBehavior: w.pollers(),
		ActivityTaskPollerBehavior: w.pollers(),
	}
	if w.opts.Deployment.DeploymentName != "" {
		o.DeploymentOptions = worker.DeploymentOptions{UseVersioning: true, Version: w.opts.Deployment}
	}
	if w.opts.Change != nil {
		w.opts.Change(&o)
	}
	o.Interceptors = slices.Concat(o.Interceptors, w.opts.Interceptors, []interceptor.WorkerInterceptor{ticket.Issuer(activities.ExchangeName)})
	w.protect(&o)
	return o
}

// protect sets what the worker depends on, whatever the caller's function has set.
func (w *Worker) protect(o *worker.Options) {
	o.Identity = w.opts.Identity
	o.WorkerStopTimeout = w.opts.Drain // activities count on the same time
	o.MaxHeartbeatThrottleInterval = heartbeatThrottle
	o.DeadlockDetectionTimeout = max(o.DeadlockDetectionTimeout, deadlock)
	o.WorkflowPanicPolicy = worker.BlockWorkflow // a worker with a bug must not end conversations
	o.DisableWorkflowWorker, o.LocalActivityWorkerOnly = false, false
	if o.DeploymentOptions.UseVersioning && o.DeploymentOptions.DefaultVersioningBehavior == workflow.VersioningBehaviorUnspecified {
		// Every workflow states its own behavior; the SDK requires a default.
		o.DeploymentOptions.DefaultVersioningBehavior = workflow.VersioningBehaviorAutoUpgrade
	}
	switch {
	case o.Tuner != nil: // the SDK accepts one or the other
		o.MaxConcurrentActivityExecutionSize = 0
	case o.MaxConcurrentActivityExecutionSize <= 0:
		o.MaxConcurrentActivityExecutionSize = w.opts.MaxActivities
	}
	callers := o.OnFatalError
	o.OnFatalError = func(err error) {
		select {
		case w.fatal <- err:
		default: // one is enough to stop
		}
		if callers != nil {
			callers(err)
		}
	}
}

func (w *Worker) pollers() worker.PollerBehavior {
	return worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: min(5, w.opts.MaxPollers),
		MaximumNumberOfPollers: w.opts.MaxPollers,
	})
}

// Run works until ctx is done, and then drains: it takes no new work, hands the
// inboxes over, and lets what is under way end within the drain time. It returns
// nil after that, and an error if the worker could not start or continue.
func (w *Worker) Run(ctx context.Context) error {
	err := w.await(ctx, w.start)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("process: start worker: %w", err)
	}
	err = w.work(ctx)
	if w.opts.OnDrain != nil {
		w.opts.OnDrain()
	}
	begin := time.Now()
	w.opts.Logger.Info("draining: no new work is accepted; a second signal stops at once", "at_most", w.opts.Drain.String())
	w.stopServices()
	w.sdk.Stop()
	w.beside()
	w.metrics.Close()
	w.opts.Logger.Info("stopped", "after", time.Since(begin).Round(time.Millisecond).String())
	return err
}

func (w *Worker) work(ctx context.Context) error {
	for _, in := range w.opts.Inboxes {
		err := w.await(ctx, func(ctx context.Context) error { return w.launcher.Inbox(ctx, in) })
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		w.opts.Logger.Info("inbox open", "agent", in.Settings.AgentName, "platform", in.Platform, "executor", in.Settings.Policy.Executor)
	}
	for _, s := range w.opts.Services {
		if err := s.Start(); err != nil {
			return fmt.Errorf("process: %w", err)
		}
	}
	if w.opts.OnWork != nil {
		w.opts.OnWork()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.fatal:
		return fmt.Errorf("process: the worker cannot continue: %w", err)
	}
}

// start starts the SDK's worker, which reads what the server can do before it starts
// anything. After an error it cannot start again: the next attempt is another one's.
func (w *Worker) start(context.Context) error {
	err := w.sdk.Start()
	if err == nil {
		return nil
	}
	return errors.Join(err, w.renew())
}

// await repeats f while Temporal does not answer. The connection was made before, in a
// namespace that exists: a server that says there is no such namespace has just restarted,
// and has not read it yet.
func (w *Worker) await(ctx context.Context, f func(context.Context) error) error {
	waiting := func(err error) { w.opts.Logger.Warn("waiting for Temporal", "reason", err) }
	return connect.Await(ctx, w.opts.TemporalWait, waiting, func(ctx context.Context) error {
		err := f(ctx)
		if _, restarted := errors.AsType[*serviceerror.NamespaceNotFound](err); restarted {
			return fmt.Errorf("%w: %w", connect.ErrUnreachable, err)
		}
		return err
	})
}

// stopServices lets calls under way end while the worker still runs, for a third of the
// drain time at most.
func (w *Worker) stopServices() {
	ctx, cancel := context.WithTimeout(context.Background(), w.opts.Drain/3)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range w.opts.Services {
		all.Go(func() {
			if err := s.Stop(ctx); err != nil {
				w.opts.Logger.Warn("stopped before all calls were answered", "reason", err)
			}
		})
	}
	all.Wait()
}
