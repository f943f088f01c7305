package budget_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/executortest"
)

// Where a provider reports no tokens, the estimate stands, in the day's sum and in the
// usage that the conversation adds up.
func TestCallsWithoutUsage(t *testing.T) {
	t.Parallel()
	says := func(text string, u conversation.Usage) executors.Result {
		return executors.Result{Message: conversation.Text(conversation.RoleAssistant, text), Usage: u}
	}
	fails := func(kind conversation.Kind, u conversation.Usage) error {
		return &conversation.Error{Kind: kind, Op: "fake", Err: errors.New("no"), Usage: u}
	}
	called := conversation.Usage{Calls: 1}
	for name, c := range map[string]struct {
		result executors.Result
		err    error
		tokens int64 // at least
		exact  bool
	}{
		"NoUsage":            {result: says("Hi", conversation.Usage{}), tokens: 1000},
		"CallsAlone":         {result: says("Hi", called), tokens: 1000},
		"LongReply":          {result: says(strings.Repeat("long ", 4000), called), tokens: 5500},
		"Reported":           {result: says("Hi", conversation.Usage{InputTokens: 3, OutputTokens: 1}), tokens: 4, exact: true},
		"BrokenOffAfterText": {err: fails(conversation.Unavailable, called), tokens: 1000},
		"UselessAnswer":      {err: fails(conversation.Invalid, called), tokens: 1000},
		"RefusedByModel":     {err: fails(conversation.Refused, called), tokens: 1000},
		"NoAnswer":           {err: fails(conversation.Unavailable, conversation.Usage{}), exact: true},
		"RateLimited":        {err: fails(conversation.RateLimited, called), exact: true},
		"QuotaExhausted":     {err: fails(conversation.QuotaExhausted, called), exact: true},
		"Unauthorized":       {err: fails(conversation.Unauthorized, called), exact: true},
		"TooLong":            {err: fails(conversation.ContextTooLong, called), exact: true},
		"FailedWithUsage":    {err: fails(conversation.Unavailable, conversation.Usage{InputTokens: 7, Calls: 1}), tokens: 7, exact: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			ledger := budget.NewMemory()
			next := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) { return c.result, c.err }}
			e := wrapped(t, next, ledger, budget.Config{
				Day: budget.Limits{Tokens: 1_000_000}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			for i := range 2 {
				res, err := e.Execute(t.Context(), executortest.Request(fmt.Sprint(i), "Hello"))
				usage := res.Usage
				var ce *conversation.Error
				if errors.As(err, &ce) {
					usage = ce.Usage
				}
				require.Equal(t, c.exact, usage.EstimatedTokens == 0)
				require.GreaterOrEqual(t, budget.Tokens(usage), c.tokens)
				require.Equal(t, c.tokens > 0, usage.Cost > 0)
			}
			sum := total(t, ledger)
			require.GreaterOrEqual(t, sum.Tokens, 2*c.tokens)
			if c.exact {
				require.Equal(t, 2*c.tokens, sum.Tokens)
				require.Empty(t, log.String())
			} else {
				require.Equal(t, 1, strings.Count(log.String(), "reports no tokens"), "one warning")
			}
		})
	}
}

// One conversation after the other overspends by one reply at most, several at a time by
// one reply each, whether the provider reports its tokens or not.
func TestOverspending(t *testing.T) {
	t.Parallel()
	for name, usage := range map[string]conversation.Usage{
		"Reported": {InputTokens: 1000, OutputTokens: 200, Calls: 1}, "NotReported": {},
	} {
		for _, parallel := range []int{1, 5} {
			t.Run(fmt.Sprint(name, parallel), func(t *testing.T) {
				t.Parallel()
				ledger := budget.NewMemory()
				next := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
					return executors.Result{Message: conversation.Text(conversation.RoleAssistant, "Hi"), Model: "fake-1", Usage: usage}, nil
				}}
				const limit, reply = 9000, 3000 // millionths: one reply costs 1,800, or as an estimate 2,502
				e := wrapped(t, next, ledger, budget.Config{Day: budget.Limits{Money: limit}})
				var all sync.WaitGroup
				for conv := range parallel {
					all.Go(func() {
						for i := range 20 {
							if _, err := e.Execute(t.Context(), executortest.Request(fmt.Sprintf("%d-%d", conv, i), "Hello")); err != nil {
								return
							}
						}
						t.Error("the budget has no end")
					})
				}
				all.Wait()
				sum := total(t, ledger)
				require.GreaterOrEqual(t, sum.Money, budget.Money(limit))
				require.Less(t, sum.Money, budget.Money(limit+parallel*reply))
			})
		}
	}
}
