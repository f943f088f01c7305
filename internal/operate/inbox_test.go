package operate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

const inboxID = "inbox/onerun/pr1/ag1"

func TestInboxReadsTheRunningPoll(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	polled := recordstest.Began.Add(time.Minute)
	s.Put(workflows.InboxName, inboxID, "run", recordstest.Running, func(e *recordstest.Execution) {
		e.Status = workflows.InboxStatus{
			State: workflows.InboxPolling, Started: 7, Adopted: 1,
			Settings: workflows.InboxSettings{AgentName: "support", Policy: conversation.Policy{Executor: "gpt"}},
			Poll:     activities.PollStatus{Open: 9, LastPoll: recordstest.Began},
		}
		e.Pending = []*workflow.PendingActivityInfo{{
			ActivityType:       &common.ActivityType{Name: activities.PollName},
			HeartbeatDetails:   recordstest.Payloads(t, activities.PollStatus{Open: 2, Waiting: 3, Started: 4, LastPoll: polled, LastError: "503", Worker: "w1"}),
			LastHeartbeatTime:  timestamppb.New(polled),
			LastWorkerIdentity: "w1",
			LastFailure:        &failure.Failure{Message: "an older failure"},
		}}
	})
	in, err := newOperator(&s).Inbox(t.Context(), "onerun", "pr1", "ag1")
	require.NoError(t, err)
	require.Equal(t, operate.Inbox{
		ID: inboxID, Name: "support", Platform: "onerun", Project: "pr1", Agent: "ag1", State: "polling", Polling: true,
		Open: 2, Waiting: 3, Started: 11, Adopted: 1, Executor: "gpt", LastPoll: polled, LastError: "503", Worker: "w1",
	}, in)
}

func TestInboxThatDoesNotRun(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	in, err := newOperator(&s).Inbox(t.Context(), "onerun", "pr1", "ag1")
	require.NoError(t, err)
	require.Equal(t, "stopped", in.State)
	s.Put(workflows.InboxName, inboxID, "run", recordstest.Completed)
	in, err = newOperator(&s).Inbox(t.Context(), "onerun", "pr1", "ag1")
	require.NoError(t, err)
	require.Equal(t, "stopped", in.State)

	s.Update = func(client.UpdateWorkflowOptions) (any, error) { return nil, serviceerror.NewNotFound("completed") }
	_, err = newOperator(&s).PauseInbox(t.Context(), inboxID, workflows.PauseRequest{})
	require.ErrorContains(t, err, "it is not running: `starter inbox start` starts it")
	require.Equal(t, records.Ended, records.KindOf(err))
}

func TestInboxWithoutAWorker(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	s.Put(workflows.InboxName, inboxID, "run", recordstest.Running, func(e *recordstest.Execution) {
		e.Attribute(t, workflows.KeyStatus.GetName(), "paused")
	})
	in, err := newOperator(&s).Inbox(t.Context(), "onerun", "pr1", "ag1")
	require.NoError(t, err)
	require.Equal(t, "paused", in.State)
	require.Contains(t, in.LastError, "no worker answers")
}
