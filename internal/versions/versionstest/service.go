// Package versionstest stands in for the part of Temporal that package versions reads.
package versionstest

import (
	"context"
	"sync"
	"time"

	deploymentpb "go.temporal.io/api/deployment/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/internal/versions"
)

// A Service is a task queue, whatever its name, and its workers.
type Service struct {
	workflowservice.WorkflowServiceClient // nil: an unexpected call panics

	mu      sync.Mutex
	current versions.Version
	live    []versions.Version
	stopped []versions.Version
	err     error
	reads   int
	skew    time.Duration
	silent  time.Time
}

// Skew sets how far the workers' clock is ahead of the others.
func (s *Service) Skew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// Silence makes the heartbeats of now the last ones of all workers.
func (s *Service) Silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = time.Now()
}

// WorkflowService makes a Service a versions.Client.
func (s *Service) WorkflowService() workflowservice.WorkflowServiceClient { return s }

// Set sets the current version, and the versions with a worker each.
func (s *Service) Set(current versions.Version, live ...versions.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = append(s.stopped, s.live...)
	s.current, s.live = current, live
}

// Fail makes every read fail. Nil: none.
func (s *Service) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Reads counts the reads.
func (s *Service) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Identity is that of the worker of a version.
func Identity(v versions.Version) string { return "worker of " + versions.Name(v) }

// DescribeTaskQueue implements workflowservice.WorkflowServiceClient.
func (s *Service) DescribeTaskQueue(context.Context, *workflowservice.DescribeTaskQueueRequest, ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.err != nil {
		return nil, s.err
	}
	out := &workflowservice.DescribeTaskQueueResponse{}
	if s.current != (versions.Version{}) {
		out.VersioningInfo = &taskqueue.TaskQueueVersioningInfo{CurrentDeploymentVersion: pb(s.current)}
	}
	return out, nil
}

// ListWorkers implements workflowservice.WorkflowServiceClient.
func (s *Service) ListWorkers(_ context.Context, in *workflowservice.ListWorkersRequest, _ ...grpc.CallOption) (*workflowservice.ListWorkersResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &workflowservice.ListWorkersResponse{}
	queue := in.GetQuery()[len("TaskQueue = '") : len(in.GetQuery())-1]
	at := time.Now()
	if !s.silent.IsZero() {
		at = s.silent
	}
	add := func(v versions.Version, status enums.WorkerStatus) {
		beat := &workerpb.WorkerHeartbeat{
			WorkerIdentity: Identity(v), TaskQueue: queue, Status: status, HeartbeatTime: timestamppb.New(at.Add(s.skew)),
			ElapsedSinceLastHeartbeat: durationpb.New(5 * time.Second),
		}
		if v != (versions.Version{}) {
			beat.DeploymentVersion = pb(v)
		}
		//lint:ignore SA1019 servers up to 1.30 fill only this field
		out.WorkersInfo = append(out.WorkersInfo, &workerpb.WorkerInfo{WorkerHeartbeat: beat})
	}
	for _, v := range s.live {
		add(v, enums.WORKER_STATUS_RUNNING)
	}
	for _, v := range s.stopped {
		add(v, enums.WORKER_STATUS_SHUTTING_DOWN)
	}
	return out, s.err
}

// DescribeWorkerDeployment implements workflowservice.WorkflowServiceClient.
func (s *Service) DescribeWorkerDeployment(context.Context, *workflowservice.DescribeWorkerDeploymentRequest, ...grpc.CallOption) (*workflowservice.DescribeWorkerDeploymentResponse, error) {
	return nil, serviceerror.NewNotFound("no deployment")
}

func pb(v versions.Version) *deploymentpb.WorkerDeploymentVersion {
	return &deploymentpb.WorkerDeploymentVersion{DeploymentName: v.DeploymentName, BuildId: v.BuildID}
}
