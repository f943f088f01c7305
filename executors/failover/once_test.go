package failover_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/limit"
)

// once is an executor that does nothing twice.
type once struct{ *executortest.Fake }

func (once) AtMostOnce() bool { return true }

// What a link that does nothing twice may have done, no other is asked to do; the
// wrappers do not hide that it is one.
func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err      error
		passedOn bool
	}{
		"Ambiguous":    {&conversation.Error{Kind: conversation.Unavailable, Op: "x", RetryAfter: time.Hour, Ambiguous: true}, false},
		"HasNotLanded": {&conversation.Error{Kind: conversation.Unavailable, Op: "x", RetryAfter: time.Hour}, true},
		"NobodyKnows":  {errors.New("panic"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counted, err := budget.New(once{new(executortest.Fake).FailTurn(1, tc.err)}, nil, budget.Config{Name: "x"})
			require.NoError(t, err)
			limited, err := limit.New(limit.NewPool(nil), counted, limit.Key{Provider: "x"}, limit.Config{})
			require.NoError(t, err)
			require.True(t, executors.AtMostOnce(limited))
			next := &executortest.Fake{}
			chain := newChain(t, nil, failover.Config{}, limited, next)
			require.True(t, chain.AtMostOnce())

			_, err = chain.Execute(t.Context(), executortest.Request("c1", "Hello"))
			if tc.passedOn {
				require.NoError(t, err)
				return
			}
			var ce *conversation.Error
			if errors.As(err, &ce) {
				require.True(t, ce.Ambiguous)
			} else {
				require.Error(t, err)
			}
			require.Empty(t, next.Requests())
		})
	}
	plain := newChain(t, nil, failover.Config{}, &executortest.Fake{})
	require.False(t, plain.AtMostOnce())
	var _ executors.Once = plain
}

// A run that must not happen twice does not hide behind the token of another
// link's: an attempt with that token would take the run for one that it can continue.
func TestAtMostOnceTakesBackTokens(t *testing.T) {
	t.Parallel()
	hands := executor(func(_ context.Context, req executors.Request) (executors.Result, error) {
		req.OnAttach(json.RawMessage(`"run of a"`))
		return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: "x", RetryAfter: time.Hour}
	})
	var tokens []json.RawMessage
	var before int // tokens recorded when the second link was asked
	runs := &executortest.Fake{OnCall: func(executors.Request) { before = len(tokens) }}
	inner := newChain(t, nil, failover.Config{Attempts: 1}, hands, once{runs})
	chain := newChain(t, nil, failover.Config{Attempts: 1}, inner)
	req := executortest.Request("c1", "Hello")
	req.OnAttach = func(token json.RawMessage) { tokens = append(tokens, token) }
	_, err := chain.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Contains(t, string(tokens[len(tokens)-2]), "run of a")
	require.Nil(t, tokens[len(tokens)-1])
	require.Len(t, tokens, before, "taken back before the link is asked")

	// The same for a token that an earlier attempt has left.
	left := tokens[len(tokens)-2]
	tokens = nil
	req.Attempt, req.Attach = 2, left
	inner = newChain(t, nil, failover.Config{Attempts: 1}, hands, once{runs})
	_, err = inner.Execute(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, []json.RawMessage{nil}, tokens)
	require.Nil(t, runs.Requests()[1].Attach)
}

// toolless is an executor with no use for tools.
type toolless struct{ *executortest.Fake }

func (toolless) Toolless() bool { return true }

// A chain takes tools as long as one link does; the wrappers say what is within.
func TestToolless(t *testing.T) {
	t.Parallel()
	wrapped := func(e executors.Executor) executors.Executor {
		counted, err := budget.New(e, nil, budget.Config{Name: "x"})
		require.NoError(t, err)
		limited, err := limit.New(limit.NewPool(nil), counted, limit.Key{Provider: "x"}, limit.Config{})
		require.NoError(t, err)
		return limited
	}
	own, model := wrapped(toolless{&executortest.Fake{}}), wrapped(&executortest.Fake{})
	require.False(t, executors.TakesTools(own))
	require.True(t, executors.TakesTools(model))
	require.False(t, executors.TakesTools(newChain(t, nil, failover.Config{}, own, own)))
	require.True(t, executors.TakesTools(newChain(t, nil, failover.Config{}, own, model)))
}
