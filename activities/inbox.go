package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// InboxConfig is what the activities of an inbox need.
type InboxConfig struct {
	Platforms map[string]platforms.Instance
	Runs      Runs
	// Heartbeats tells at once whether the inbox still wants a poll. Nil: it is
	// learned from the SDK's throttled heartbeat.
	Heartbeats HeartbeatClient
	// Pressure counts the calls on platforms. Nil: limits are not reduced.
	Pressure *Pressure
	Metrics  *Metrics // nil: nothing is counted
	Worker   string   // the worker's identity, shown in the status
}

// Inbox finds new conversations. Its method Poll is an activity.
type Inbox struct {
	platforms  map[string]platforms.Instance
	runs       Runs
	capacity   *capacityViews
	pressure   *Pressure
	outages    outages
	skips      skips
	heartbeats HeartbeatClient
	metrics    *Metrics
	worker     string
}

// inboxKey names an inbox among those of a worker.
type inboxKey struct{ platform, project, agent string }

func (in PollInput) key() inboxKey { return inboxKey{in.Platform, in.Project, in.Agent} }

// NewInbox returns the activities of inboxes. All polls of one Inbox share the
// view of each platform instance. There may be no platform: a worker may serve direct
// conversations only.
func NewInbox(cfg InboxConfig) (*Inbox, error) {
	if cfg.Runs == nil {
		return nil, errors.New("activities: an inbox needs runs")
	}
	if cfg.Metrics == nil {
		cfg.Metrics = noMetrics()
	}
	return &Inbox{
		platforms: cfg.Platforms, runs: cfg.Runs, capacity: newCapacityViews(cfg.Runs, cfg.Pressure), pressure: cfg.Pressure,
		outages:    outages{by: make(map[inboxKey]outage)},
		skips:      skips{by: make(map[inboxKey]*skipped)},
		heartbeats: cfg.Heartbeats, metrics: cfg.Metrics, worker: cfg.Worker,
	}, nil
}

// Register makes the activities known to a worker under their recorded names.
func (i *Inbox) Register(r worker.ActivityRegistry) {
	r.RegisterActivityWithOptions(i.Poll, activity.RegisterOptions{Name: PollName})
}

// Poll lists the conversations assigned to an agent and starts a workflow for each new
// one, as far as there is capacity, oldest first and fairly between simulations.
// It runs until its time is up, the worker stops, the inbox cancels it, or the
// platform gives an answer that waiting cannot change, which the result states.
// What cannot be read or started is skipped. Poll waits out errors that may pass, with
// backoff; the heartbeat shows them, and the log says when they begin and end.
func (i *Inbox) Poll(ctx context.Context, in PollInput) (PollResult, error) {
	inst, source, err := i.source(in.Platform)
	if err != nil {
		return PollResult{}, temporalError(err, conversation.Usage{})
	}
	p := newPoll(ctx, in, inst.Platform, i.measured(inst, source, in))
	p.runs, p.metrics, p.outages, p.skips = i.runs, i.metrics, &i.outages, i.skips.of(in, i.metrics)
	p.status.Worker, p.status.Limit = i.worker, max(inst.MaxOpen, 0)
	if in.Probe {
		return p.probe(ctx), nil
	}
	_, p.tasks = platforms.As[platforms.Tasks](inst.Platform)
	defer i.metrics.polling.begin(in)()
	p.view = i.capacity.acquire(inst)
	defer i.capacity.release(p.view)
	// The attempt's context ends when the server says so, before the SDK's does.
	ctx, p.live = hold(ctx, i.heartbeats, nil, p.status)
	defer p.live.stop()
	return p.run(ctx), nil
}

// source is what lists the conversations of a platform instance.
func (i *Inbox) source(platform string) (platforms.Instance, platforms.Source, error) {
	op := fmt.Sprintf("inbox: platform %q", platform)
	inst, ok := i.platforms[platform]
	if !ok {
		return inst, nil, &conversation.Error{
			Kind: conversation.Unavailable, Op: op, Err: errors.New("not configured on this worker"),
			Remedy: "give all workers of a task queue the same platforms",
		}
	}
	source, ok := platforms.As[platforms.Source](inst.Platform)
	if !ok {
		return inst, nil, &conversation.Error{Kind: conversation.Invalid, Op: op, Err: errors.New("it lists no conversations to start")}
	}
	return inst, source, nil
}

// measured counts the listings of an inbox.
func (i *Inbox) measured(inst platforms.Instance, source platforms.Source, in PollInput) platforms.Source {
	return measuredSource{source, i.pressure.of(inst), strings.Join([]string{"inbox", in.Platform, in.Project, in.Agent}, "/")}
}
