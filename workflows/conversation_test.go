package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// Tests with the SDK's test environment, whose clock runs ahead whenever nothing
// else does, and with real activities: over a platform in memory here, over the
// simulator in TestOverTheSimulator. What needs a real server is in
// internal/endtoend.

// platform answers every message, until maxMessages are there.
type platform struct {
	about       conversation.Context
	transcript  platforms.Transcript
	maxMessages int
	ends        int
}

func (p *platform) Claim(context.Context, conversation.Ref) error {
	p.transcript.State = platforms.StateOpen
	return nil
}
func (p *platform) Context(context.Context, conversation.Ref) (conversation.Context, error) {
	return p.about, nil
}
func (p *platform) Transcript(context.Context, conversation.Ref) (platforms.Transcript, error) {
	return p.transcript, nil
}
func (p *platform) Send(_ context.Context, _ conversation.Ref, in platforms.Send) (platforms.Reply, error) {
	answer := conversation.Text(conversation.RoleUser, "go on")
	p.transcript.Messages = append(append(p.transcript.Messages, in.Messages...), answer)
	out := platforms.Reply{Messages: []conversation.Message{answer}}
	if len(p.transcript.Messages) >= p.maxMessages {
		out.Ended, p.transcript.State = true, platforms.StateEnded
		p.transcript.EndedBy = conversation.EndedByTurnLimit
	}
	return out, nil
}
func (p *platform) End(context.Context, conversation.Ref) error {
	p.ends++
	p.transcript.State, p.transcript.EndedBy = platforms.StateEnded, conversation.EndedByAgent
	return nil
}
func (p *platform) Check(context.Context, string, string) error { return nil }

type only struct{ executors.Executor }

func (o only) Resolve(context.Context, string) (string, executors.Executor, error) {
	return "agent", o.Executor, nil
}

func environment(t *testing.T, p platforms.Platform, name string, e executors.Executor) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	return environmentOf(t, p, name, only{e})
}

func environmentOf(t *testing.T, p platforms.Platform, name string, e activities.Executors) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	workflows.Register(env)
	a, err := activities.NewConversation(activities.Config{
		Platforms: map[string]platforms.Instance{name: {Name: name, Platform: p}}, Executors: e,
	})
	require.NoError(t, err)
	a.Register(env)
	return env
}

func input(name string) workflows.ConversationInput {
	return workflows.ConversationInput{Ref: conversation.Ref{Platform: name, ID: "c"}, Side: workflows.SidePlatform}.WithDefaults()
}

// listedTask is a task of a platform.
func listedTask(name string) workflows.ConversationInput {
	return workflows.ConversationInput{Ref: conversation.Ref{Platform: name, ID: "c"}, Side: workflows.SideTask}.WithDefaults()
}

func outcome(t *testing.T, env *testsuite.TestWorkflowEnvironment) conversation.Outcome {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	var out conversation.Outcome
	require.NoError(t, env.GetWorkflowResult(&out))
	return out
}

func TestOverTheSimulator(t *testing.T) {
	r := rig.New(t, nil, rig.Options{Setup: sim.Setup{Conversations: 1}})
	ref := r.Waiting(t)[0].Ref
	fake := &executortest.Fake{}
	env := environment(t, r.Platform, r.Name, fake)
	env.ExecuteWorkflow(workflows.ConversationName, workflows.ConversationInput{Ref: ref, Side: workflows.SidePlatform}.WithDefaults())
	out := outcome(t, env)
	require.Equal(t, conversation.OutcomeEnded, out.Kind)
	require.Len(t, fake.Requests(), out.Turns)
	transcript, err := r.Platform.Transcript(t.Context(), ref)
	require.NoError(t, err)
	require.Len(t, transcript.Messages, out.Messages)
	require.Equal(t, transcript.EndedBy, out.EndedBy)
}

