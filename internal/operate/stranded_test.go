package operate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/deployment/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/internal/versions/versionstest"
	"github.com/parley-run/parley/workflows"
)

var (
	buildA = versions.Version{DeploymentName: "d", BuildID: "a"}
	buildB = versions.Version{DeploymentName: "d", BuildID: "b"}
)

// on makes an execution one of the task queue that has run on a version.
func on(v versions.Version, behavior enums.VersioningBehavior) func(*recordstest.Execution) {
	return func(e *recordstest.Execution) {
		e.Info.TaskQueue = "parley"
		e.Info.VersioningInfo = &workflow.WorkflowExecutionVersioningInfo{
			Behavior: behavior, DeploymentVersion: &deployment.WorkerDeploymentVersion{DeploymentName: v.DeploymentName, BuildId: v.BuildID},
		}
	}
}

// A stranded conversation is shown as such, with what it waits for; others of the list
// are not.
func TestStranded(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	talking := func(e *recordstest.Execution) { e.Attribute(t, workflows.KeyStatus.GetName(), "talking") }
	pinned := s.Put(workflows.ConversationName, "onerun/pr1/cv1", "run", recordstest.Running, on(buildA, enums.VERSIONING_BEHAVIOR_PINNED), talking)
	pinned.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "").Events
	s.Put(workflows.ConversationName, "onerun/pr1/cv2", "run", recordstest.Running, on(buildA, enums.VERSIONING_BEHAVIOR_AUTO_UPGRADE), talking)
	o := newOperator(&s)
	s.Workers.Set(buildB, buildB)
	s.Stranded = 1
	page, err := o.List(t.Context(), records.Filter{Statuses: []string{"stranded"}}, 0)
	require.NoError(t, err)
	status := map[string]string{}
	for _, c := range page.Conversations {
		status[c.ID] = c.Status
	}
	require.Equal(t, map[string]string{"onerun/pr1/cv1": "stranded", "onerun/pr1/cv2": "talking"}, status)
	require.EqualValues(t, 1, page.Counts.Stranded)
	require.Contains(t, s.Queries[0], `(ExecutionStatus = 'Running' AND TaskQueue = 'parley' AND ((TemporalWorkflowVersioningBehavior = 'Pinned' AND TemporalWorkerDeploymentVersion NOT IN ('d:b'))))`)

	c, err := o.Describe(t.Context(), "onerun/pr1/cv1")
	require.NoError(t, err)
	require.True(t, c.NeedsOperator())
	require.Equal(t, &records.Stranded{
		Version: "d:a", Was: "talking", Reason: `it is pinned to version d:a, which has no workers on task queue "parley"`,
		Remedy: "move it to the current version with starter move, or start a worker with --deployment-name d --build-id a",
	}, c.Stranded)
	shown, err := o.Show(t.Context(), "onerun/pr1/cv1") // at once: no worker is asked
	require.NoError(t, err)
	require.Equal(t, records.SourceHistory, shown.Source)
	require.Equal(t, "stranded", shown.Status)
	require.Equal(t, 1, s.Workers.Reads(), "one reading serves all")
}

// An act on a stranded conversation says so at once, and is not sent.
func TestActsOnStrandedConversations(t *testing.T) {
	t.Parallel()
	sent := 0
	s := recordstest.Server{Update: func(client.UpdateWorkflowOptions) (any, error) { sent++; return workflows.Status{}, nil }}
	s.Put(workflows.ConversationName, id, "run", recordstest.Running, on(buildA, enums.VERSIONING_BEHAVIOR_AUTO_UPGRADE))
	acts := map[string]func(context.Context, *operate.Operator) error{
		"end": func(ctx context.Context, o *operate.Operator) error {
			_, err := o.End(ctx, id, workflows.EndRequest{})
			return err
		},
		"pause": func(ctx context.Context, o *operate.Operator) error {
			_, err := o.Pause(ctx, id, workflows.PauseRequest{})
			return err
		},
		"take over": func(ctx context.Context, o *operate.Operator) error {
			_, err := o.Takeover(ctx, id, workflows.TakeoverRequest{Text: "t"})
			return err
		},
	}
	for name, act := range acts {
		o := newOperator(&s)
		s.Workers.Set(buildB, buildA)
		err := act(t.Context(), o)
		require.Equal(t, records.NoWorker, records.KindOf(err))
		require.EqualError(t, err, name+` "`+id+`": it is stranded: the current version d:b has no workers on task queue "parley"; workers: d:a; nothing was changed: `+
			"make a version with workers current: temporal worker deployment set-current-version --deployment-name d --build-id a; "+
			"or start a worker with --deployment-name d --build-id b")
	}
	require.Zero(t, sent)
	for name, act := range acts {
		o := newOperator(&s)
		s.Workers.Set(buildB, buildB)
		require.NoError(t, act(t.Context(), o), name)
		s.Workers.Fail(serviceerror.NewPermissionDenied("no", ""))
		require.NoError(t, act(t.Context(), newOperator(&s)), "what cannot be read refuses nothing")
		s.Workers.Fail(nil)
	}
	require.Equal(t, 2*len(acts), sent)
}

// The worker that polled last is not shown as one that polls once it has gone.
func TestInboxOfADeadWorker(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	inbox := s.Put(workflows.InboxName, workflows.InboxID("onerun", "pr1", "ag1"), "run", recordstest.Running, on(buildA, enums.VERSIONING_BEHAVIOR_AUTO_UPGRADE))
	inbox.Status = workflows.InboxStatus{State: workflows.InboxPolling, Poll: activities.PollStatus{Worker: versionstest.Identity(buildA)}}
	read := func(current versions.Version, live ...versions.Version) operate.Inbox {
		t.Helper()
		o := newOperator(&s)
		s.Workers.Set(current, live...)
		in, err := o.Inbox(t.Context(), "onerun", "pr1", "ag1")
		require.NoError(t, err)
		return in
	}
	require.False(t, read(buildA, buildA).WorkerGone)
	in := read(buildB, buildB)
	require.True(t, in.WorkerGone)
	require.Empty(t, in.LastError)
	in = read(buildB)
	require.Contains(t, in.LastError, "no worker can run the inbox")
}
