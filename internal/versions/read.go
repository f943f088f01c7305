package versions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	deploymentpb "go.temporal.io/api/deployment/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"
)

// A Client is the part of a client.Client that a [Reader] needs.
type Client interface {
	WorkflowService() workflowservice.WorkflowServiceClient
}

// A Reader reads the states of task queues of one namespace. It is safe for concurrent
// use.
type Reader struct {
	Client    Client
	Namespace string
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Memory compares with earlier readings. Nil: a worker is judged by one reading, and
	// by this machine's clock.
	Memory *Memory
}

// Read reads the state of a task queue and of a deployment. Without the name of a
// deployment it reads the one that the task queue routes to. A task queue that Temporal
// has never seen has no workers, which is no error.
func (from Reader) Read(ctx context.Context, taskQueue, deployment string) (State, error) {
	now := time.Now
	if from.Now != nil {
		now = from.Now
	}
	r := reading{
		service: from.Client.WorkflowService(), namespace: from.Namespace, now: now(), memory: from.Memory,
		state: State{TaskQueue: taskQueue, Deployment: deployment},
	}
	var group errgroup.Group
	var queue *workflowservice.DescribeTaskQueueResponse
	var beats []heartbeat
	group.Go(func() (err error) { queue, err = r.describeQueue(ctx); return err })
	group.Go(func() (err error) { beats, err = r.heartbeats(ctx); return err })
	if err := group.Wait(); err != nil {
		return State{}, err
	}
	r.route(queue.GetVersioningInfo())
	r.count(beats, queue.GetPollers())
	if err := r.summarize(ctx); err != nil {
		return State{}, err
	}
	slices.SortFunc(r.state.Versions, compare)
	r.state.Read = r.now
	return r.state, nil
}

// A reading is one State while it is put together.
type reading struct {
	service   workflowservice.WorkflowServiceClient
	namespace string
	now       time.Time
	memory    *Memory
	state     State
}

func (r *reading) describeQueue(ctx context.Context) (*workflowservice.DescribeTaskQueueResponse, error) {
	d, err := r.service.DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: r.namespace, TaskQueue: &taskqueue.TaskQueue{Name: r.state.TaskQueue, Kind: enums.TASK_QUEUE_KIND_NORMAL},
		TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
	})
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("versions: describe task queue %q: %w", r.state.TaskQueue, err)
	}
	return d, nil
}

// route takes over where the task queue's tasks go.
func (r *reading) route(info *taskqueue.TaskQueueVersioningInfo) {
	s := &r.state
	s.Current, s.Ramping = version(info.GetCurrentDeploymentVersion()), version(info.GetRampingDeploymentVersion())
	s.RampPercent = info.GetRampingVersionPercentage()
	r.at(s.Current).Role = Current
	if s.RampPercent > 0 || s.Ramping != (Version{}) {
		r.at(s.Ramping).Role = Ramping
	}
	if s.Deployment == "" {
		s.Deployment = s.Current.DeploymentName
	}
	if s.Deployment == "" {
		s.Deployment = s.Ramping.DeploymentName
	}
}

// at is the state of one version, which is added if it is not known yet.
func (r *reading) at(v Version) *VersionState {
	for i := range r.state.Versions {
		if r.state.Versions[i].Version == v {
			return &r.state.Versions[i]
		}
	}
	r.state.Versions = append(r.state.Versions, VersionState{Version: v, Role: Inactive})
	return &r.state.Versions[len(r.state.Versions)-1]
}

// maxVersions bounds the versions of a deployment that a State has besides those with
// workers. Temporal itself keeps about a hundred.
const maxVersions = 200

// summarize adds the versions that the deployment remembers, and their roles.
func (r *reading) summarize(ctx context.Context) error {
	if r.state.Deployment == "" {
		for _, v := range r.state.Versions {
			if v.Version.DeploymentName != "" {
				r.state.Deployment = v.Version.DeploymentName
			}
		}
	}
	if r.state.Deployment == "" {
		return nil
	}
	d, err := r.service.DescribeWorkerDeployment(ctx, &workflowservice.DescribeWorkerDeploymentRequest{
		Namespace: r.namespace, DeploymentName: r.state.Deployment,
	})
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return nil // no worker of it has polled yet
	}
	if err != nil {
		return fmt.Errorf("versions: describe deployment %q: %w", r.state.Deployment, err)
	}
	for _, summary := range d.GetWorkerDeploymentInfo().GetVersionSummaries() {
		v := version(summary.GetDeploymentVersion())
		if len(r.state.Versions) >= maxVersions && !slices.ContainsFunc(r.state.Versions, func(k VersionState) bool { return k.Version == v }) {
			continue
		}
		at := r.at(v)
		switch summary.GetStatus() {
		case enums.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT:
			at.Role = Current
		case enums.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING:
			at.Role = Ramping
		case enums.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING:
			at.Role = Draining
		case enums.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED:
			at.Role = Drained
		}
	}
	return nil
}

func version(v *deploymentpb.WorkerDeploymentVersion) Version {
	return Version{DeploymentName: v.GetDeploymentName(), BuildID: v.GetBuildId()}
}
