package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/health"
	"github.com/parley-run/parley/internal/idle"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/logging"
	"github.com/parley-run/parley/internal/telemetry"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/internal/version"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/payloads"
)

// Settings are those of a whole worker process. The zero value serves what an empty
// environment describes, which is nothing.
type Settings struct {
	// Source is where the configuration comes from.
	Source config.Source
	// Backends are the types the configuration may name. Zero: the built-in ones.
	Backends assemble.Backends
	// Temporal is the connection. Serve sets Lookup, Logger, Metrics and Identity where
	// they are missing.
	Temporal connect.Options
	// Worker, if not nil, is Change of [Options].
	Worker func(*worker.Options)
	// Meters makes the instruments, Temporal's included. Nil: a provider of this process,
	// which exports as the variables OTEL_… say: by default on the health pages, as /metrics.
	Meters metric.MeterProvider
	// Tracers makes the spans, see package tracing. Nil: there are none. A provider with a
	// method Count(metric.Meter) error counts the spans that it has lost.
	Tracers trace.TracerProvider
	// TracedText adds what is said to the spans of models and tools.
	TracedText bool

	// HealthAddress is where the health pages are. Empty: nowhere. HealthAnywhere
	// takes any port if that one is taken.
	HealthAddress  string
	HealthAnywhere bool
	// TemporalWait is how long the start waits for a Temporal server that does not answer.
	// Zero: [connect.DefaultWait]. Negative: not at all.
	TemporalWait time.Duration
	// NoInbox starts no inboxes: other workers do.
	NoInbox bool
	// Drain, MaxActivities, MaxPollers, TranscriptBytes and Deployment are as in
	// [Options].
	Drain           time.Duration
	MaxActivities   int
	MaxPollers      int
	TranscriptBytes int
	Deployment      worker.WorkerDeploymentVersion
	// NoReplayCheck starts a versioned worker without replaying open workflows first.
	NoReplayCheck bool
	// StickyCache is how many workflows all workers of this process together keep in
	// memory; others are replayed from their histories when something happens to
	// them. Zero: as many as [StickyCacheFor] says.
	StickyCache int
	// UntilIdle ends the worker once it has been idle for so long: see package idle.
	// Zero: it does not end by itself.
	UntilIdle time.Duration
	// MaxRuntime ends the worker so long after its start, which counts: it begins to drain
	// then. Zero: it does not end by itself.
	MaxRuntime time.Duration
	// Logger receives the log. Nil: none.
	Logger *slog.Logger
	// BeforeEffect is as in [Options].
	BeforeEffect func(effect string)
}

// Serve runs a worker process until ctx is done, or its slice is over, and everything has
// drained. A stop is no error, not even during the start.
func Serve(ctx context.Context, s Settings) error {
	_, err := ServeSlice(ctx, s)
	return err
}

