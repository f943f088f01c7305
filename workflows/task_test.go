package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/workflows"
)

// taskInput is a task that only its workflow knows of.
func taskInput(policy conversation.Policy, task conversation.Task) workflows.ConversationInput {
	policy.Executor = "agent"
	return workflows.ConversationInput{
		Ref:    conversation.Ref{Platform: "schedule", Project: "agent", Simulation: "daily"},
		Policy: policy,
		Side:   workflows.SideTask, Start: &workflows.Start{Context: conversation.Context{Task: &task}},
	}.WithDefaults()
}

func TestTask(t *testing.T) {
	fake := &executortest.Fake{}
	env := environment(t, &platform{}, "mem", fake)
	env.ExecuteWorkflow(workflows.ConversationName, taskInput(conversation.Policy{}, conversation.Task{
		Payload: json.RawMessage(`{"agent_id":"a-1","message":"sum it up","params":{"n":1}}`), ScheduledFor: env.Now().Add(time.Hour),
	}))
	out := outcome(t, env)
	require.Equal(t, conversation.TaskSuccess, out.Task.Status)
	require.Equal(t, "daily", out.Task.TaskID)
	require.NotEmpty(t, out.Task.ExecutionID)
	require.False(t, out.Task.Started.Before(out.Task.ScheduledFor), "it began before it was due")
	require.Less(t, out.Task.Duration(), time.Minute, "waiting is not running")
	require.Equal(t, 1, out.Turns)
	requests := fake.Requests()
	require.Len(t, requests, 1)
	require.Equal(t, "sum it up", requests[0].Messages[0].Text())
	require.JSONEq(t, `{"n":1}`, string(requests[0].Messages[0].Parts[1].Data))
	require.NotNil(t, requests[0].Task)
	require.NotEmpty(t, requests[0].Conversation.ID, "the schedule's workflows have an id of their own")
}

func TestTaskChoosesItsExecutor(t *testing.T) {
	for asked, want := range map[string]string{
		`{}`:                                   "agent",
		`{"executor_type":"auto"}`:             "agent",
		`{"executor_type":"SERVERLESS"}`:       "serverless",
		`{"executor_type":"serverless-agent"}`: "",
	} {
		all := &several{}
		env := environmentOf(t, &platform{}, "mem", all)
		env.ExecuteWorkflow(workflows.ConversationName,
			taskInput(conversation.Policy{Executors: []string{"serverless", "local"}}, conversation.Task{Payload: json.RawMessage(asked)}))
		if want == "" {
			require.ErrorContains(t, env.GetWorkflowError(), "there are agent, serverless, local")
			require.Empty(t, all.asked)
			continue
		}
		require.NoError(t, env.GetWorkflowError())
		require.Equal(t, []string{want}, all.asked, asked)
	}
}

// several are executors of any name, and remember which were asked for.
type several struct{ asked []string }

func (s *several) Resolve(_ context.Context, name string) (string, executors.Executor, error) {
	s.asked = append(s.asked, name)
	return name, &executortest.Fake{}, nil
}

// busy is an executor whose limits have others go first, for so many times.
type busy struct {
	executors.Executor
	wait  time.Duration
	times *int
}

func (b busy) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if *b.times--; *b.times >= 0 {
		return executors.Result{}, &conversation.Error{Kind: conversation.RateLimited, RetryAfter: b.wait, Err: limit.ErrQueued}
	}
	return b.Executor.Execute(ctx, req)
}

// The time that a task has is for its run: waiting for its turn is none of it.
func TestTaskWaitsForItsTurn(t *testing.T) {
	times, task := 5, conversation.Task{Timeout: time.Minute}
	env := environment(t, &platform{}, "mem", busy{&executortest.Fake{}, 40 * time.Second, &times})
	env.ExecuteWorkflow(workflows.ConversationName, taskInput(conversation.Policy{}, task))
	out := outcome(t, env)
	require.Equal(t, conversation.TaskSuccess, out.Task.Status)
	require.Less(t, out.Task.Duration(), 10*time.Second)

	times = 5
	down := (&executortest.Fake{}).FailTurn(1, slices.Repeat([]error{&conversation.Error{Kind: conversation.Unavailable, Err: errors.New("down")}}, 50)...)
	env = environment(t, &platform{}, "mem", busy{down, 40 * time.Second, &times})
	begun := env.Now()
	env.ExecuteWorkflow(workflows.ConversationName, taskInput(conversation.Policy{ReplyAttempts: 100}, task))
	require.ErrorContains(t, env.GetWorkflowError(), "took longer than the 1m0s")
	require.InDelta(t, (5*40*time.Second + time.Minute).Seconds(), env.Now().Sub(begun).Seconds(), 10)
}

// A task that fails is over. That it may park is shown by
// TestPulseTaskWaitsForPerson in internal/endtoend.
func TestTaskFails(t *testing.T) {
	broken := &conversation.Error{Kind: conversation.Invalid, Err: errors.New("it broke")}
	task := conversation.Task{Timeout: time.Minute}

	env := environment(t, &platform{}, "mem", (&executortest.Fake{}).FailTurn(1, broken))
	env.ExecuteWorkflow(workflows.ConversationName, taskInput(conversation.Policy{}, task))
	require.ErrorContains(t, env.GetWorkflowError(), "it broke")

}
