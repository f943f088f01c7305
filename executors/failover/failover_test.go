package failover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/executors/scripted"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("Scripted", func(t *testing.T) {
		t.Parallel()
		chain := func(latency time.Duration) func(t *testing.T) executors.Executor {
			return func(t *testing.T) executors.Executor {
				e, err := scripted.New(scripted.Config{Latency: latency})
				require.NoError(t, err)
				return newChain(t, nil, failover.Config{}, e, e)
			}
		}
		executortest.Run(t, executortest.Fixture{New: chain(0), Stall: chain(time.Hour)})
	})
	t.Run("SecondLinkOfTwo", func(t *testing.T) {
		t.Parallel()
		executortest.Run(t, executortest.Fixture{
			Model: true,
			New: func(t *testing.T) executors.Executor {
				return newChain(t, nil, failover.Config{}, failing(conversation.Unauthorized), &executortest.Fake{})
			},
		})
	})
	t.Run("OneLink", func(t *testing.T) {
		t.Parallel()
		executortest.Run(t, executortest.Fixture{
			Model: true,
			New: func(t *testing.T) executors.Executor {
				return newChain(t, nil, failover.Config{}, &executortest.Fake{})
			},
			Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
				return newChain(t, nil, failover.Config{}, new(executortest.Fake).FailTurn(1, &conversation.Error{
					Kind: want.Kind, Op: "fake", RetryAfter: want.RetryAfter, Remedy: "tell the fake not to", Err: errors.New("told to"),
				}))
			},
		})
	})
}

