package limit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/limit"
)

// A thousand requests at once: no more than the default go at a time, those that wait
// for long do so elsewhere, are handed over seldom, and all get their turn, about in
// the order in which they came.
func TestBurst(t *testing.T) {
	t.Parallel()
	for _, call := range []time.Duration{500 * time.Millisecond, 5 * time.Second, time.Minute} {
		t.Run(call.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const requests = 1000
				var (
					mu              sync.Mutex
					now, most       int
					handed, busiest int
					held            time.Duration // longest wait within the worker
				)
				backend := executorFunc(func(ctx context.Context, _ executors.Request) (executors.Result, error) {
					mu.Lock()
					now++
					most = max(most, now)
					mu.Unlock()
					time.Sleep(call)
					mu.Lock()
					now--
					mu.Unlock()
					return executors.Result{Usage: conversation.Usage{Calls: 1}}, nil
				})
				e, err := limit.New(limit.NewPool(nil), backend, limit.Key{Provider: "p"}, limit.Config{})
				require.NoError(t, err)
				begin := time.Now()
				var group sync.WaitGroup
				for i := range requests {
					group.Go(func() {
						req := executortest.Request(fmt.Sprint("c", i), "Hi")
						req.IdempotencyKey = fmt.Sprint(i)
						for times := 0; ; times++ {
							asked := time.Now()
							_, err := e.Execute(t.Context(), req)
							mu.Lock()
							busiest = max(busiest, times)
							if err != nil {
								held = max(held, time.Since(asked))
								handed++
							}
							mu.Unlock()
							if err == nil {
								return
							}
							var ce *conversation.Error
							if !errors.Is(err, limit.ErrQueued) || !errors.As(err, &ce) || ce.RetryAfter < time.Second {
								t.Errorf("%v", err)
								return
							}
							time.Sleep(ce.RetryAfter)
						}
					})
				}
				group.Wait()
				require.Equal(t, limit.DefaultConcurrency, most)
				require.LessOrEqual(t, held, limit.DefaultMaxWait)
				require.LessOrEqual(t, busiest, 10, "one request is handed over")
				require.LessOrEqual(t, handed, 6*requests, "all are")
				rounds := time.Duration(requests / limit.DefaultConcurrency)
				require.LessOrEqual(t, time.Since(begin), rounds*call*3/2+time.Minute)
			})
		})
	}
}

type executorFunc func(context.Context, executors.Request) (executors.Result, error)

func (f executorFunc) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	return f(ctx, req)
}
