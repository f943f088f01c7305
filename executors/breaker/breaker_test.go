package breaker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/breaker"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/scripted"
)

// agents answer, or fail with the error that is set for their id.
type agents struct {
	mu    sync.Mutex
	fails map[string]error
	asked map[string]int
	delay time.Duration
}

func (a *agents) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	id := ""
	if req.Task != nil {
		run, err := req.Task.Run()
		if err != nil {
			return executors.Result{}, err
		}
		id = run.AgentID
	}
	a.mu.Lock()
	a.asked[id]++
	err := a.fails[id]
	a.mu.Unlock()
	time.Sleep(a.delay)
	if err != nil {
		return executors.Result{}, err
	}
	return (&executortest.Fake{}).Execute(ctx, req)
}

func (a *agents) fail(id string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fails[id] = err
}

func (a *agents) count(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[id]
}

func newAgents() *agents { return &agents{fails: map[string]error{}, asked: map[string]int{}} }

func task(agent string) executors.Request {
	req := executortest.Request("t", "hello")
	req.Task = &conversation.Task{Payload: json.RawMessage(fmt.Sprintf(`{"agent_id":%q,"entrypoint_tag":"main"}`, agent))}
	return req
}

func broke(kind conversation.Kind) error {
	return &conversation.Error{Kind: kind, Op: "agent", Err: errors.New("402 Payment Required"), Remedy: "pay", Answered: true}
}

func TestOneAgentIsBlocked(t *testing.T) {
	t.Parallel()
	for _, kind := range []conversation.Kind{conversation.QuotaExhausted, conversation.Unauthorized} {
		synctest.Test(t, func(t *testing.T) {
			within := newAgents()
			var log bytes.Buffer
			seen := &observer{}
			e, err := breaker.New(within, breaker.Config{Name: "cloud", Logger: slog.New(slog.NewTextHandler(&log, nil)), Observer: seen})
			require.NoError(t, err)
			within.fail("poor", broke(kind))
			for range 5 {
				_, err := e.Execute(t.Context(), task("poor"))
				require.True(t, conversation.IsKind(err, kind))
				require.ErrorContains(t, err, "402 Payment Required")
				require.ErrorContains(t, err, "pay")
				_, err = e.Execute(t.Context(), task("rich"))
				require.NoError(t, err)
			}
			require.Equal(t, 1, within.count("poor"), "asked once")
			require.Equal(t, 5, within.count("rich"), "the others run")
			_, err = e.Execute(t.Context(), task("poor"))
			require.ErrorContains(t, err, `executor "cloud": agent "poor" is blocked until 00:01:00 UTC`)
			require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("is blocked")), log.String())

			// After a minute one tries.
			time.Sleep(time.Minute)
			within.delay = time.Second
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() { _, _ = e.Execute(t.Context(), task("poor")) })
			}
			group.Wait()
			require.Equal(t, 2, within.count("poor"))
			within.fail("poor", nil)
			_, err = e.Execute(t.Context(), task("poor"))
			require.Error(t, err, "for a minute again")
			time.Sleep(time.Minute)
			for range 3 {
				_, err = e.Execute(t.Context(), task("poor"))
				require.NoError(t, err)
			}
			require.Contains(t, log.String(), "no longer blocked")
			require.Equal(t, []failover.State{failover.StateOpen, failover.StateClosed}, seen.states)
		})
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		within := newAgents()
		e, err := breaker.New(within, breaker.Config{WhileOpen: breaker.Wait, OpenFor: 30 * time.Second})
		require.NoError(t, err)
		within.fail("a", broke(conversation.QuotaExhausted))
		_, err = e.Execute(t.Context(), task("a"))
		require.True(t, conversation.IsKind(err, conversation.QuotaExhausted))
		time.Sleep(10 * time.Second)
		_, err = e.Execute(t.Context(), task("a"))
		var ce *conversation.Error
		require.ErrorAs(t, err, &ce)
		require.Equal(t, conversation.RateLimited, ce.Kind)
		require.Equal(t, 20*time.Second, ce.RetryAfter)
	})
}

// What says nothing about key and account opens nothing, and a try that ends so leaves
// room for another.
func TestWhatOpensNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		within := newAgents()
		e, err := breaker.New(within, breaker.Config{})
		require.NoError(t, err)
		for _, kind := range []conversation.Kind{conversation.Unavailable, conversation.RateLimited, conversation.Invalid, conversation.Refused, conversation.BudgetSpent} {
			within.fail("a", broke(kind))
			for range 3 {
				_, err := e.Execute(t.Context(), task("a"))
				require.True(t, conversation.IsKind(err, kind))
			}
		}
		require.Equal(t, 15, within.count("a"))
		within.fail("a", broke(conversation.Unauthorized))
		_, _ = e.Execute(t.Context(), task("a"))
		time.Sleep(time.Minute)
		within.fail("a", broke(conversation.Unavailable))
		for range 3 {
			_, err := e.Execute(t.Context(), task("a"))
			require.True(t, conversation.IsKind(err, conversation.Unavailable))
		}
		within.fail("", broke(conversation.Unauthorized))
		for range 3 {
			_, err := e.Execute(t.Context(), executortest.Request("c", "a conversation"))
			require.True(t, conversation.IsKind(err, conversation.Unauthorized))
		}
		require.Equal(t, 3, within.count(""), "conversations have parking for that")
	})
}

// Tasks name agents: there are not more breakers than fit.
func TestManyAgents(t *testing.T) {
	t.Parallel()
	within := newAgents()
	e, err := breaker.New(within, breaker.Config{})
	require.NoError(t, err)
	for i := range 1500 {
		id := fmt.Sprint(i)
		within.fail(id, broke(conversation.Unauthorized))
		for range 2 {
			_, err := e.Execute(t.Context(), task(id))
			require.True(t, conversation.IsKind(err, conversation.Unauthorized))
		}
	}
	require.Equal(t, 1, within.count("0"))
	require.Equal(t, 2, within.count("1499"))
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	_, err := breaker.New(newAgents(), breaker.Config{OpenFor: time.Hour, WhileOpen: "never"})
	require.ErrorContains(t, err, "open_for is 1h0m0s")
	require.ErrorContains(t, err, `while_open is "never"`)
}

func TestContract(t *testing.T) {
	t.Parallel()
	play := func(latency time.Duration) func(*testing.T) executors.Executor {
		return func(t *testing.T) executors.Executor {
			within, err := scripted.New(scripted.Config{Latency: latency})
			require.NoError(t, err)
			e, err := breaker.New(within, breaker.Config{})
			require.NoError(t, err)
			return e
		}
	}
	executortest.Run(t, executortest.Fixture{New: play(0), Stall: play(time.Hour)})
}

type observer struct {
	failover.Observer
	states []failover.State
}

func (o *observer) BreakerChanged(_ string, to failover.State) { o.states = append(o.states, to) }