// Which links are asked in an attempt, first to last.
func TestWhoIsAsked(t *testing.T) {
	t.Parallel()
	const (
		ok          = conversation.Kind("")
		unavailable = conversation.Unavailable
	)
	for name, c := range map[string]struct {
		cfg     failover.Config
		links   []error
		attempt int
		asked   string
		kind    conversation.Kind
	}{
		"TheFirst":                        {links: errs(ok, ok), attempt: 1, asked: "a"},
		"UnavailableIsNotPassedOnAtOnce":  {links: errs(unavailable, ok), attempt: 1, asked: "a", kind: unavailable},
		"NorInTheSecondAttempt":           {links: errs(unavailable, ok), attempt: 2, asked: "a", kind: unavailable},
		"ButTheThirdAsksTheNext":          {links: errs(unavailable, ok), attempt: 3, asked: "b"},
		"AfterTheLastTheFirst":            {links: errs(ok, unavailable), attempt: 5, asked: "a"},
		"AttemptsAsConfigured":            {cfg: failover.Config{Attempts: 1}, links: errs(ok, ok, ok), attempt: 3, asked: "c"},
		"UnauthorizedIsPassedOnAtOnce":    {links: errs(conversation.Unauthorized, ok), attempt: 1, asked: "ab"},
		"QuotaExhaustedToo":               {links: errs(conversation.QuotaExhausted, conversation.Unauthorized, ok), attempt: 1, asked: "abc"},
		"FromTheLastToTheFirst":           {links: errs(ok, conversation.Unauthorized), attempt: 3, asked: "ba"},
		"UnlessConfigured":                {cfg: failover.Config{SwitchOn: []conversation.Kind{}}, links: errs(conversation.Unauthorized, ok), attempt: 1, asked: "a", kind: conversation.Unauthorized},
		"RefusedIsNot":                    {links: errs(conversation.Refused, ok), attempt: 1, asked: "a", kind: conversation.Refused},
		"ContextTooLongIsNot":             {links: errs(conversation.ContextTooLong, ok), attempt: 1, asked: "a", kind: conversation.ContextTooLong},
		"UnlessConfiguredOtherwise":       {cfg: failover.Config{SwitchOn: []conversation.Kind{conversation.ContextTooLong}}, links: errs(conversation.ContextTooLong, ok), attempt: 1, asked: "ab"},
		"BudgetSpentIfConfigured":         {cfg: failover.Config{SwitchOn: []conversation.Kind{"BudgetSpent"}}, links: errs("BudgetSpent", ok), attempt: 1, asked: "ab"},
		"InvalidIsNot":                    {links: errs(conversation.Invalid, ok), attempt: 1, asked: "a", kind: conversation.Invalid},
		"AShortDelayIsWaited":             {links: []error{after(conversation.RateLimited, 30*time.Second), nil}, attempt: 1, asked: "a", kind: conversation.RateLimited},
		"ALongDelayIsNot":                 {links: []error{after(conversation.RateLimited, 31*time.Second), nil}, attempt: 1, asked: "ab"},
		"ADelayOfOtherKindsMeansNothing":  {links: []error{after("BudgetSpent", time.Hour), nil}, attempt: 1, asked: "a", kind: "BudgetSpent"},
		"NorALongQueueOfOurOwn":           {links: []error{queued(time.Minute), nil}, attempt: 1, asked: "ab"},
		"AnErrorWithoutAKindIsWaited":     {links: []error{errors.New("oops"), nil}, attempt: 1, asked: "a", kind: unavailable},
		"WhereWaitingMayHelpItSaysSo":     {links: []error{fail(conversation.Unauthorized), after(conversation.RateLimited, time.Hour)}, attempt: 1, asked: "ab", kind: unavailable},
		"WhereItDoesNotItSaysThat":        {links: errs(conversation.QuotaExhausted, conversation.Unauthorized), attempt: 1, asked: "ab", kind: conversation.QuotaExhausted},
		"TheLastErrorCountsIfItIsWaited":  {links: errs(conversation.Unauthorized, unavailable), attempt: 1, asked: "ab", kind: unavailable},
		"AttemptNumbersBelowOneAreFirsts": {links: errs(ok, ok), attempt: 0, asked: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := ""
			var links []executors.Executor
			for i, err := range c.links {
				links = append(links, executor(func(ctx context.Context, req executors.Request) (executors.Result, error) {
					asked += string(rune('a' + i))
					if err != nil {
						return executors.Result{}, err
					}
					return new(executortest.Fake).Execute(ctx, req)
				}))
			}
			req := executortest.Request("c1", "Hello")
			req.Attempt = c.attempt
			_, err := newChain(t, nil, c.cfg, links...).Execute(t.Context(), req)
			require.Equal(t, c.asked, asked)
			require.Equal(t, c.kind, conversation.KindOf(err))
		})
	}
}

func TestEachLinkHasItsOwnSettings(t *testing.T) {
	t.Parallel()
	link := func(name, greeting string) executors.Executor {
		e, err := scripted.New(scripted.Config{Script: []byte("name: " + name + "\nfallback: " + greeting)})
		require.NoError(t, err)
		return e
	}
	chain := newChain(t, nil, failover.Config{Attempts: 1}, link("small", "Hi from the small one."), link("large", "Hi from the large one."))
	req := executortest.Request("c1", "Hello")
	for attempt, want := range []string{"small", "large", "small"} {
		req.Attempt = attempt + 1
		res, err := chain.Execute(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, want, res.Model, "the choice is recorded")
		require.Equal(t, "Hi from the "+want+" one.", res.Message.Text())
	}
}

