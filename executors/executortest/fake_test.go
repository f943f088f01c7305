package executortest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFakeKeepsTheContract(t *testing.T) {
	t.Parallel()
	executortest.Run(t, executortest.Fixture{
		New:   func(*testing.T) executors.Executor { return &executortest.Fake{} },
		Model: true,
		Stall: func(*testing.T) executors.Executor {
			return &executortest.Fake{Latency: func(executors.Request) time.Duration { return time.Hour }}
		},
		Fail: func(_ *testing.T, want executortest.Failure) executors.Executor {
			return new(executortest.Fake).FailTurn(1, &conversation.Error{
				Kind: want.Kind, Op: "fake", RetryAfter: want.RetryAfter, Remedy: "tell the fake not to", Err: errors.New("told to"),
			})
		},
		Calls: func(_ *testing.T, calls []executortest.ToolCall) executors.Executor {
			return &executortest.Fake{Reply: func(_ context.Context, req executors.Request) (executors.Result, error) {
				return callsOrResults(req, calls), nil
			}}
		},
	})
}

// callsOrResults is what a model does that Fixture.Calls describes.
func callsOrResults(req executors.Request, calls []executortest.ToolCall) executors.Result {
	res := executors.Result{Usage: conversation.Usage{Calls: 1}, Provider: "fake", Model: "fake-1", FinishReason: executors.FinishStop}
	var results []string
	for _, m := range req.Messages {
		for _, p := range m.Parts {
			if p.ToolResult != nil {
				results = append(results, p.ToolResult.CallID+" "+p.ToolResult.Content)
			}
		}
	}
	if len(results) > 0 || len(req.Tools) == 0 {
		res.Message = conversation.Text(conversation.RoleAssistant, cmp.Or(strings.Join(results, "\n"), "nothing to call"))
		return res
	}
	res.Message.Role, res.FinishReason = conversation.RoleAssistant, executors.FinishToolCall
	for _, c := range calls {
		arguments := json.RawMessage(c.Arguments)
		if !json.Valid(arguments) {
			arguments, _ = json.Marshal(c.Arguments) // a string: it cannot fail
		}
		res.Message.Parts = append(res.Message.Parts, conversation.Part{
			Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: c.ID, Name: c.Name, Arguments: arguments},
		})
	}
	return res
}

func TestFakeCountsWhatWasPaid(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	f := new(executortest.Fake).FailTurn(1, broken)
	req := executortest.Request("c1", "Hello")

	_, err := f.Execute(t.Context(), req)
	require.ErrorIs(t, err, broken)
	req.Attempt = 2
	res, err := f.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "reply 1", res.Message.Text())
	require.Zero(t, f.Duplicates(), "a failure costs nothing")

	req.Attempt = 3
	_, err = f.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, 1, f.Duplicates())
	require.Equal(t, map[string]int{req.IdempotencyKey: 2}, f.Paid())
	require.Equal(t, []int{1, 2, 3}, f.Attempts(req.IdempotencyKey))
	require.Len(t, f.Requests(), 3)
}

func TestFakeChargesForAnAnswerNobodyAwaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &executortest.Fake{Latency: func(executors.Request) time.Duration { return time.Minute }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req := executortest.Request("c1", "Hello")
		_, err := f.Execute(ctx, req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = f.Execute(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, 1, f.Duplicates())
	})
}
