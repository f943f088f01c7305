package idle_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/health"
	"github.com/parley-run/parley/internal/idle"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/workflows"
)

const quiet = 20 * time.Second

// A system is what a Watch sees: conversations in progress, and an inbox.
type system struct {
	conversations []*workflowservice.DescribeWorkflowExecutionResponse
	more          bool // than a page of them
	unreadable    bool
	inbox         health.Inbox
	polls         bool // the inbox polls every two seconds
	silent        bool // Temporal does not answer readiness
	queries       atomic.Int64
}

func (s *system) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	s.queries.Add(1)
	if s.unreadable {
		return nil, serviceerror.NewUnavailable("restarting")
	}
	if !strings.Contains(r.GetQuery(), `TaskQueue = 'it\'s'`) {
		return nil, errors.New("another task queue")
	}
	out := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, c := range s.conversations {
		out.Executions = append(out.Executions, c.GetWorkflowExecutionInfo())
	}
	if s.more {
		out.NextPageToken = []byte("more")
	}
	return out, nil
}

func (s *system) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	for _, c := range s.conversations {
		if c.GetWorkflowExecutionInfo().GetExecution().GetWorkflowId() == id {
			return c, nil
		}
	}
	return nil, serviceerror.NewNotFound(id)
}

func (s *system) report(context.Context) health.Report {
	if s.silent {
		return health.Report{}
	}
	inbox := s.inbox
	inbox.ID = "inbox/1"
	if s.polls {
		inbox.LastPoll = time.Now().Truncate(2 * time.Second)
	}
	return health.Report{Inboxes: []health.Inbox{inbox}}
}

// conversation is one in progress.
func conversation(pending ...*workflowpb.PendingActivityInfo) *workflowservice.DescribeWorkflowExecutionResponse {
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: "c1"}, Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
		},
		PendingActivities: pending,
	}
}

func pending(name string, state enums.PendingActivityState, in time.Duration) *workflowpb.PendingActivityInfo {
	p := &workflowpb.PendingActivityInfo{ActivityType: &commonpb.ActivityType{Name: name}, State: state}
	if in > 0 {
		p.NextAttemptScheduleTime = timestamppb.New(time.Now().Add(in))
	}
	return p
}

func task(attempt int32) *workflowservice.DescribeWorkflowExecutionResponse {
	c := conversation()
	c.PendingWorkflowTask = &workflowpb.PendingWorkflowTaskInfo{Attempt: attempt}
	return c
}

// at has a conversation run on a version.
func at(c *workflowservice.DescribeWorkflowExecutionResponse, behavior enums.VersioningBehavior, build string) *workflowservice.DescribeWorkflowExecutionResponse {
	c.WorkflowExecutionInfo.VersioningInfo = &workflowpb.WorkflowExecutionVersioningInfo{
		Behavior: behavior, DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: "parley", BuildId: build},
	}
	return c
}

var own = versions.Version{DeploymentName: "parley", BuildID: "b"}

// standing is that of a worker of a version while that build is current.
func standing(current string) *versions.Standing {
	v := versions.Version{DeploymentName: "parley", BuildID: current}
	s := &versions.Standing{Own: own, State: versions.State{Current: v, Versions: []versions.VersionState{{
		Version: v, Workers: []versions.Worker{{Live: true}},
	}}}}
	if v != own {
		s.Idle = "this worker's version is not current"
	}
	return s
}

