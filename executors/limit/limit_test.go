package limit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/executors/scripted"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = limit.Key{Provider: "openai", Endpoint: "https://api.openai.com/v1", Credential: limit.Fingerprint("sk-secret")}

func TestContract(t *testing.T) {
	t.Parallel()
	all := limit.Config{Concurrency: 20, RequestsPerMinute: 6000, TokensPerMinute: 6_000_000}
	wrap := func(t *testing.T, next executors.Executor) executors.Executor {
		return wrapped(t, limit.NewPool(nil), next, all)
	}
	t.Run("Scripted", func(t *testing.T) {
		t.Parallel()
		executortest.Run(t, executortest.Fixture{
			Secrets: []string{"sk-secret"},
			New: func(t *testing.T) executors.Executor {
				e, err := scripted.New(scripted.Config{})
				require.NoError(t, err)
				return wrap(t, e)
			},
			Stall: func(t *testing.T) executors.Executor {
				e, err := scripted.New(scripted.Config{Latency: time.Hour})
				require.NoError(t, err)
				return wrap(t, e)
			},
		})
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

func TestFiveHundredConversationsShareFiftyRequestsAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const conversations, perMinute = 500, 50
		var (
			mu   sync.Mutex
			sent []time.Time
		)
		next := &executortest.Fake{OnCall: func(executors.Request) {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, time.Now())
		}}
		pool := limit.NewPool(nil)
		begin := time.Now()
		var group sync.WaitGroup
		for i := range conversations {
			// Each has an executor of its own: it is the quota that they share.
			e := wrapped(t, pool, next, limit.Config{RequestsPerMinute: perMinute})
			group.Go(func() {
				_, tries := converse(t, e, executortest.Request(fmt.Sprint(i), "Hello"))
				assert.LessOrEqual(t, tries, 6, "conversation %d", i)
			})
		}
		group.Wait()

		require.Len(t, sent, conversations)
		const burst = perMinute / 6
		for i := range sent {
			if j := i + perMinute + burst + 1; j < len(sent) {
				require.GreaterOrEqual(t, sent[j].Sub(sent[i]), time.Minute-time.Second, "requests %d to %d", i, j)
			}
		}
		require.InDelta(t, (conversations-burst)/float64(perMinute), time.Since(begin).Minutes(), 0.5, "what is allowed is used")
	})
}

func TestThoseWhoCameFirstGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		next := &executortest.Fake{OnCall: func(req executors.Request) { order = append(order, req.Conversation.ID) }}
		e := wrapped(t, limit.NewPool(nil), next, limit.Config{RequestsPerMinute: 6})
		var group sync.WaitGroup
		var want []string
		for i := range 100 {
			id := fmt.Sprintf("c%03d", i)
			want = append(want, id)
			group.Go(func() { converse(t, e, executortest.Request(id, "Hello")) })
			synctest.Wait()
		}
		group.Wait()
		require.Equal(t, want, order)
	})
}

func TestWaitsSecondsButNotMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := &executortest.Fake{}
		seen := &recorder{}
		e := wrapped(t, limit.NewPool(seen), next, limit.Config{RequestsPerMinute: 30, MaxWait: 5 * time.Second})
		begin := time.Now()
		for i := range 5 { // a burst of five goes at once
			_, err := e.Execute(t.Context(), executortest.Request(fmt.Sprint(i), "Hello"))
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(begin))

		_, err := e.Execute(t.Context(), executortest.Request("waits", "Hello"))
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, time.Since(begin).Round(time.Millisecond))

		var group sync.WaitGroup
		queued := make([]error, 4)
		for i := range queued {
			group.Go(func() { _, queued[i] = e.Execute(t.Context(), executortest.Request(fmt.Sprint("q", i), "Hello")) })
			synctest.Wait()
		}
		group.Wait()
		require.NoError(t, queued[0])
		require.NoError(t, queued[1])
		for i, want := range []time.Duration{6 * time.Second, 8 * time.Second} {
			err := queued[i+2]
			require.ErrorIs(t, err, limit.ErrQueued)
			require.True(t, conversation.IsKind(err, conversation.RateLimited))
			require.NotContains(t, err.Error(), "sk-secret")
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, want, ce.RetryAfter.Round(time.Millisecond))
		}
		require.Equal(t, 8, seen.count(limit.EventSent))
		require.Equal(t, 2, seen.count(limit.EventQueued))
		require.Equal(t, 8, seen.count(limit.EventEnded))
	})
}

