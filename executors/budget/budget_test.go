package budget_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/scripted"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// prices: the Fake's model uses 10 tokens in and 2 out, which cost 0.000018.
var prices = budget.Prices{"fake-1": {Input: budget.One, Output: 4 * budget.One}}

func TestContract(t *testing.T) {
	t.Parallel()
	wrap := func(t *testing.T, next executors.Executor) executors.Executor {
		return wrapped(t, next, budget.NewMemory(), budget.Config{Day: budget.Limits{Tokens: 1_000_000, Money: 100 * budget.One}})
	}
	t.Run("Scripted", func(t *testing.T) {
		t.Parallel()
		play := func(latency time.Duration) func(*testing.T) executors.Executor {
			return func(t *testing.T) executors.Executor {
				e, err := scripted.New(scripted.Config{Latency: latency})
				require.NoError(t, err)
				return wrap(t, e)
			}
		}
		executortest.Run(t, executortest.Fixture{New: play(0), Stall: play(time.Hour)})
	})
	t.Run("Fake", func(t *testing.T) {
		t.Parallel()
		executortest.Run(t, executortest.Fixture{
			Model: true,
			New:   func(t *testing.T) executors.Executor { return wrap(t, &executortest.Fake{}) },
			Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
				return wrap(t, new(executortest.Fake).FailTurn(1, &conversation.Error{
					Kind: want.Kind, Op: "fake", RetryAfter: want.RetryAfter, Remedy: "tell the fake not to", Err: errors.New("told to"),
				}))
			},
		})
	})
}

func TestStopsWhenTheDayIsSpent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		day  budget.Limits
		want string
	}{
		"Tokens": {budget.Limits{Tokens: 36}, "36 of 36 tokens are spent for 2000-01-01"},
		"Money":  {budget.Limits{Money: 50}, "0.000054 of 0.00005 EUR are spent for 2000-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // it begins at midnight, 2000-01-01 UTC
				ledger := budget.NewMemory()
				next := &executortest.Fake{}
				e := wrapped(t, next, ledger, budget.Config{Day: c.day, Currency: "EUR"})
				for i := range 3 {
					_, err := e.Execute(t.Context(), executortest.Request(fmt.Sprint(i), "Hello"))
					require.NoError(t, err)
				}
				time.Sleep(20 * time.Hour)
				_, err := e.Execute(t.Context(), executortest.Request("4", "Hello"))
				require.True(t, conversation.IsKind(err, conversation.BudgetSpent))
				require.ErrorContains(t, err, c.want)
				require.ErrorContains(t, err, "raise budget.day, or resume after 2000-01-02 00:00 UTC")
				var ce *conversation.Error
				require.ErrorAs(t, err, &ce)
				require.Equal(t, 4*time.Hour, ce.RetryAfter)
				require.Len(t, next.Requests(), 3)

				time.Sleep(ce.RetryAfter)
				_, err = e.Execute(t.Context(), executortest.Request("4", "Hello"))
				require.NoError(t, err, "a new day, a new budget")
			})
		})
	}
}

func TestADayBeginsWhereThePeopleAre(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := wrapped(t, &executortest.Fake{}, budget.NewMemory(), budget.Config{Day: budget.Limits{Tokens: 1}, TimeZone: "America/New_York"})
		_, err := e.Execute(t.Context(), executortest.Request("a", "Hello"))
		require.NoError(t, err)
		_, err = e.Execute(t.Context(), executortest.Request("b", "Hello"))
		require.ErrorContains(t, err, "for 1999-12-31")
		var ce *conversation.Error
		require.ErrorAs(t, err, &ce)
		require.Equal(t, 5*time.Hour, ce.RetryAfter)
	})
}

func TestExecutorsOfOneNameShareABudget(t *testing.T) {
	t.Parallel()
	ledger := budget.NewMemory()
	cfg := budget.Config{Day: budget.Limits{Tokens: 12}}
	_, err := wrapped(t, &executortest.Fake{}, ledger, cfg).Execute(t.Context(), executortest.Request("a", "Hello"))
	require.NoError(t, err)
	// Another worker, after a crash: a new executor, the same ledger.
	_, err = wrapped(t, &executortest.Fake{}, ledger, cfg).Execute(t.Context(), executortest.Request("b", "Hello"))
	require.True(t, conversation.IsKind(err, conversation.BudgetSpent))
	cfg.Name = "other"
	_, err = wrapped(t, &executortest.Fake{}, ledger, cfg).Execute(t.Context(), executortest.Request("b", "Hello"))
	require.NoError(t, err)
}

func TestFailedAttemptsCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ledger := budget.NewMemory()
		next := new(executortest.Fake).FailTurn(1,
			&conversation.Error{Kind: conversation.Unavailable, Op: "fake", Usage: conversation.Usage{InputTokens: 100, OutputTokens: 20, Calls: 1}},
			errors.New("no connection"),
		)
		e := wrapped(t, next, ledger, budget.Config{Day: budget.Limits{Tokens: 1000}})
		req := executortest.Request("a", "Hello")
		for req.Attempt = 1; req.Attempt <= 3; req.Attempt++ {
			_, _ = e.Execute(t.Context(), req)
		}
		require.Equal(t, budget.Amount{Tokens: 132, Money: 198}, total(t, ledger))
		// The first attempt again, by a worker that knows nothing of the others.
		req.Attempt = 1
		_, _ = e.Execute(t.Context(), req)
		require.Equal(t, int64(252), total(t, ledger).Tokens)
	})
}

// A worker that dies in the middle of a call leaves the estimate.
func TestACallThatNobodyKnowsTheEndOfCountsWithItsEstimate(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(ctx context.Context){
		"Died":    func(context.Context) { panic("killed") },
		"GivenUp": func(ctx context.Context) { <-ctx.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ledger := budget.NewMemory()
				next := &executortest.Fake{Reply: func(ctx context.Context, _ executors.Request) (executors.Result, error) {
					end(ctx)
					return executors.Result{}, ctx.Err()
				}}
				e := wrapped(t, next, ledger, budget.Config{Day: budget.Limits{Tokens: 1}})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				func() {
					defer func() { _ = recover() }()
					_, _ = e.Execute(ctx, executortest.Request("a", "Hello"))
				}()
				require.Greater(t, total(t, ledger).Tokens, int64(500))
				require.Greater(t, total(t, ledger).Money, budget.Money(500))
				_, err := e.Execute(t.Context(), executortest.Request("b", "Hello"))
				require.True(t, conversation.IsKind(err, conversation.BudgetSpent))
			})
		})
	}
}

func TestCallsUnderWayExceedTheBudgetByNoMoreThanThemselves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ledger := budget.NewMemory()
		next := &executortest.Fake{Latency: func(executors.Request) time.Duration { return time.Minute }}
		e := wrapped(t, next, ledger, budget.Config{Day: budget.Limits{Tokens: 5000}})
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() { _, _ = e.Execute(t.Context(), executortest.Request(fmt.Sprint(i), "Hello")) })
			synctest.Wait()
		}
		group.Wait()
		require.Len(t, next.Requests(), 5, "each is estimated at about a thousand tokens")
	})
}

func TestALedgerThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	broken := errors.New("no connection to Temporal")
	var log bytes.Buffer
	for name, c := range map[string]struct {
		ledger  ledger
		kind    conversation.Kind
		asked   int
		warning string
	}{
		"Read":   {ledger: ledger{total: broken}, kind: conversation.Unavailable},
		"Write":  {ledger: ledger{book: broken}, kind: conversation.Unavailable},
		"Settle": {ledger: ledger{settle: broken}, asked: 1, warning: "its estimate counts"},
	} {
		log.Reset()
		next := &executortest.Fake{}
		e := wrapped(t, next, c.ledger, budget.Config{
			Day: budget.Limits{Tokens: 1000}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		_, err := e.Execute(t.Context(), executortest.Request("a", "Hello"))
		require.Equal(t, c.kind, conversation.KindOf(err), name)
		require.Len(t, next.Requests(), c.asked, "%s: nothing is spent that cannot be counted, nothing lost that was paid", name)
		require.Contains(t, log.String(), c.warning, name)
	}
}

func TestTheLedgerHeedsTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	e := wrapped(t, &executortest.Fake{}, ledger{total: errors.New("rpc: canceled by the client"), onTotal: cancel}, budget.Config{Day: budget.Limits{Tokens: 1}})
	_, err := e.Execute(ctx, executortest.Request("a", "Hello"))
	require.ErrorIs(t, err, context.Canceled)

	l := budget.NewMemory()
	_, err = wrapped(t, &executortest.Fake{}, l, budget.Config{Day: budget.Limits{Tokens: 1}}).Execute(ctx, executortest.Request("a", "Hello"))
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, total(t, l), "nothing was asked, nothing is counted")
}