func (s Settings) serve(ctx context.Context, slice *slice) error {
	metrics, err := s.metrics(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = metrics.Shutdown(context.WithoutCancel(ctx)) }()
	a, err := s.assemble(metrics)
	if err != nil {
		return err
	}
	defer func() {
		if err := a.Close(); err != nil {
			s.Logger.Warn("close platforms, executors and tools", "error", err)
		}
	}()
	s.Logger.Info("configuration read", "from", a.Config.From(), "agents", len(a.Config.Agents), "task_queue", a.Config.TaskQueue)
	listed, err := s.check(ctx, a)
	if err != nil {
		return err
	}
	defer s.examineTools(ctx, a, listed)()
	if s.Temporal.Metrics == nil {
		s.Temporal.Metrics = metrics.Temporal
	}
	if err := s.trace(metrics.Meter); err != nil {
		return err
	}
	ring, err := s.encrypt(ctx, a)
	if err != nil {
		return err
	}
	checker := health.NewChecker(health.Config{Connections: append(connections(a), keyring(ring)...)})
	stop, err := s.pages(ctx, checker.Handler(metrics.Handler))
	if err != nil {
		return err
	}
	defer stop()
	temporal, err := s.connect(ctx, slice)
	if err != nil {
		return err
	}
	defer temporal.Close()
	a.KeepBudgets(launch.NewLedger(launch.Launcher{Client: temporal.Client, TaskQueue: a.Config.TaskQueue}))

	options := Options{
		Client: temporal, TaskQueue: a.Config.TaskQueue, Platforms: a.Platforms, Executors: a.Executors, Tools: a.Tools, Callbacks: a.Callbacks, Inboxes: a.Inboxes,
		Drain: s.Drain, MaxActivities: s.MaxActivities, MaxPollers: s.MaxPollers, TranscriptBytes: s.TranscriptBytes,
		TemporalWait: s.TemporalWait, Deployment: s.Deployment,
		Identity: temporal.Identity, Meter: metrics.Meter, Logger: s.Logger, BeforeEffect: s.BeforeEffect, Change: s.Worker,
	}
	if s.NoInbox {
		options.Inboxes = nil
	}
	if options.Services, err = s.services(a, temporal); err != nil {
		return err
	}
	checker.Connected(temporal, temporal.Namespace, temporal.Converter, options.Inboxes)
	stopConnections, err := countConnections(metrics.Meter, a)
	if err != nil {
		return err
	}
	defer stopConnections()
	stopKeys, err := countMissingKeys(metrics.Meter, ring)
	if err != nil {
		return err
	}
	defer stopKeys()
	slice.add(&options)
	options.OnDrain = checker.Drain
	worker.SetStickyWorkflowCacheSize(s.StickyCache)
	w, err := New(options)
	if err != nil {
		return err
	}
	if s.BeforeEffect != nil {
		s.Logger.Warn("test hooks are set: this worker stops or kills itself before effects")
	}
	if !s.NoReplayCheck {
		if err := w.CheckReplay(ctx); err != nil {
			return err
		}
	}
	standing, stopFollowing, err := s.follow(ctx, temporal, a.Config.TaskQueue, w.version, metrics.Meter)
	if err != nil {
		return err
	}
	defer stopFollowing()
	look := &Overview{Temporal: temporal, Namespace: temporal.Namespace, TaskQueue: a.Config.TaskQueue, Platforms: platformNames(a.Platforms)}
	stopLooking, err := look.watch(ctx, metrics.Meter)
	if err != nil {
		return err
	}
	defer stopLooking()
	checker.Follow(standing.Ready)
	stopSlice := slice.follow(ctx, &idle.Watch{
		Temporal: temporal, Namespace: temporal.Namespace, TaskQueue: a.Config.TaskQueue, Own: w.version, Standing: standing.Standing,
		Inboxes: len(options.Inboxes), Report: checker.Check, Logger: s.Logger,
	})
	defer stopSlice()
	s.Logger.Info("starting to work", "version", version.String(), "identity", temporal.Identity, "task_queue", a.Config.TaskQueue)
	err = w.Run(ctx)
	slice.leave(ctx, look)
	return err
}

// connect connects to Temporal and prepares the namespace. It waits for a server that
// does not answer.
func (s Settings) connect(ctx context.Context, slice *slice) (temporal *connect.Client, err error) {
	defer func() {
		if err == nil {
			slice.awaited = nil
		}
	}()
	waiting := func(err error) {
		slice.awaited = err
		s.Logger.Warn("waiting for Temporal", "reason", err, "at_most", s.TemporalWait.String())
	}
	err = connect.Await(ctx, s.TemporalWait, waiting, func(ctx context.Context) error {
		if temporal == nil {
			if temporal, err = connect.Dial(ctx, s.Temporal); err != nil {
				return err
			}
			s.Logger.Info("connected to Temporal", "address", temporal.Address, "namespace", temporal.Namespace)
		}
		return s.prepare(ctx, temporal)
	})
	if err != nil && temporal != nil {
		temporal.Close()
	}
	return temporal, err
}

// metrics makes the instruments of this process.
func (s Settings) metrics(ctx context.Context) (*telemetry.Metrics, error) {
	if s.Meters != nil {
		return telemetry.Of(s.Meters, s.Logger)
	}
	m, err := telemetry.New(ctx, telemetry.Options{Version: version.String(), Lookup: s.Source.Lookup, Logger: s.Logger})
	if err == nil && m.Pushed != "" {
		s.Logger.Info("metrics are pushed", "to", m.Pushed)
	}
	return m, err
}

// trace adds tracing to the connection and so to the worker, if there is a provider.
func (s *Settings) trace(meter metric.Meter) error {
	if s.Tracers == nil {
		return nil
	}
	if counts, ok := s.Tracers.(interface {
		Count(meter metric.Meter) error
	}); ok {
		if err := counts.Count(meter); err != nil {
			return err
		}
	}
	spans := tracing.New(s.Tracers, tracing.Options{Text: s.TracedText, Logger: s.Logger})
	change := s.Temporal.Change
	s.Temporal.Change = func(o *client.Options) {
		if change != nil {
			change(o)
		}
		spans.Connect(o)
	}
	return nil
}

// encrypt makes the connection encrypt payloads, if the configuration says so. A nil ring
// means that it does not.
func (s *Settings) encrypt(ctx context.Context, a *assemble.Assembly) (*payloads.Ring, error) {
	ring, err := assemble.OpenRing(ctx, a.Config, s.Source.Lookup, s.Logger)
	if err != nil || ring == nil {
		return nil, err
	}
	s.Logger.Info("payloads are encrypted", "key", ring.Current(), "keys", strings.Join(ring.Names(), " "))
	s.Temporal.Change = ring.Before(s.Temporal.Change)
	logging.LeaveOut(s.Logger.Handler())
	return ring, nil
}