func TestNeverAsksForLongerThanTheCallerWouldWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := &executortest.Fake{}
		e := wrapped(t, limit.NewPool(nil), next, limit.Config{RequestsPerMinute: 1})
		longest := make([]time.Duration, 60)
		var group sync.WaitGroup
		for i := range longest {
			group.Go(func() { longest[i], _ = converse(t, e, executortest.Request(fmt.Sprint(i), "Hello")) })
			synctest.Wait()
		}
		group.Wait()
		require.Equal(t, limit.LongestDelay, slices.Max(longest))
		require.Len(t, next.Requests(), 60)
	})
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most int
		var mu sync.Mutex
		next := &executortest.Fake{Reply: func(ctx context.Context, req executors.Request) (executors.Result, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(20 * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return new(executortest.Fake).Execute(ctx, req)
		}}
		e := wrapped(t, limit.NewPool(nil), next, limit.Config{Concurrency: 4})
		begin := time.Now()
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() { converse(t, e, executortest.Request(fmt.Sprint(i), "Hello")) })
		}
		group.Wait()
		require.Equal(t, 4, most)
		require.Less(t, time.Since(begin), 5*time.Minute, "ten rounds of 20 seconds, and some slack")
	})
}

func TestTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
			return executors.Result{
				Message: conversation.Text(conversation.RoleAssistant, "Good."),
				Usage:   conversation.Usage{InputTokens: 2900, OutputTokens: 100, Calls: 1},
			}, nil
		}}
		e := wrapped(t, limit.NewPool(nil), next, limit.Config{TokensPerMinute: 30_000})
		begin := time.Now()
		for i := range 100 {
			converse(t, e, executortest.Request(fmt.Sprint(i), "Hello"))
		}
		require.InDelta(t, 10, time.Since(begin).Minutes(), 0.5, "100 requests of 3000 tokens")
	})
}

func TestTokensAreCorrectedByWhatWasUsed(t *testing.T) {
	t.Parallel()
	for used, want := range map[int64]time.Duration{10_000: 100 * time.Second, 100: 0} {
		synctest.Test(t, func(t *testing.T) {
			next := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
				return executors.Result{}, &conversation.Error{
					Kind: conversation.Unavailable, Op: "fake", Usage: conversation.Usage{InputTokens: used, Calls: 1}, Err: errors.New("cut off"),
				}
			}}
			e := wrapped(t, limit.NewPool(nil), next, limit.Config{TokensPerMinute: 6000})
			_, err := e.Execute(t.Context(), executortest.Request("a", "Hello"))
			require.NotErrorIs(t, err, limit.ErrQueued)
			_, err = e.Execute(t.Context(), executortest.Request("b", "Hello"))
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, want, ce.RetryAfter.Round(time.Second), "failed attempts count too")
		})
	}
}

func TestAPlaceIsNotKeptForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := &recorder{}
		e := wrapped(t, limit.NewPool(seen), &executortest.Fake{}, limit.Config{RequestsPerMinute: 6})
		for i := range 10 {
			_, err := e.Execute(t.Context(), executortest.Request(fmt.Sprint(i), "Hello"))
			require.Equal(t, i > 0, errors.Is(err, limit.ErrQueued))
		}
		require.Equal(t, 9, seen.last().Waiting)
		time.Sleep(3 * time.Minute) // no request comes back
		_, err := e.Execute(t.Context(), executortest.Request("other", "Hello"))
		require.NoError(t, err)
		require.Zero(t, seen.last().Waiting)
	})
}

func TestARequestLargerThanTheBurstIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := wrapped(t, limit.NewPool(nil), &executortest.Fake{}, limit.Config{TokensPerMinute: 60})
		_, tries := converse(t, e, executortest.Request("large", "Hello"))
		require.Equal(t, 1, tries)
	})
}

func TestAThrottledCallPausesEverybody(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]limit.Config{"KnownRate": {RequestsPerMinute: 600}, "UnknownRate": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				seen := &recorder{}
				pool := limit.NewPool(seen)
				next := new(executortest.Fake).FailTurn(1, tooMany(20*time.Second))
				_, err := wrapped(t, pool, next, cfg).Execute(t.Context(), executortest.Request("a", "Hello"))
				require.True(t, conversation.IsKind(err, conversation.RateLimited))
				require.NotErrorIs(t, err, limit.ErrQueued, "this one was sent")
				require.Equal(t, 1, seen.count(limit.EventThrottled))

				begin := time.Now()
				other := wrapped(t, pool, &executortest.Fake{}, cfg)
				_, tries := converse(t, other, executortest.Request("b", "Hello"))
				require.Equal(t, 2, tries, "told when to come, and served then")
				require.Equal(t, 20*time.Second, time.Since(begin).Round(time.Second))
			})
		})
	}
}