func TestWithoutADailyLimitTheLedgerIsNotNeeded(t *testing.T) {
	t.Parallel()
	e, err := budget.New(&executortest.Fake{}, nil, budget.Config{Prices: prices})
	require.NoError(t, err)
	res, err := e.Execute(t.Context(), executortest.Request("a", "Hello"))
	require.NoError(t, err)
	require.Equal(t, budget.Money(18), e.Cost(res.Provider, res.Model, res.Usage))
}

func TestAModelWithoutAPrice(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := budget.Config{
		Name: "main", Day: budget.Limits{Money: 1, Tokens: 20}, Prices: prices,
		Provider: "openai", Model: "gpt-9", Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	next := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
		return executors.Result{
			Message: conversation.Text(conversation.RoleAssistant, "Hi"), Model: "gpt-9", Usage: conversation.Usage{InputTokens: 12},
		}, nil
	}}
	e, err := budget.New(next, budget.NewMemory(), cfg)
	require.NoError(t, err)
	require.Contains(t, log.String(), "no price is known for the model")
	require.Contains(t, log.String(), "gpt-9")
	for i := range 2 {
		_, err = e.Execute(t.Context(), executortest.Request(fmt.Sprint(i), "Hello"))
		require.NoError(t, err, "its money is not counted")
	}
	_, err = e.Execute(t.Context(), executortest.Request("c", "Hello"))
	require.ErrorContains(t, err, "24 of 20 tokens", "its tokens are")

	log.Reset()
	cfg.Prices = budget.Prices{"gpt-9": {}}
	_, err = budget.New(next, budget.NewMemory(), cfg)
	require.NoError(t, err)
	require.Empty(t, log.String(), "for nothing is a price")
}

func TestConfigReportsEveryFault(t *testing.T) {
	t.Parallel()
	below := budget.Money(-1)
	_, err := budget.New(&executortest.Fake{}, nil, budget.Config{
		Name: "a/b", Day: budget.Limits{Tokens: -1, Money: -1}, TimeZone: "Atlantis",
		Prices: budget.Prices{"*": {}, "a*b": {}, "c": {CachedInput: &below}, "d": {CacheWrite: &below}},
	})
	for _, want := range []string{
		"day.tokens is -1", "day.money is -0.000001", `name is "a/b"`, "day is limited, but there is no ledger", `time_zone is "Atlantis"`,
		"prices.* is no name", "prices.a*b is no name", "prices.c.cached_input is -0.000001", "prices.d.cache_write is -0.000001",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = budget.New(&executortest.Fake{}, budget.NewMemory(), budget.Config{Name: "a", Day: budget.Limits{Money: 1}})
	require.ErrorContains(t, err, "there are no prices")
}

func TestCheckAsksTheExecutorWithin(t *testing.T) {
	t.Parallel()
	missing := errors.New("no key")
	e := wrapped(t, &executortest.Fake{Unavailable: missing}, budget.NewMemory(), budget.Config{})
	require.ErrorIs(t, executors.Check(t.Context(), e), missing)
}

func wrapped(t *testing.T, next executors.Executor, l budget.Ledger, cfg budget.Config) *budget.Executor {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "main"
	}
	cfg.Prices, cfg.Provider, cfg.Model = prices, "fake", "fake-1"
	e, err := budget.New(next, l, cfg)
	require.NoError(t, err)
	return e
}

func total(t *testing.T, l budget.Ledger) budget.Amount {
	t.Helper()
	sum, err := l.Total(t.Context(), budget.Account{Name: "main", Day: time.Now().UTC().Format(time.DateOnly)})
	require.NoError(t, err)
	return sum
}

// ledger fails as told.
type ledger struct {
	total, book, settle error
	onTotal             func()
}

func (l ledger) Record(_ context.Context, _ budget.Account, e budget.Entry) error {
	if e.Final {
		return l.settle
	}
	return l.book
}

func (l ledger) Total(context.Context, budget.Account) (budget.Amount, error) {
	if l.onTotal != nil {
		l.onTotal()
	}
	return budget.Amount{}, l.total
}