// assemble builds the configuration, with this process's metrics and log.
func (s Settings) assemble(metrics *telemetry.Metrics) (*assemble.Assembly, error) {
	counted, err := telemetry.NewExecutors(metrics.Meter, s.Logger)
	if err != nil {
		return nil, err
	}
	p := &s.Backends.Process
	p.Version, p.Logger, p.Limits, p.Chains, p.Spending = version.String(), s.Logger, counted, counted, counted
	a, err := assemble.LoadWith(s.Source, s.Backends)
	if err != nil {
		return nil, err
	}
	for _, exposed := range a.Config.Exposed() {
		s.Logger.Warn("a key goes over the network without encryption", "setting", exposed)
	}
	return a, nil
}

func (s Settings) withDefaults() Settings {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	s.Logger = slog.New(logging.WithoutQuotes(s.Logger.Handler()))
	if s.Backends.Platforms == nil && s.Backends.Executors == nil {
		s.Backends = assemble.Builtin()
	}
	if s.Temporal.Lookup == nil && s.Temporal.Environ == nil {
		s.Temporal.Lookup = s.Source.Lookup
	}
	if s.Temporal.Logger == nil {
		s.Temporal.Logger = s.Logger
	}
	s.TemporalWait = cmp.Or(s.TemporalWait, connect.DefaultWait)
	s.StickyCache = cmp.Or(s.StickyCache, StickyCacheFor(memoryLimit()))
	s.Temporal.Identity = cmp.Or(s.Temporal.Identity, Identity())
	change := s.Temporal.Change
	s.Temporal.Change = func(o *client.Options) {
		// The SDK's default of a minute would show a dead worker as alive for three.
		o.WorkerHeartbeatInterval = versions.HeartbeatInterval
		if change != nil {
			change(o)
		}
	}
	return s
}

// Identity is this process by pid and host, as the SDK names it too.
func Identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%d@%s", os.Getpid(), host)
}

// check checks platforms and executors, and returns a list of the executors. Only faults
// that waiting cannot repair stop the start.
func (s Settings) check(ctx context.Context, a *assemble.Assembly) ([]executors.Listing, error) {
	warnings, faults := a.Check(ctx)
	for _, warning := range warnings {
		s.Logger.Warn("not reachable yet, retried while the worker runs", "reason", warning)
	}
	if faults != nil {
		return nil, faults
	}
	used := make(map[string]bool)
	for _, agent := range a.Config.Agents {
		used[agent.Policy.Executor] = true
	}
	listed := a.Executors.List(ctx)
	for _, e := range listed {
		switch {
		case e.Auto && used[executors.Auto]:
			s.Logger.Info("executor chosen", "executor", e.Name, "model", e.Model)
		case !e.Available && (used[e.Name] || used[executors.Auto]):
			s.Logger.Warn("executor not available", "executor", e.Name, "reason", e.Reason)
		}
	}
	return listed, nil
}

// prepare adds to the namespace the search attributes that it lacks.
func (s Settings) prepare(ctx context.Context, temporal *connect.Client) error {
	added, err := connect.EnsureSearchAttributes(ctx, temporal, temporal.Namespace)
	if len(added) > 0 {
		s.Logger.Info("search attributes added", "namespace", temporal.Namespace, "names", strings.Join(added, " "))
	}
	if err != nil {
		return err
	}
	return nil
}

// services make what serves conversations that do not come by polling.
func (s Settings) services(a *assemble.Assembly, temporal *connect.Client) ([]Service, error) {
	made, err := a.Services(assemble.Serving{Temporal: temporal, Logger: s.Logger})
	if err != nil {
		return nil, err
	}
	var services []Service
	for _, one := range made {
		services = append(services, one)
	}
	return services, nil
}

// pages serves the health pages if there is an address.
func (s Settings) pages(ctx context.Context, handler http.Handler) (stop func(), err error) {
	if s.HealthAddress == "" {
		return func() {}, nil
	}
	server, err := health.Serve(ctx, s.HealthAddress, handler, s.Logger)
	if host, _, splitErr := net.SplitHostPort(s.HealthAddress); errors.Is(err, health.ErrInUse) && s.HealthAnywhere && splitErr == nil {
		server, err = health.Serve(ctx, net.JoinHostPort(host, "0"), handler, s.Logger)
	}
	if err != nil {
		return nil, err
	}
	s.Logger.Info("health pages", "url", "http://"+server.Addr()+"/readyz")
	return server.Close, nil
}