// A provider that allows a third of what is configured: the limiter finds out.
func TestFindsTheProvidersTrueLimit(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]limit.Config{"KnownRate": {RequestsPerMinute: 300}, "UnknownRate": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &provider{perMinute: 100, left: 20, latency: 2 * time.Second}
				e := wrapped(t, limit.NewPool(nil), p, cfg)
				begin := time.Now()
				var group sync.WaitGroup
				for i := range 400 {
					group.Go(func() { converse(t, e, executortest.Request(fmt.Sprint(i), "Hello")) })
				}
				group.Wait()
				require.Less(t, time.Since(begin).Minutes(), 6.5, "it takes 4 at full use")
				require.Less(t, p.refused, 60, "of more than 400 requests")
			})
		})
	}
}

func TestRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := &recorder{}
		next := new(executortest.Fake).FailTurn(1, tooMany(time.Second))
		e := wrapped(t, limit.NewPool(seen), next, limit.Config{RequestsPerMinute: 60})
		req := executortest.Request("a", "Hello")
		_, err := e.Execute(t.Context(), req)
		require.Error(t, err)
		require.InDelta(t, 0.5, seen.last().Pace, 0.01)
		req.Attempt = 2
		for _, want := range []float64{0.6, 0.7, 0.8, 0.9, 1, 1} {
			time.Sleep(10 * time.Second)
			_, err = e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.InDelta(t, want, seen.last().Pace, 0.01)
		}
	})
}

func TestLearnsFromReports(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg    limit.Config
		report limit.Allowance
		want   time.Duration // from one request to the next
	}{
		"AMinute":         {report: limit.Allowance{Limit: 60, Reset: time.Minute}, want: time.Second},
		"ADay":            {report: limit.Allowance{Limit: 1440 * 20, Reset: 24 * time.Hour}, want: 3 * time.Second},
		"LessThanWritten": {cfg: limit.Config{RequestsPerMinute: 600}, report: limit.Allowance{Limit: 60}, want: time.Second},
		"MoreThanWritten": {cfg: limit.Config{RequestsPerMinute: 20}, report: limit.Allowance{Limit: 60}, want: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				next := &executortest.Fake{Reply: func(ctx context.Context, req executors.Request) (executors.Result, error) {
					limit.Report(ctx, limit.RateReport{Requests: c.report})
					return new(executortest.Fake).Execute(ctx, req)
				}}
				e := wrapped(t, limit.NewPool(nil), next, c.cfg)
				begin := time.Now()
				for i := range 5 {
					_, err := e.Execute(t.Context(), executortest.Request(fmt.Sprint(i), "Hello"))
					require.NoError(t, err)
				}
				require.Equal(t, 4*c.want, time.Since(begin).Round(time.Millisecond))
			})
		})
	}
}

func TestReportsWithoutALimiterAreIgnored(t *testing.T) {
	t.Parallel()
	limit.Report(t.Context(), limit.RateReport{Requests: limit.Allowance{Limit: 1}})
	limit.ReportHeaders(t.Context(), nil)
}

func TestTheWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := &executortest.Fake{Latency: func(executors.Request) time.Duration { return 3 * time.Second }}
		e := wrapped(t, limit.NewPool(nil), next, limit.Config{Concurrency: 1, MaxWait: time.Minute})
		var group sync.WaitGroup
		defer group.Wait()
		group.Go(func() { converse(t, e, executortest.Request("first", "Hello")) })
		synctest.Wait()

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := e.Execute(ctx, executortest.Request("cancelled", "Hello"))
		require.ErrorIs(t, err, context.Canceled)

		ctx, cancel = context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		_, err = e.Execute(ctx, executortest.Request("no time left", "Hello"))
		require.ErrorIs(t, err, limit.ErrQueued, "not a timeout: the provider was not asked")
		require.NoError(t, ctx.Err())
	})
}

