package connect

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// answers invokes a call that takes some time and brings tasks.
func answers(took time.Duration, err error) grpc.UnaryInvoker {
	return func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		time.Sleep(took)
		return err
	}
}

func task(token string) *workflowservice.PollActivityTaskQueueResponse {
	return &workflowservice.PollActivityTaskQueueResponse{TaskToken: []byte(token)}
}

func TestRequestsOfTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r requests
		c := &Client{requests: &r}
		call := func(took time.Duration, reply any, err error) {
			_ = r.intercept(t.Context(), "", nil, reply, nil, answers(took, err))
		}
		eager := time.Now()
		call(time.Second, &workflowservice.RespondWorkflowTaskCompletedResponse{
			ActivityTasks: []*workflowservice.PollActivityTaskQueueResponse{task("eager"), task("eager too")},
		}, nil)
		polled := time.Now()
		call(30*time.Second, task("polled"), nil)
		call(time.Second, task(""), nil) // a poll that has found nothing
		call(time.Second, task("failed"), errors.New("cut off"))
		call(2*time.Minute, task("late"), nil)

		came := func(token string) origin {
			began, eager := c.TaskRequested([]byte(token))
			return origin{began, eager}
		}
		require.Equal(t, origin{eager, true}, came("eager"))
		require.Equal(t, origin{polled, false}, came("polled"))
		for _, token := range []string{"eager", "polled", "", "failed", "late", "no such task"} {
			require.Zero(t, came(token), token)
		}
		require.Len(t, r.began, 1, "eager too")
		call(0, task("new"), nil)
		require.Len(t, r.began, 1, "a task whose activity has not asked is forgotten")
	})
	other := &Client{} // not dialled here
	began, eager := other.TaskRequested([]byte("any"))
	require.Zero(t, origin{began, eager})
	require.False(t, other.TaskLost("any"))
}

// The ticket of a completion without an answer belongs to a task that no worker has received.
func TestLostTasks(t *testing.T) {
	t.Parallel()
	completion := func(ticket string, eager bool) *workflowservice.RespondWorkflowTaskCompletedRequest {
		schedule := &commandpb.ScheduleActivityTaskCommandAttributes{RequestEagerExecution: eager}
		if ticket != "" {
			schedule.Header = &commonpb.Header{Fields: map[string]*commonpb.Payload{"parley-ticket": {Data: []byte(ticket)}}}
		}
		return &workflowservice.RespondWorkflowTaskCompletedRequest{Commands: []*commandpb.Command{
			{Attributes: &commandpb.Command_StartTimerCommandAttributes{}},
			{Attributes: &commandpb.Command_ScheduleActivityTaskCommandAttributes{ScheduleActivityTaskCommandAttributes: schedule}},
		}}
	}
	c := &Client{requests: &requests{}}
	call := func(req any, err error) {
		require.ErrorIs(t, c.requests.intercept(t.Context(), "", req, &workflowservice.RespondWorkflowTaskCompletedResponse{}, nil, answers(0, err)), err)
	}
	cut := errors.New("cut off")
	call(completion("answered", true), nil)
	call(completion("cut", true), cut)
	call(completion("polled", false), cut)
	call(completion("", true), cut)
	call(completion("cut and repeated", true), cut)
	call(completion("cut and repeated", true), nil)
	call(&workflowservice.PollActivityTaskQueueRequest{}, cut)
	require.True(t, c.TaskLost("cut"))
	for _, other := range []string{"answered", "polled", "", "cut and repeated", "never issued"} {
		require.False(t, c.TaskLost(other), other)
	}
}