// What the other side asks to wait is waited, as a durable timer.
func TestRetryAfterIsWaitedOut(t *testing.T) {
	fake := (&executortest.Fake{}).FailTurn(1, &conversation.Error{
		Kind: conversation.RateLimited, Err: errors.New("slow down"), RetryAfter: 4 * time.Minute,
	})
	env := environment(t, &platform{maxMessages: 3}, "mem", fake)
	begin := env.Now()
	env.ExecuteWorkflow(workflows.ConversationName, input("mem"))
	outcome(t, env)
	require.GreaterOrEqual(t, env.Now().Sub(begin), 4*time.Minute)
	require.Len(t, fake.Requests(), 2)
}

// A conversation waits no longer than its platform does, whatever the other side asks for.
func TestLongRetryAfterParksUntilExpiry(t *testing.T) {
	fake := (&executortest.Fake{}).FailTurn(1, &conversation.Error{
		Kind: conversation.RateLimited, Err: errors.New("come back tomorrow"), RetryAfter: 30 * time.Hour,
	})
	p := &platform{maxMessages: 3}
	env := environment(t, p, "mem", fake)
	p.about.Expires = env.Now().Add(24 * time.Hour)
	var parked workflows.Status
	env.RegisterDelayedCallback(func() {
		value, err := env.QueryWorkflow(workflows.QueryStatus)
		require.NoError(t, err)
		require.NoError(t, value.Get(&parked))
	}, 12*time.Hour)
	env.ExecuteWorkflow(workflows.ConversationName, input("mem"))
	out := outcome(t, env)
	require.Equal(t, workflows.StateNeedsAttention, parked.State)
	require.Contains(t, parked.Attention.Reason, "come back tomorrow")
	require.Contains(t, parked.Attention.Reason, "waits until "+parked.Attention.NextCheck.Format("2006-01-02 15:04:05 UTC"))
	require.Equal(t, conversation.OutcomeExpired, out.Kind)
	require.Equal(t, 24*time.Hour, out.Duration.Round(time.Minute))
	require.Equal(t, 1, p.ends, "the platform is told")
	require.Len(t, fake.Requests(), 1, "nothing more was bought")
}

func TestFailedAttemptsCount(t *testing.T) {
	fake := (&executortest.Fake{}).FailTurn(1, &conversation.Error{
		Kind: conversation.Unavailable, Err: errors.New("cut off"), Usage: conversation.Usage{OutputTokens: 1000, Calls: 1},
	})
	env := environment(t, &platform{maxMessages: 3}, "mem", fake)
	env.ExecuteWorkflow(workflows.ConversationName, input("mem"))
	out := outcome(t, env)
	require.EqualValues(t, 1002, out.Usage.OutputTokens)
	require.EqualValues(t, 2, out.Usage.Calls)
}

// When Temporal suggests it, the conversation goes on in a new run with all it
// needs.
func TestContinueAsNewWhenSuggested(t *testing.T) {
	env := environment(t, &platform{maxMessages: 100}, "mem", &executortest.Fake{})
	env.SetContinueAsNewSuggested(true)
	env.ExecuteWorkflow(workflows.ConversationName, input("mem"))
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
	require.Equal(t, workflows.ConversationName, again.WorkflowType.Name)
}

func TestUpdatesAreValidated(t *testing.T) {
	fake := &executortest.Fake{}
	env := environment(t, &platform{maxMessages: 5}, "mem", fake)
	rejected := map[string]string{}
	update := func(name string, arg any) {
		env.UpdateWorkflow(name, name, &testsuite.TestUpdateCallback{
			OnAccept:   func() {},
			OnReject:   func(err error) { rejected[name] = err.Error() },
			OnComplete: func(any, error) {},
		}, arg)
	}
	env.RegisterDelayedCallback(func() {
		update(workflows.UpdateResume, workflows.ResumeRequest{})
		update(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "too early"})
	}, 0)
	env.ExecuteWorkflow(workflows.ConversationName, input("mem"))
	outcome(t, env)
	require.Contains(t, rejected[workflows.UpdateResume], "nothing to resume")
	require.Contains(t, rejected[workflows.UpdateTakeover], "not claimed yet")
}