func TestASlotIsFreeAgainAfterAPanic(t *testing.T) {
	t.Parallel()
	next := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) { panic("oh") }}
	pool := limit.NewPool(nil)
	e := wrapped(t, pool, next, limit.Config{Concurrency: 1})
	require.Panics(t, func() { _, _ = e.Execute(t.Context(), executortest.Request("a", "Hello")) })
	other := wrapped(t, pool, &executortest.Fake{}, limit.Config{Concurrency: 1})
	_, err := other.Execute(t.Context(), executortest.Request("b", "Hello"))
	require.NoError(t, err)
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	pool := limit.NewPool(nil)
	next := &executortest.Fake{}
	cfg := limit.Config{RequestsPerMinute: 50}
	wrapped(t, pool, next, cfg)
	wrapped(t, pool, next, limit.Config{TokensPerMinute: 1000}) // says something else, nothing different
	_, err := limit.New(pool, next, key, limit.Config{RequestsPerMinute: 60})
	require.ErrorContains(t, err, "requests_per_minute is 60 here and 50 at another executor")
	require.NotContains(t, err.Error(), "sk-secret")

	for name, change := range map[string]func(*limit.Key, *limit.Config){
		"OtherKey":      func(k *limit.Key, _ *limit.Config) { k.Credential = limit.Fingerprint("sk-other") },
		"OtherEndpoint": func(k *limit.Key, _ *limit.Config) { k.Endpoint = "http://localhost:11434/v1" },
		"OtherProvider": func(k *limit.Key, _ *limit.Config) { k.Provider = "azure" },
		"OtherQuota":    func(_ *limit.Key, c *limit.Config) { c.Quota = "gpt-4.1" },
	} {
		k, c := key, limit.Config{RequestsPerMinute: 60}
		change(&k, &c)
		_, err := limit.New(pool, next, k, c)
		require.NoError(t, err, name)
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := limit.New(limit.NewPool(nil), &executortest.Fake{}, key,
		limit.Config{Concurrency: -2, RequestsPerMinute: -1, TokensPerMinute: -1, MaxWait: time.Hour})
	for _, name := range []string{"concurrency", "requests_per_minute", "tokens_per_minute", "max_wait"} {
		require.ErrorContains(t, err, name+" is")
	}
}

func TestCheckAsksTheExecutorWithin(t *testing.T) {
	t.Parallel()
	missing := errors.New("no key")
	e := wrapped(t, limit.NewPool(nil), &executortest.Fake{Unavailable: missing}, limit.Config{})
	require.ErrorIs(t, executors.Check(t.Context(), e), missing)
}

func wrapped(t *testing.T, pool *limit.Pool, next executors.Executor, cfg limit.Config) *limit.Executor {
	t.Helper()
	e, err := limit.New(pool, next, key, cfg)
	require.NoError(t, err)
	return e
}

// converse does what the workflow's retry policy does: ten tries, with growing
// pauses and at least as long as asked for.
func converse(t *testing.T, e executors.Executor, req executors.Request) (longest time.Duration, tries int) {
	backoff := time.Second
	for req.Attempt = 1; ; req.Attempt++ {
		_, err := e.Execute(t.Context(), req)
		if err == nil {
			return longest, req.Attempt
		}
		var ce *conversation.Error
		if !errors.As(err, &ce) || ce.Kind != conversation.RateLimited || ce.RetryAfter > limit.LongestDelay ||
			!errors.Is(err, limit.ErrQueued) && req.Attempt > 100 {
			t.Errorf("%s failed for good at attempt %d: %v", req.Conversation.ID, req.Attempt, err)
			return longest, req.Attempt
		}
		longest = max(longest, ce.RetryAfter)
		time.Sleep(max(backoff, ce.RetryAfter))
		backoff = min(2*backoff, 30*time.Second)
	}
}

func tooMany(after time.Duration) error {
	return &conversation.Error{Kind: conversation.RateLimited, Op: "provider", RetryAfter: after, Err: errors.New("429")}
}

// provider allows so many requests a minute and refuses the others.
type provider struct {
	perMinute float64
	latency   time.Duration

	mu      sync.Mutex
	left    float64
	at      time.Time
	refused int
}

func (p *provider) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if !p.allow() {
		return executors.Result{}, tooMany(time.Second)
	}
	time.Sleep(p.latency)
	return new(executortest.Fake).Execute(ctx, req)
}

func (p *provider) allow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.at.IsZero() {
		p.left = min(20, p.left+p.perMinute*time.Since(p.at).Minutes())
	}
	p.at = time.Now()
	if p.left < 1 {
		p.refused++
		return false
	}
	p.left--
	return true
}

type recorder struct {
	mu     sync.Mutex
	events []limit.Event
}

func (r *recorder) Limited(_ context.Context, e limit.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) last() limit.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[len(r.events)-1]
}

func (r *recorder) count(what limit.EventType) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.events {
		if e.Type == what {
			n++
		}
	}
	return n
}
