package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// inboxEnvironment runs an inbox whose polls are done by poll, which gets the
// number of the poll, from 1.
func inboxEnvironment(t *testing.T, poll func(n int, in activities.PollInput) (activities.PollResult, error)) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	workflows.Register(env)
	n := 0
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.PollInput) (activities.PollResult, error) {
		n++
		return poll(n, in)
	}, activity.RegisterOptions{Name: activities.PollName})
	return env
}

func inboxStatus(t *testing.T, env *testsuite.TestWorkflowEnvironment) workflows.InboxStatus {
	t.Helper()
	value, err := env.QueryWorkflow(workflows.QueryStatus)
	require.NoError(t, err)
	var s workflows.InboxStatus
	require.NoError(t, value.Get(&s))
	return s
}

// Polls that are handed over follow one another, with their counts added up and
// the order of service passed on.
func TestInboxPollsAgain(t *testing.T) {
	var env *testsuite.TestWorkflowEnvironment
	env = inboxEnvironment(t, func(n int, in activities.PollInput) (activities.PollResult, error) {
		if n == 3 {
			require.Equal(t, []string{"s1", "s2"}, in.Served)
			env.SetContinueAsNewSuggested(true)
		}
		return activities.PollResult{PollStatus: activities.PollStatus{Started: n}, HandedOver: n < 3, Served: []string{"s1", "s2"}}, nil
	})
	env.ExecuteWorkflow(workflows.InboxName, workflows.InboxInput{Platform: "p", Agent: "a"})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
	require.Equal(t, 6, inboxStatus(t, env).Started)
}

// An answer that waiting cannot mend stops the polling until somebody resumes.
func TestInboxNeedsAttention(t *testing.T) {
	env := inboxEnvironment(t, func(n int, _ activities.PollInput) (activities.PollResult, error) {
		if n == 1 {
			return activities.PollResult{}, temporal.NewApplicationErrorWithOptions("wrong key", string(conversation.Unauthorized),
				temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{
					activities.ErrorDetails{Kind: conversation.Unauthorized, Remedy: "set the right one"},
				}})
		}
		return activities.PollResult{}, nil
	})
	env.RegisterDelayedCallback(func() {
		s := inboxStatus(t, env)
		require.Equal(t, workflows.InboxNeedsAttention, s.State)
		require.Equal(t, conversation.Unauthorized, s.Attention.Kind)
		require.Contains(t, s.Attention.Remedy, "set the right one")
		env.UpdateWorkflow(workflows.UpdateStop, "stop", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { t.Error(err) }, OnComplete: func(any, error) {},
		}, workflows.EndRequest{})
	}, time.Hour)
	env.ExecuteWorkflow(workflows.InboxName, workflows.InboxInput{Platform: "p", Agent: "a"})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, workflows.InboxStopped, inboxStatus(t, env).State)
}
