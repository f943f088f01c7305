package connect

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
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

		require.Equal(t, eager, c.TaskRequested([]byte("eager")))
		require.Equal(t, polled, c.TaskRequested([]byte("polled")))
		for _, token := range []string{"eager", "polled", "", "failed", "late", "no such task"} {
			require.Zero(t, c.TaskRequested([]byte(token)), token)
		}
		require.Len(t, r.began, 1, "eager too")
		call(0, task("new"), nil)
		require.Len(t, r.began, 1, "a task whose activity has not asked is forgotten")
	})
	require.Zero(t, (&Client{}).TaskRequested([]byte("any")), "a client that was not dialled here")
}