func TestWhatBelongsToALinkStaysWithIt(t *testing.T) {
	t.Parallel()
	var got []executors.Request
	link := func(name string) executors.Executor {
		return executor(func(_ context.Context, req executors.Request) (executors.Result, error) {
			got = append(got, req)
			req.OnAttach(json.RawMessage(`"run of ` + name + `"`))
			return executors.Result{
				Message: conversation.Text(conversation.RoleAssistant, "I am "+name),
				State:   json.RawMessage(`"session of ` + name + `"`),
			}, nil
		})
	}
	chain := newChain(t, nil, failover.Config{Attempts: 1}, link("a"), link("b"))
	var token json.RawMessage
	ask := func(req executors.Request) executors.Result {
		req.OnAttach = func(t json.RawMessage) { token = t }
		res, err := chain.Execute(t.Context(), req)
		require.NoError(t, err)
		require.True(t, json.Valid(res.State))
		return res
	}
	req := executortest.Request("c1", "Hello")
	res := ask(req)
	require.Equal(t, "link1", res.Provider, "a link that does not say who it is goes by its name")
	require.Nil(t, got[0].State)

	// The same link again: its own state, and only what is new.
	req = executortest.Next(req, res, "And then?")
	res = ask(req)
	require.JSONEq(t, `"session of a"`, string(got[1].State))
	require.Equal(t, 1, got[1].New)

	// It fails: the next link is handed nothing of the first one's.
	req = executortest.Next(req, res, "And then?")
	req.Attempt, req.Attach = 2, token
	res = ask(req)
	require.Nil(t, got[2].State)
	require.Nil(t, got[2].Attach)
	require.Equal(t, len(req.Messages), got[2].New, "everything is new to it")
	require.NotEqual(t, got[1].IdempotencyKey, got[2].IdempotencyKey)

	// Back at the first one, which has missed a turn.
	req.Attach = token
	req = executortest.Next(req, res, "And then?")
	ask(req)
	require.Nil(t, got[3].State)
	require.Equal(t, len(req.Messages), got[3].New)

	// A retry of the same link finds its run.
	req.Attach = token
	ask(req)
	require.JSONEq(t, `"run of a"`, string(got[4].Attach))
	require.Equal(t, got[3].IdempotencyKey, got[4].IdempotencyKey, "the same for all attempts")
}

func TestAStateThatBecomesTooLargeIsDropped(t *testing.T) {
	t.Parallel()
	state := json.RawMessage(`"` + strings.Repeat("x", 4090) + `"`)
	chain := newChain(t, nil, failover.Config{}, &executortest.Fake{
		Reply: func(context.Context, executors.Request) (executors.Result, error) {
			return executors.Result{Message: conversation.Text(conversation.RoleAssistant, "Hi"), State: state}, nil
		},
	})
	res, err := chain.Execute(t.Context(), executortest.Request("c1", "Hello"))
	require.NoError(t, err)
	require.Nil(t, res.State)
}

func TestStay(t *testing.T) {
	t.Parallel()
	for stay, want := range map[bool]string{true: "b", false: "a"} {
		chain := newChain(t, nil, failover.Config{Stay: stay}, named("a"), named("b"))
		req := executortest.Request("c1", "Hello")
		req.Attempt = 3
		res, err := chain.Execute(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, "b", res.Model)
		res, err = chain.Execute(t.Context(), executortest.Next(req, res, "And then?"))
		require.NoError(t, err)
		require.Equal(t, want, res.Model)
	}
}

func TestNoSwitchOnceTextHasBeenStreamed(t *testing.T) {
	t.Parallel()
	first := executor(func(_ context.Context, req executors.Request) (executors.Result, error) {
		req.OnDelta("Well, ")
		return executors.Result{}, fail(conversation.Unauthorized)
	})
	req := executortest.Request("c1", "Hello")
	req.OnDelta = func(string) {}
	_, err := newChain(t, nil, failover.Config{}, first, &executortest.Fake{}).Execute(t.Context(), req)
	require.Equal(t, conversation.Unauthorized, conversation.KindOf(err))
}

