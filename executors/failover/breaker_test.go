package failover_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/failover"
)

func TestADeadProviderIsNoticedOnceForAllConversations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := &recorder{}
		breakers := failover.NewBreakers(seen)
		var asked int
		var dead error = fail(conversation.Unavailable)
		first := executor(func(ctx context.Context, req executors.Request) (executors.Result, error) {
			asked++
			if dead != nil {
				return executors.Result{}, dead
			}
			return named("first").Execute(ctx, req)
		})
		// Two chains with a link in common: the breaker is the provider's.
		one := newChain(t, breakers, failover.Config{}, first, named("second"))
		other := newChain(t, breakers, failover.Config{Attempts: 5}, first, named("third"))

		for i := range 3 {
			_, err := one.Execute(t.Context(), executortest.Request(fmt.Sprint(i), "Hello"))
			require.True(t, conversation.IsKind(err, conversation.Unavailable))
		}
		for i := range 20 {
			res, err := one.Execute(t.Context(), executortest.Request(fmt.Sprint("n", i), "Hello"))
			require.NoError(t, err)
			require.Equal(t, "second", res.Model)
		}
		res, err := other.Execute(t.Context(), executortest.Request("other", "Hello"))
		require.NoError(t, err)
		require.Equal(t, "third", res.Model)
		require.Equal(t, 3, asked)

		// A minute later one request tries, in vain.
		time.Sleep(time.Minute)
		_, err = one.Execute(t.Context(), executortest.Request("probe", "Hello"))
		require.True(t, conversation.IsKind(err, conversation.Unavailable))
		_, err = one.Execute(t.Context(), executortest.Request("after", "Hello"))
		require.NoError(t, err)
		require.Equal(t, 4, asked)

		// Another minute later it is back.
		time.Sleep(time.Minute)
		dead = nil
		for i := range 3 {
			res, err = one.Execute(t.Context(), executortest.Request(fmt.Sprint("back", i), "Hello"))
			require.NoError(t, err)
			require.Equal(t, "first", res.Model)
		}
		require.Subset(t, seen.events, []string{"link1: open", "link1: half-open", "link1: closed"})
	})
}

func TestOneRequestTriesWhetherItIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked, probing := 0, false
		first := executor(func(ctx context.Context, req executors.Request) (executors.Result, error) {
			mu.Lock()
			asked++
			slow := probing
			mu.Unlock()
			if slow {
				time.Sleep(10 * time.Second)
				return named("first").Execute(ctx, req)
			}
			return executors.Result{}, fail(conversation.Unavailable)
		})
		chain := newChain(t, nil, failover.Config{}, first, named("second"))
		for range 3 {
			_, err := chain.Execute(t.Context(), executortest.Request("c", "Hello"))
			require.Error(t, err)
		}
		time.Sleep(time.Minute)
		probing, asked = true, 0
		models := make([]string, 50)
		var group sync.WaitGroup
		for i := range models {
			group.Go(func() {
				if res, err := chain.Execute(t.Context(), executortest.Request(fmt.Sprint(i), "Hello")); err == nil {
					models[i] = res.Model
				}
			})
		}
		group.Wait()
		require.Equal(t, 1, asked)
		firsts := 0
		for _, m := range models {
			if m == "first" {
				firsts++
			} else {
				require.Equal(t, "second", m)
			}
		}
		require.Equal(t, 1, firsts)
	})
}

func TestAllLinksLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		chain := newChain(t, nil, failover.Config{Attempts: 3}, failing(conversation.Unavailable), failing(conversation.Unavailable))
		req := executortest.Request("c", "Hello")
		for req.Attempt = 1; req.Attempt <= 6; req.Attempt++ {
			_, err := chain.Execute(t.Context(), req)
			require.Error(t, err)
			time.Sleep(4 * time.Second)
		}
		_, err := chain.Execute(t.Context(), req)
		var ce *conversation.Error
		require.ErrorAs(t, err, &ce)
		require.Equal(t, conversation.Unavailable, ce.Kind)
		// The first opened at second 8, the second at 20; it is second 24.
		require.Equal(t, 44*time.Second, ce.RetryAfter)
		time.Sleep(ce.RetryAfter)
		_, err = chain.Execute(t.Context(), req)
		require.ErrorAs(t, err, &ce)
		require.Zero(t, ce.RetryAfter, "the first one has been asked again")
	})
}

// Three in a row of these, and then a request that has to reach the link.
func TestWhatOpensTheBreaker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		opens bool
	}{
		"Unavailable":    {fail(conversation.Unavailable), true},
		"WithoutAKind":   {fmt.Errorf("oops"), true},
		"Timeout":        {fmt.Errorf("too slow: %w", context.DeadlineExceeded), true},
		"Cancelled":      {fmt.Errorf("no caller waits: %w", context.Canceled), false},
		"RateLimited":    {fail(conversation.RateLimited), false},
		"Queued":         {queued(time.Second), false},
		"Unauthorized":   {fail(conversation.Unauthorized), false},
		"QuotaExhausted": {fail(conversation.QuotaExhausted), false},
		"Invalid":        {fail(conversation.Invalid), false},
		"Refused":        {fail(conversation.Refused), false},
		"ContextTooLong": {fail(conversation.ContextTooLong), false},
		"BudgetSpent":    {fail("BudgetSpent"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			chain := newChain(t, nil, failover.Config{}, executor(func(context.Context, executors.Request) (executors.Result, error) {
				asked++
				return executors.Result{}, c.err
			}))
			for range 4 {
				_, err := chain.Execute(t.Context(), executortest.Request("c", "Hello"))
				require.Error(t, err)
			}
			require.Equal(t, c.opens, asked == 3, "asked %d times", asked)
		})
	}
}

// What says nothing about the provider must not use up the one try.
func TestATryThatSaysNothingLeavesRoomForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := fail(conversation.Unavailable)
		asked := 0
		chain := newChain(t, nil, failover.Config{}, executor(func(context.Context, executors.Request) (executors.Result, error) {
			asked++
			return executors.Result{}, err
		}))
		for range 3 {
			_, _ = chain.Execute(t.Context(), executortest.Request("c", "Hello"))
		}
		time.Sleep(time.Minute)
		for _, kind := range []conversation.Kind{conversation.Unauthorized, conversation.Invalid, conversation.RateLimited, conversation.Invalid} {
			err = fail(kind)
			_, got := chain.Execute(t.Context(), executortest.Request("c", "Hello"))
			require.True(t, conversation.IsKind(got, kind))
		}
		require.Equal(t, 7, asked)
	})
}

func TestLinksOfOneProviderShareABreaker(t *testing.T) {
	t.Parallel()
	asked := 0
	large := executor(func(context.Context, executors.Request) (executors.Result, error) {
		asked++
		return executors.Result{}, fail(conversation.Unavailable)
	})
	chain, err := failover.New("main", failover.Config{}, []failover.Link{
		{Name: "large", Executor: large, Provider: "openai"},
		{Name: "small", Executor: large, Provider: "openai"},
		{Name: "local", Executor: named("local")},
	}, failover.NewBreakers(nil))
	require.NoError(t, err)
	for range 3 {
		_, err := chain.Execute(t.Context(), executortest.Request("c", "Hello"))
		require.Error(t, err)
	}
	res, err := chain.Execute(t.Context(), executortest.Request("c", "Hello"))
	require.NoError(t, err)
	require.Equal(t, "local", res.Model)
	require.Equal(t, 3, asked)
}
