package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/internal/ticket"
)

// Each command of a named activity has a ticket that no other has; other activities have none.
func TestIssuer(t *testing.T) {
	t.Parallel()
	var got []string
	for range 2 {
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
		e := suite.NewTestWorkflowEnvironment()
		e.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{ticket.Issuer("send")}})
		for _, name := range []string{"send", "read"} {
			e.RegisterActivityWithOptions(func(ctx context.Context) (string, error) { return ticket.Of(ctx), nil }, activity.RegisterOptions{Name: name})
		}
		e.ExecuteWorkflow(func(ctx workflow.Context) error {
			ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
			for _, name := range []string{"send", "read", "send"} {
				var has string
				if err := workflow.ExecuteActivity(ctx, name).Get(ctx, &has); err != nil {
					return err
				}
				require.Equal(t, name == "send", has != "", name)
				if has != "" {
					require.NotContains(t, got, has)
					got = append(got, has)
				}
			}
			return nil
		})
		require.NoError(t, e.GetWorkflowError())
	}
	require.Len(t, got, 4)
	process, _, _ := strings.Cut(got[0], "-")
	require.True(t, strings.HasPrefix(got[1], process+"-"), "one process: %v", got)
	require.False(t, strings.HasPrefix(got[2], process+"-"), "another: %v", got)
	require.Empty(t, ticket.Of(t.Context()))
}

func completion(ticket string) *workflowservice.RespondWorkflowTaskCompletedRequest {
	return &workflowservice.RespondWorkflowTaskCompletedRequest{Commands: []*commandpb.Command{{
		Attributes: &commandpb.Command_ScheduleActivityTaskCommandAttributes{ScheduleActivityTaskCommandAttributes: &commandpb.ScheduleActivityTaskCommandAttributes{
			RequestEagerExecution: true, Header: &commonpb.Header{Fields: map[string]*commonpb.Payload{"parley-ticket": {Data: []byte(ticket)}}},
		}},
	}}}
}

// What is remembered has a bound. In a long outage tickets of the last hour have precedence
// over later ones, and a forgotten one proves nothing.
func TestLostIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lost ticket.Lost
		cut := errors.New("cut off")
		for n := range 10_001 {
			lost.Answered(completion(fmt.Sprint(n)), cut)
		}
		require.True(t, lost.Has("0"))
		require.True(t, lost.Has("9999"))
		require.False(t, lost.Has("10000"))
		time.Sleep(ticket.Kept + time.Second)
		require.True(t, lost.Has("0"), "nothing has asked for its place")
		lost.Answered(completion("new"), cut)
		require.True(t, lost.Has("new"))
		require.False(t, lost.Has("0"))
	})
}
