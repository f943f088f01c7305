package executortest_test

import (
	"context"
	"errors"
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
	})
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