func TestFailedLinksAreCounted(t *testing.T) {
	t.Parallel()
	costly := fail(conversation.QuotaExhausted)
	costly.Usage = conversation.Usage{InputTokens: 100, Calls: 1}

	res, err := newChain(t, nil, failover.Config{}, failingWith(costly), &executortest.Fake{}).
		Execute(t.Context(), executortest.Request("c1", "Hello"))
	require.NoError(t, err)
	require.Equal(t, conversation.Usage{InputTokens: 110, OutputTokens: 2, Calls: 2}, res.Usage)

	for _, last := range []conversation.Kind{conversation.Unavailable, conversation.Unauthorized} {
		second := fail(last)
		second.Usage = conversation.Usage{InputTokens: 7, Calls: 1}
		_, err = newChain(t, nil, failover.Config{}, failingWith(costly), failingWith(second)).
			Execute(t.Context(), executortest.Request("c1", "Hello"))
		var ce *conversation.Error
		require.ErrorAs(t, err, &ce)
		require.Equal(t, conversation.Usage{InputTokens: 107, Calls: 2}, ce.Usage)
		require.ErrorContains(t, err, `"link1"`, "the error has the failures of both")
	}
}

func TestADelayIsNotWaitedForByAnotherLink(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int]time.Duration{1: 20 * time.Second, 2: 0} {
		chain := newChain(t, nil, failover.Config{}, failingWith(after(conversation.RateLimited, 20*time.Second)), named("b"))
		req := executortest.Request("c1", "Hello")
		req.Attempt = attempt
		_, err := chain.Execute(t.Context(), req)
		var ce *conversation.Error
		require.ErrorAs(t, err, &ce)
		require.Equal(t, want, ce.RetryAfter, "attempt %d", attempt)
	}
}

func TestSwitchesAreTold(t *testing.T) {
	t.Parallel()
	seen := &recorder{}
	chain := newChain(t, failover.NewBreakers(seen), failover.Config{}, failing(conversation.Unauthorized), named("b"))
	_, err := chain.Execute(t.Context(), executortest.Request("c1", "Hello"))
	require.NoError(t, err)
	require.Equal(t, []string{"main: link1 to link2, Unauthorized"}, seen.events)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	missing := &conversation.Error{Kind: conversation.Unauthorized, Op: "check", Err: errors.New("no key"), Remedy: "set api_key"}
	bad := &executortest.Fake{Unavailable: missing}
	require.NoError(t, newChain(t, nil, failover.Config{}, bad, &executortest.Fake{}).Check(t.Context()))
	require.NoError(t, newChain(t, nil, failover.Config{}, bad, named("b")).Check(t.Context()), "an executor without a check is available")
	require.ErrorIs(t, newChain(t, nil, failover.Config{}, bad).Check(t.Context()), missing.Err)

	err := newChain(t, nil, failover.Config{}, bad, bad).Check(t.Context())
	require.True(t, conversation.IsKind(err, conversation.Unauthorized))
	require.ErrorContains(t, err, "(set api_key)")

	err = newChain(t, nil, failover.Config{}, checking(func(context.Context) error { panic("oh") })).Check(t.Context())
	require.ErrorContains(t, err, "panicked: oh")

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		hangs := checking(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		require.ErrorIs(t, newChain(t, nil, failover.Config{}, hangs).Check(ctx), context.DeadlineExceeded)
	})
}

// Every link with a limit and a budget of its own, as a configuration would have
// them.
func TestContractOfWrappersTogether(t *testing.T) {
	t.Parallel()
	executortest.Run(t, executortest.Fixture{Model: true, New: func(t *testing.T) executors.Executor {
		pool, ledger := limit.NewPool(nil), budget.NewMemory()
		var links []executors.Executor
		for _, name := range []string{"a", "b"} {
			counted, err := budget.New(&executortest.Fake{}, ledger, budget.Config{Name: name, Day: budget.Limits{Tokens: 1_000_000}})
			require.NoError(t, err)
			limited, err := limit.New(pool, counted, limit.Key{Provider: name}, limit.Config{Concurrency: 10, RequestsPerMinute: 6000})
			require.NoError(t, err)
			links = append(links, limited)
		}
		return newChain(t, nil, failover.Config{Stay: true}, links...)
	}})
}

