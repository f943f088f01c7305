package versions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
)

const (
	// HeartbeatInterval is how often a worker of Parley tells Temporal that it is there.
	HeartbeatInterval = 5 * time.Second
	// longestInterval is the SDK's default and its maximum.
	longestInterval = time.Minute
	// clocks is how far the clocks of two machines may differ before a single reading takes
	// a live worker for one that has gone: heartbeats carry the worker's time. See [Memory].
	clocks = 5 * time.Second
	// pollerGone is the age at which the poll of a worker that sends no heartbeats is the
	// last one: a poll lasts a minute.
	pollerGone = 75 * time.Second

	pageSize = 500
	maxPages = 4 // more workers than that on one task queue change no answer
)

// A heartbeat is the newest one of a worker.
type heartbeat struct {
	identity string
	version  Version
	stopped  bool
	at       time.Time
	interval time.Duration
}

// live reports whether a worker that sends heartbeats is there: the server keeps them for
// minutes after a worker was killed.
func (h heartbeat) live(now time.Time) bool {
	return !h.stopped && now.Sub(h.at) < h.patience()
}

// patience is how long a worker may be silent.
func (h heartbeat) patience() time.Duration { return 3*h.interval + clocks }

// heartbeats lists the workers of the task queue that send heartbeats. A server that
// keeps none has none.
func (r *reading) heartbeats(ctx context.Context) ([]heartbeat, error) {
	var out []heartbeat
	var token []byte
	for range maxPages {
		page, err := r.service.ListWorkers(ctx, &workflowservice.ListWorkersRequest{
			Namespace: r.namespace, PageSize: pageSize, NextPageToken: token,
			Query: fmt.Sprintf("TaskQueue = '%s'", strings.ReplaceAll(r.state.TaskQueue, "'", "''")),
		})
		if none := (*serviceerror.Unimplemented)(nil); errors.As(err, &none) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("versions: list workers of task queue %q: %w", r.state.TaskQueue, err)
		}
		for _, beat := range r.beats(ctx, page) {
			if beat.GetTaskQueue() == r.state.TaskQueue {
				out = append(out, newHeartbeat(beat))
			}
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			break
		}
	}
	return out, nil
}

// maxDescribed bounds the requests for workers one by one.
const maxDescribed = 32

// beats are the heartbeats of a page. Newer servers list workers without them: those
// are asked for one by one.
func (r *reading) beats(ctx context.Context, page *workflowservice.ListWorkersResponse) []*workerpb.WorkerHeartbeat {
	var out []*workerpb.WorkerHeartbeat
	//lint:ignore SA1019 servers up to 1.30 fill only this field
	for _, info := range page.GetWorkersInfo() {
		out = append(out, info.GetWorkerHeartbeat())
	}
	if len(out) > 0 {
		return out
	}
	for i, listed := range page.GetWorkers() {
		beat := &workerpb.WorkerHeartbeat{
			WorkerIdentity: listed.GetWorkerIdentity(), TaskQueue: listed.GetTaskQueue(),
			DeploymentVersion: listed.GetDeploymentVersion(), Status: listed.GetStatus(),
		}
		if beat.GetStatus() == enums.WORKER_STATUS_RUNNING && i < maxDescribed {
			d, err := r.service.DescribeWorker(ctx, &workflowservice.DescribeWorkerRequest{
				Namespace: r.namespace, WorkerInstanceKey: listed.GetWorkerInstanceKey(),
			})
			if err != nil {
				continue // it has ended meanwhile
			}
			beat = d.GetWorkerInfo().GetWorkerHeartbeat()
		}
		out = append(out, beat)
	}
	return out
}

func newHeartbeat(b *workerpb.WorkerHeartbeat) heartbeat {
	h := heartbeat{
		identity: b.GetWorkerIdentity(), version: version(b.GetDeploymentVersion()),
		stopped: b.GetStatus() != enums.WORKER_STATUS_RUNNING, interval: longestInterval,
	}
	if b.GetHeartbeatTime() != nil {
		h.at = b.GetHeartbeatTime().AsTime()
	}
	// The first heartbeat does not say when the next one comes.
	if d := b.GetElapsedSinceLastHeartbeat(); d != nil {
		h.interval = min(max(d.AsDuration(), time.Second), longestInterval)
	}
	return h
}

// count adds the workers to their versions. The pollers of a worker that sends heartbeats
// say nothing more: the server remembers them for minutes.
func (r *reading) count(beats []heartbeat, pollers []*taskqueue.PollerInfo) {
	type key struct {
		identity string
		version  Version
	}
	known := make(map[key]bool)
	for _, b := range beats {
		known[key{b.identity, b.version}] = true
		at := r.at(b.version)
		at.Workers = append(at.Workers, Worker{Identity: b.identity, Live: r.memory.lives(b, r.now), Stopped: b.stopped, Seen: b.at})
	}
	for _, p := range pollers {
		v := polled(p)
		if known[key{p.GetIdentity(), v}] {
			continue
		}
		seen := p.GetLastAccessTime().AsTime()
		at := r.at(v)
		at.Workers = append(at.Workers, Worker{Identity: p.GetIdentity(), Live: r.now.Sub(seen) < pollerGone, Seen: seen})
	}
}

// polled is the version that a poller polls for.
func polled(p *taskqueue.PollerInfo) Version {
	o := p.GetDeploymentOptions()
	if o.GetWorkerVersioningMode() != enums.WORKER_VERSIONING_MODE_VERSIONED {
		return Version{}
	}
	return Version{DeploymentName: o.GetDeploymentName(), BuildID: o.GetBuildId()}
}