func TestWait(t *testing.T) {
	t.Parallel()
	const (
		scheduled = enums.PENDING_ACTIVITY_STATE_SCHEDULED
		started   = enums.PENDING_ACTIVITY_STATE_STARTED
	)
	type described = workflowservice.DescribeWorkflowExecutionResponse
	polling := health.Inbox{State: workflows.InboxPolling}
	for _, tt := range []struct {
		name     string
		system   *system
		in       func() *described // one in progress; nil: none
		standing *versions.Standing
		idle     bool
	}{
		{name: "NothingToDo", system: &system{inbox: polling, polls: true}, idle: true},
		{name: "NoPollSince", system: &system{inbox: polling}},
		{name: "InboxPaused", system: &system{inbox: health.Inbox{State: workflows.InboxPaused}}, idle: true},
		{name: "InboxNeedsAttention", system: &system{inbox: health.Inbox{State: workflows.InboxNeedsAttention}}, idle: true},
		{name: "TemporalSilent", system: &system{inbox: polling, polls: true, silent: true}},
		{name: "Unreadable", system: &system{inbox: polling, polls: true, unreadable: true}},
		{name: "ManyInProgress", system: &system{inbox: polling, polls: true, more: true}},
		{name: "AttemptElsewhere", system: &system{inbox: polling, polls: true},
			in: func() *described { return conversation(pending(activities.ReplyName, started, 0)) }},
		{name: "Dispatched", system: &system{inbox: polling, polls: true},
			in: func() *described { return conversation(pending(activities.ReplyName, scheduled, 0)) }},
		{name: "RetrySoon", system: &system{inbox: polling, polls: true},
			in: func() *described { return conversation(pending(activities.ReplyName, scheduled, 30*time.Second)) }},
		{name: "RetryMuchLater", system: &system{inbox: polling, polls: true}, idle: true,
			in: func() *described { return conversation(pending(activities.ReplyName, scheduled, time.Hour)) }},
		{name: "Watched", system: &system{inbox: polling, polls: true}, idle: true,
			in: func() *described { return conversation(pending(activities.WatchName, started, 0)) }},
		{name: "PausedActivity", system: &system{inbox: polling, polls: true}, idle: true,
			in: func() *described {
				return conversation(pending(activities.ReplyName, enums.PENDING_ACTIVITY_STATE_PAUSED, 0))
			}},
		{name: "WaitsForATimer", system: &system{inbox: polling, polls: true}, idle: true, in: func() *described { return conversation() }},
		{name: "WorkflowTask", system: &system{inbox: polling, polls: true}, in: func() *described { return task(1) }},
		{name: "CannotBeContinued", system: &system{inbox: polling, polls: true}, idle: true, in: func() *described { return task(4) }},
		{name: "Ended", system: &system{inbox: polling, polls: true}, idle: true, in: func() *described {
			c := task(1)
			c.WorkflowExecutionInfo.Status = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
			return c
		}},
		{name: "PinnedElsewhere", system: &system{inbox: polling, polls: true}, standing: standing("b"), idle: true,
			in: func() *described { return at(task(1), enums.VERSIONING_BEHAVIOR_PINNED, "a") }},
		{name: "PinnedHere", system: &system{inbox: polling, polls: true}, standing: standing("c"),
			in: func() *described { return at(task(1), enums.VERSIONING_BEHAVIOR_PINNED, "b") }},
		{name: "MovesHere", system: &system{inbox: polling, polls: true}, standing: standing("b"),
			in: func() *described { return at(task(1), enums.VERSIONING_BEHAVIOR_AUTO_UPGRADE, "a") }},
		// Another version has the inbox and the conversations.
		{name: "NotCurrent", system: &system{inbox: polling}, standing: standing("c"), idle: true,
			in: func() *described { return at(task(1), enums.VERSIONING_BEHAVIOR_AUTO_UPGRADE, "b") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := tt.system
				if tt.in != nil {
					s.conversations = append(s.conversations, tt.in())
				}
				w := watch(s)
				w.Own, w.Standing = own, func() *versions.Standing { return tt.standing }
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				began := time.Now()
				if tt.idle {
					require.NoError(t, w.Wait(ctx))
					require.InDelta(t, quiet.Seconds(), time.Since(began).Seconds(), 6)
				} else {
					require.ErrorIs(t, w.Wait(ctx), context.DeadlineExceeded)
				}
			})
		})
	}
}

func watch(s *system) *idle.Watch {
	return &idle.Watch{
		Temporal: s, TaskQueue: "it's", For: quiet, Meter: idle.NewMeter(), Inboxes: 1, Report: s.report, Logger: slog.New(slog.DiscardHandler),
	}
}

// A step begins the quiet time anew, and Temporal is asked for conversations only after it.
func TestStepsKeepAWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &system{inbox: health.Inbox{State: workflows.InboxPolling}, polls: true}
		w := watch(s)
		began := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- w.Wait(t.Context()) }()
		for range 3 {
			time.Sleep(15 * time.Second)
			run(t, w.Meter, activities.ReplyName, 10*time.Second)
		}
		require.Zero(t, s.queries.Load())
		require.NoError(t, <-ended)
		require.InDelta(t, (75*time.Second + quiet).Seconds(), time.Since(began).Seconds(), 6)
		require.Equal(t, int64(1), s.queries.Load())
		steps, _ := w.Meter.Counts()
		require.Equal(t, 3, steps)
	})
}

// run runs an activity under the meter, as long as that takes.
func run(t *testing.T, m *idle.Meter, name string, took time.Duration) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{m}})
	step := name != activities.PollName && name != activities.WatchName
	env.RegisterActivityWithOptions(func(context.Context) error {
		_, still := m.Quiet()
		require.Equal(t, !step, still)
		time.Sleep(took)
		return nil
	}, activity.RegisterOptions{Name: name})
	_, err := env.ExecuteActivity(name)
	require.NoError(t, err)
	_, still := m.Quiet()
	require.True(t, still)
}

// Polls and watches are no steps.
func TestMeter(t *testing.T) {
	t.Parallel()
	m := idle.NewMeter()
	before, _ := m.Quiet()
	for _, name := range []string{activities.PollName, activities.WatchName} {
		run(t, m, name, 0)
	}
	after, _ := m.Quiet()
	require.Equal(t, before, after)
	run(t, m, activities.ReplyName, 0)
	after, _ = m.Quiet()
	require.True(t, after.After(before))
	steps, _ := m.Counts()
	require.Equal(t, 1, steps)
}