func TestConfigAsItIsWritten(t *testing.T) {
	t.Parallel()
	var cfg failover.Config
	require.NoError(t, yaml.Unmarshal([]byte(`
links: [gpt, claude]
attempts: 3
max_delay: 10s
switch_on: []
stay: true
breaker: {failures: 5, open_for: 2m}
`), &cfg))
	require.Equal(t, failover.Config{
		Links: []string{"gpt", "claude"}, Attempts: 3, MaxDelay: 10 * time.Second, SwitchOn: []conversation.Kind{},
		Stay: true, Breaker: failover.BreakerConfig{Failures: 5, OpenFor: 2 * time.Minute},
	}, cfg)
}

func TestConfigReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := failover.New("main", failover.Config{
		Attempts: -1, MaxDelay: -1, SwitchOn: []conversation.Kind{"Sunday"},
		Breaker: failover.BreakerConfig{Failures: -1, OpenFor: -1},
	}, []failover.Link{
		{Name: "a", Executor: named("a")}, {Name: "a", Executor: named("a")}, {Name: executors.Auto, Executor: named("a")}, {Name: "b"},
	}, failover.NewBreakers(nil))
	for _, want := range []string{
		"attempts is -1", "max_delay is -1ns", `switch_on[0] is "Sunday"`, "breaker.failures is -1", "breaker.open_for is -1ns",
		`links[1] is "a", which is there twice`, `links[2] is "auto"`, `links[3] is "b", and there is no such executor`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = failover.New("main", failover.Config{}, nil, failover.NewBreakers(nil))
	require.ErrorContains(t, err, "links is empty")
}

// newChain names the links link1, link2 and so on.
func newChain(t *testing.T, breakers *failover.Breakers, cfg failover.Config, links ...executors.Executor) *failover.Executor {
	t.Helper()
	if breakers == nil {
		breakers = failover.NewBreakers(nil)
	}
	var all []failover.Link
	for i, l := range links {
		all = append(all, failover.Link{Name: fmt.Sprintf("link%d", i+1), Executor: l})
	}
	e, err := failover.New("main", cfg, all, breakers)
	require.NoError(t, err)
	return e
}

type executor func(context.Context, executors.Request) (executors.Result, error)

func (f executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	return f(ctx, req)
}

type checking func(context.Context) error

func (checking) Execute(context.Context, executors.Request) (executors.Result, error) {
	return executors.Result{}, errors.New("not to be asked")
}

func (f checking) Check(ctx context.Context) error { return f(ctx) }

func named(model string) executors.Executor {
	return executor(func(context.Context, executors.Request) (executors.Result, error) {
		return executors.Result{Message: conversation.Text(conversation.RoleAssistant, "I am "+model), Model: model}, nil
	})
}

func failing(kind conversation.Kind) executors.Executor { return failingWith(fail(kind)) }

func failingWith(err error) executors.Executor {
	return executor(func(context.Context, executors.Request) (executors.Result, error) { return executors.Result{}, err })
}

func fail(kind conversation.Kind) *conversation.Error {
	return &conversation.Error{Kind: kind, Op: "provider", Err: errors.New("no")}
}

func after(kind conversation.Kind, d time.Duration) *conversation.Error {
	e := fail(kind)
	e.RetryAfter = d
	return e
}

func queued(d time.Duration) error {
	e := after(conversation.RateLimited, d)
	e.Err = limit.ErrQueued
	return e
}

// errs are errors of the kinds; no kind: no error.
func errs(kinds ...conversation.Kind) []error {
	out := make([]error, len(kinds))
	for i, kind := range kinds {
		if kind != "" {
			out[i] = fail(kind)
		}
	}
	return out
}

type recorder struct{ events []string }

func (r *recorder) Switched(_ context.Context, s failover.Switch) {
	r.events = append(r.events, fmt.Sprintf("%s: %s to %s, %s", s.Chain, s.From, s.To, s.Kind))
}

func (r *recorder) BreakerChanged(provider string, to failover.State) {
	r.events = append(r.events, fmt.Sprintf("%s: %s", provider, to))
}
