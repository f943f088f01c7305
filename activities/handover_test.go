package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/platforms"
)

// A worker that stops hands each step over: that is a result, no failed attempt, and it
// carries what the next worker has to know.
func TestStepsAreHandedOver(t *testing.T) {
	t.Parallel()
	const drain = 30 * time.Second
	var asked executors.Request
	model := &executortest.Fake{Reply: func(ctx context.Context, req executors.Request) (executors.Result, error) {
		return executors.Result{}, stall(ctx)
	}}
	tokens := &executortest.Fake{Reply: func(ctx context.Context, req executors.Request) (executors.Result, error) {
		asked = req
		req.OnAttach(json.RawMessage(`"run-1"`))
		<-ctx.Done()
		return executors.Result{}, &conversation.Error{
			Kind: conversation.Unavailable, Err: context.Cause(ctx), Usage: conversation.Usage{InputTokens: 3},
		}
	}}
	marked := func(t *testing.T, mark *activities.Mark, sends int) {
		t.Helper()
		require.NotNil(t, mark)
		require.Equal(t, sends, mark.Sends)
		require.False(t, mark.Cut.IsZero(), "it was cut off, and may take effect later")
	}
	for name, tt := range map[string]struct {
		executor executors.Executor
		do       func(t *testing.T, e env)
	}{
		"claim": {do: func(t *testing.T, e env) {
			out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			require.False(t, out.Claimed)
			marked(t, out.Tried, 1)
		}},
		"claim, the second time": {do: func(t *testing.T, e env) {
			out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref, Tried: &activities.Mark{Time: time.Now(), Sends: 1}})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			marked(t, out.Tried, 2)
		}},
		"claim of a task": {do: func(t *testing.T, e env) {
			out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: at("tasks")})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			marked(t, out.Tried, 1)
		}},
		"find claim": {do: func(t *testing.T, e env) {
			tried := &activities.Mark{Time: time.Now(), Sends: 3}
			out, err := run[activities.FindClaimResult](t, e, e.activities.FindClaim, activities.FindClaimInput{Ref: ref, Tried: tried})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			require.False(t, out.Ours)
			require.Equal(t, 3, out.Tried.Sends)
		}},
		"find claim of a task": {do: func(t *testing.T, e env) {
			out, err := run[activities.FindClaimResult](t, e, e.activities.FindClaim, activities.FindClaimInput{Ref: at("tasks")})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			require.NotNil(t, out.Tried, "the claim's age counts from here")
		}},
		"context": {do: func(t *testing.T, e env) {
			out, err := run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: ref})
			require.NoError(t, err)
			require.Equal(t, activities.ContextResult{HandedOver: true}, out)
		}},
		"exchange": {do: func(t *testing.T, e env) {
			out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{Ref: ref, Messages: []conversation.Message{agent("hi")}})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			marked(t, out.Tried, 1)
			require.Zero(t, out.Taken)
		}},
		"reply": {executor: model, do: func(t *testing.T, e env) {
			in := activities.ReplyInput{Ref: ref, Turn: 1, Resume: &activities.ReplyProgress{Failed: 2, Spent: conversation.Usage{OutputTokens: 5}}}
			out, err := run[activities.ReplyResult](t, e, e.activities.Reply, in)
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			require.Equal(t, 2, out.Resume.Failed, "the hand-over is no failed attempt")
			require.EqualValues(t, 5, out.Resume.Spent.OutputTokens)
			require.Zero(t, out.Wait)
		}},
		"reply with a token": {executor: tokens, do: func(t *testing.T, e env) {
			out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			require.JSONEq(t, `"run-1"`, string(out.Resume.Attach))
			require.Equal(t, "resolved", out.Resume.Executor)
			require.EqualValues(t, 3, out.Resume.Spent.InputTokens)
			require.NotNil(t, asked.OnAttach)
		}},
		"tool": {do: func(t *testing.T, e env) {
			_, err := run[activities.CallToolResult](t, e, e.activities.CallTool, activities.CallToolInput{Ref: ref, Turn: 1})
			require.Equal(t, 1, detailsOf(t, conversation.Ambiguous, err).Mark.Sends, "the next worker could only guess")
		}},
		"tool that may be called again": {do: func(t *testing.T, e env) {
			out, err := run[activities.CallToolResult](t, e, e.activities.CallTool, activities.CallToolInput{
				Ref: ref, Turn: 1, Call: activities.PlannedCall{Repeatable: true}, Tried: &activities.Mark{Time: time.Now(), Sends: 1},
			})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			require.Equal(t, 2, out.Tried.Sends)
		}},
		"end": {do: func(t *testing.T, e env) {
			out, err := run[activities.EndResult](t, e, e.activities.End, activities.EndInput{Ref: ref})
			require.NoError(t, err)
			require.Equal(t, activities.EndResult{HandedOver: true}, out)
		}},
		"callback": {do: func(t *testing.T, e env) {
			out, err := run[activities.DeliverResult](t, e, e.activities.Deliver, activities.DeliverInput{Attempts: 4, Made: 1})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			require.Equal(t, 2, out.Attempts, "the request was made")
			require.Empty(t, out.State)
		}},
		"report": {do: func(t *testing.T, e env) {
			out, err := run[activities.ReportResult](t, e, e.activities.Report, activities.ReportInput{Ref: at("tasks"), Tried: &activities.Mark{Time: time.Now(), Sends: 1}})
			require.NoError(t, err)
			require.True(t, out.HandedOver)
			require.Equal(t, 2, out.Tried.Sends)
		}},
		"notify": {do: func(t *testing.T, e env) {
			out, err := run[activities.NotifyResult](t, e, e.activities.Notify, activities.NotifyInput{Platform: "fake"})
			require.NoError(t, err)
			require.Equal(t, activities.NotifyResult{HandedOver: true}, out)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				others := &stalledOthers{}
				a, err := activities.NewConversation(activities.Config{
					Platforms: map[string]platforms.Instance{
						"fake": {Platform: stalled{}, Settle: time.Minute}, "tasks": {Platform: stalledTasks{oneTask(conversation.Task{})}},
					},
					Executors: oneExecutor{tt.executor}, Tools: others, Callbacks: others, Drain: drain,
				})
				require.NoError(t, err)
				e, stopping := newEnvOf(t, a), make(chan struct{})
				e.SetWorkerStopChannel(stopping)
				begin := time.Now()
				time.AfterFunc(10*time.Second, func() { close(stopping) })
				tt.do(t, e)
				require.Equal(t, 10*time.Second+drain-2*time.Second, time.Since(begin), "the drain time is used, but for what recording takes")
				a.Wait()
			})
		})
	}
}

// An error that comes while the worker stops, but before the attempt's time is over, is a
// failed attempt as any other.
func TestFailureOfAStoppingWorker(t *testing.T) {
	t.Parallel()
	p := &fakePlatform{claim: &conversation.Error{Kind: conversation.Unauthorized, Op: "claim", Err: errors.New("wrong key")}}
	a, err := activities.NewConversation(activities.Config{
		Platforms: map[string]platforms.Instance{"fake": {Platform: p}}, Executors: oneExecutor{}, Drain: time.Hour,
	})
	require.NoError(t, err)
	e, stopping := newEnvOf(t, a), make(chan struct{})
	close(stopping)
	e.SetWorkerStopChannel(stopping)
	_, err = run[activities.ClaimResult](t, e, a.Claim, activities.ClaimInput{Ref: ref})
	detailsOf(t, conversation.Unauthorized, err)
}
