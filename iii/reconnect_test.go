package iii_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

// bubble runs a test with an engine in memory and a clock that does not make one
// wait.
func bubble(t *testing.T, opts iiitest.Options, test func(t *testing.T, e *iiitest.Engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts.InMemory = true
		e := iiitest.New(opts)
		require.NoError(t, e.Start())
		defer e.Stop()
		test(t, e)
		require.Empty(t, e.Faults())
	})
}

func dial(t *testing.T, e *iiitest.Engine, opts iii.Options) *iii.Worker {
	t.Helper()
	opts.URL, opts.HTTPClient = e.URL(), e.HTTPClient()
	w, err := iii.Connect(t.Context(), opts)
	require.NoError(t, err)
	return w
}

func TestTimeoutAndCancel(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		w := dial(t, e, iii.Options{})
		defer w.Close()
		release := make(chan struct{})
		_, err := w.RegisterFunction(iii.Function{ID: "t::slow", Handler: func(context.Context, iii.Invocation) (any, error) {
			<-release
			return "late", nil
		}})
		require.NoError(t, err)
		synctest.Wait()

		began := time.Now()
		_, err = w.Invoke(t.Context(), "t::slow", nil)
		require.ErrorIs(t, err, iii.ErrTimeout)
		require.NotErrorIs(t, err, iii.ErrNotSent)
		require.Equal(t, 30*time.Second, time.Since(began))

		began = time.Now()
		_, err = w.Invoke(t.Context(), "t::slow", nil, iii.Timeout(300*time.Second))
		require.ErrorIs(t, err, iii.ErrTimeout)
		require.Equal(t, 300*time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began = time.Now()
		_, err = w.Invoke(ctx, "t::slow", nil, iii.Timeout(0))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Hour, time.Since(began))
		close(release) // late answers are unknown
		synctest.Wait()
		_, err = w.Invoke(t.Context(), "state::get", map[string]string{"scope": "s", "key": "k"})
		require.NoError(t, err)
	})
}

func TestOfflineQueue(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		e.Stop()
		w := dial(t, e, iii.Options{QueueLimit: 2})
		defer w.Close()
		synctest.Wait()

		began := time.Now()
		_, err := w.Invoke(t.Context(), "t::f", nil)
		require.ErrorIs(t, err, iii.ErrTimeout)
		require.ErrorIs(t, err, iii.ErrNotSent)
		require.ErrorContains(t, err, "engine is stopped", "with the cause")
		require.Equal(t, 30*time.Second, time.Since(began))

		answers := make(chan error, 2)
		for i := range 2 {
			go func() {
				// By now the pauses between attempts are as long as the usual timeout.
				_, err := w.Invoke(t.Context(), "state::set",
					map[string]any{"scope": "s", "key": fmt.Sprint(i), "value": i}, iii.Timeout(2*time.Minute))
				answers <- err
			}()
		}
		synctest.Wait()
		began = time.Now()
		_, err = w.Invoke(t.Context(), "t::f", nil)
		require.ErrorIs(t, err, iii.ErrQueueFull)
		require.ErrorIs(t, err, iii.ErrNotSent)
		require.ErrorIs(t, w.Send(t.Context(), "t::f", nil), iii.ErrQueueFull)
		require.Zero(t, time.Since(began), "fails at once")

		require.NoError(t, e.Start())
		for range 2 {
			require.NoError(t, <-answers, "what was queued is sent")
		}
		require.NotNil(t, e.State("s", "0"))
		require.NotNil(t, e.State("s", "1"))
	})
}

func TestReconnectAnnouncesEverything(t *testing.T) {
	t.Parallel()
	for _, era := range eras {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, iiitest.Options{Era: era}, func(t *testing.T, e *iiitest.Engine) {
				w := dial(t, e, iii.Options{Era: era})
				defer w.Close()
				_, err := w.RegisterTrigger(iii.QueueTrigger("inbox", "t::f"))
				require.NoError(t, err)
				_, err = w.RegisterFunction(iii.Function{ID: "t::f", Handler: echo})
				require.NoError(t, err)
				_, err = w.RegisterTriggerType(iii.TriggerType{
					ID: "mine", Description: "d", Bind: func(context.Context, iii.Binding) error { return nil },
				})
				require.NoError(t, err)
				synctest.Wait()
				first := w.ID()
				e.Stop()
				synctest.Wait()
				require.Equal(t, iii.Reconnecting, w.State())
				answer := make(chan error, 1)
				go func() { _, err := w.Invoke(t.Context(), "t::f", nil); answer <- err }()
				synctest.Wait()
				require.NoError(t, e.Start())
				require.NoError(t, <-answer)
				synctest.Wait()
				require.NotEqual(t, first, w.ID())
				want := []string{"registertriggertype", "registerfunction", "registertrigger", "invokefunction", "invokefunction", "invocationresult"}
				if era >= iii.EraD {
					want = append([]string{"reattach"}, want...)
				}
				require.Equal(t, want, sent(e, w.ID()))
				frames := e.FromWorkers(w.ID())
				require.Contains(t, string(frames[len(frames)-3].Raw), "engine::workers::register", "before the calls that waited")
			})
		})
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := iiitest.New(iiitest.Options{InMemory: true}) // never started
		var failed []time.Time
		w := dial(t, e, iii.Options{OnState: func(s iii.State, _ error) {
			if s == iii.Reconnecting {
				failed = append(failed, time.Now())
			}
		}})
		time.Sleep(10 * time.Minute) // the bubble's time
		w.Close()
		require.Greater(t, len(failed), 15)
		for i := range len(failed) - 1 {
			wait := min(time.Second<<min(i, 5), 30*time.Second)
			require.InDelta(t, wait.Seconds(), failed[i+1].Sub(failed[i]).Seconds(), 0.3*wait.Seconds()+0.001, "after attempt %d", i)
		}
	})
}

func TestKeepalive(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		w := dial(t, e, iii.Options{})
		defer w.Close()
		synctest.Wait()
		first := w.ID()
		time.Sleep(10*time.Minute + time.Second) // the bubble's time
		require.Equal(t, first, w.ID(), "pings keep it")
		require.Equal(t, 30, e.Pings(), "every 20 s")

		e.Freeze()
		lost := make(chan error, 1)
		began := time.Now()
		go func() { _, err := w.Invoke(t.Context(), "t::f", nil, iii.Timeout(time.Hour)); lost <- err }()
		err := <-lost
		require.ErrorIs(t, err, iii.ErrConnectionLost)
		require.InDelta(t, 60, time.Since(began).Seconds(), 20)
		require.NoError(t, w.WaitConnected(t.Context()))
		require.NotEqual(t, first, w.ID())
	})
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	hold := func(ctx context.Context) { <-ctx.Done() }
	bubble(t, iiitest.Options{Greet: hold}, func(t *testing.T, e *iiitest.Engine) {
		began := time.Now()
		states := make(chan error, 1)
		w := dial(t, e, iii.Options{OnState: func(_ iii.State, err error) {
			select {
			case states <- err:
			default:
			}
		}})
		defer w.Close()
		require.ErrorContains(t, <-states, "no greeting")
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestConnectionLost(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		server := dial(t, e, iii.Options{Name: "server"})
		client := dial(t, e, iii.Options{Name: "client"})
		started := make(chan struct{})
		cause := make(chan error, 1)
		_, err := server.RegisterFunction(iii.Function{ID: "t::wait", Handler: func(ctx context.Context, _ iii.Invocation) (any, error) {
			started <- struct{}{}
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return "too late", nil
		}})
		require.NoError(t, err)
		synctest.Wait()
		answer := make(chan error, 1)
		go func() { _, err := client.Invoke(t.Context(), "t::wait", nil); answer <- err }()
		<-started
		began := time.Now()
		e.Stop()
		require.ErrorIs(t, <-answer, iii.ErrConnectionLost)
		require.ErrorIs(t, <-cause, iii.ErrConnectionLost)
		require.Zero(t, time.Since(began))

		// Row 20: the answer that came too late is not sent to the next connection.
		require.NoError(t, e.Start())
		require.NoError(t, server.WaitConnected(t.Context()))
		synctest.Wait()
		require.NotContains(t, sent(e, server.ID()), "invocationresult")
		server.Close()
		client.Close()
	})
}

func TestInvocationStopped(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		server := dial(t, e, iii.Options{Name: "server"})
		client := dial(t, e, iii.Options{Name: "client"})
		defer client.Close()
		started := make(chan struct{})
		_, err := server.RegisterFunction(iii.Function{ID: "t::wait", Handler: func(ctx context.Context, _ iii.Invocation) (any, error) {
			close(started)
			<-ctx.Done()
			return nil, nil
		}})
		require.NoError(t, err)
		synctest.Wait()
		answer := make(chan error, 1)
		go func() { _, err := client.Invoke(t.Context(), "t::wait", nil); answer <- err }()
		<-started
		server.Close()
		require.True(t, iii.HasCode(<-answer, iii.CodeInvocationStopped))
	})
}

func TestDescriptionIsPrompt(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{Era: iii.EraE}, func(t *testing.T, e *iiitest.Engine) {
		began := time.Now()
		w := dial(t, e, iii.Options{})
		defer w.Close()
		_, err := w.RegisterFunction(iii.Function{ID: "t::f", Handler: echo})
		require.NoError(t, err)
		synctest.Wait()
		require.True(t, e.Serves("", "t::f"))
		require.Zero(t, time.Since(began), "an engine waits 5 s for the worker's description")
	})
}

func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	for _, era := range eras {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, iiitest.Options{Era: era}, func(t *testing.T, e *iiitest.Engine) {
				w := dial(t, e, iii.Options{Era: era})
				started := make(chan struct{})
				_, err := w.RegisterFunction(iii.Function{ID: "t::work", Handler: func(ctx context.Context, _ iii.Invocation) (any, error) {
					close(started)
					time.Sleep(5 * time.Second) // the bubble's time: work
					return "done", w.Scope("s").Set(ctx, "k", 1)
				}})
				require.NoError(t, err)
				_, err = w.RegisterTrigger(iii.QueueTrigger("inbox", "t::work"))
				require.NoError(t, err)
				synctest.Wait()
				answer := make(chan string, 1)
				go func() {
					result, err := e.Invoke(t.Context(), "t::work", nil)
					answer <- fmt.Sprint(string(result), err)
				}()
				<-started
				require.NoError(t, w.Shutdown(t.Context()))
				require.Equal(t, `"done"<nil>`, <-answer)
				require.NotNil(t, e.State("s", "k"), "a handler may call while it is waited for")
				require.Equal(t, []string{"unregistertrigger", "unregisterfunction", "ping", "invokefunction", "invocationresult"}, sent(e, w.ID())[3:])
				require.Equal(t, iii.Closed, w.State())
				_, err = w.Invoke(t.Context(), "t::f", nil)
				require.ErrorIs(t, err, iii.ErrClosed)
				_, err = w.RegisterFunction(iii.Function{ID: "t::more", Handler: echo})
				require.ErrorIs(t, err, iii.ErrClosed)
				require.NoError(t, w.Shutdown(t.Context()), "again")
			})
		})
	}
}

func TestShutdownInTime(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		w := dial(t, e, iii.Options{})
		started := make(chan struct{})
		_, err := w.RegisterFunction(iii.Function{ID: "t::work", Handler: func(ctx context.Context, _ iii.Invocation) (any, error) {
			close(started)
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		require.NoError(t, err)
		synctest.Wait()
		go func() { _, _ = e.Invoke(t.Context(), "t::work", nil) }()
		<-started
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err = w.Shutdown(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "1 handlers")
	})
}

func TestShutdownWithoutAnEngine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := dial(t, iiitest.New(iiitest.Options{InMemory: true}), iii.Options{})
		waiting := make(chan error, 1)
		go func() { waiting <- w.Send(t.Context(), "t::f", nil) }()
		synctest.Wait()
		require.NoError(t, w.Shutdown(t.Context()))
		err := <-waiting
		require.ErrorIs(t, err, iii.ErrNotSent)
		require.ErrorIs(t, err, iii.ErrClosed)
	})
}

func TestConnectsContextEndsTheWorker(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	w, err := iii.Connect(ctx, iii.Options{URL: e.URL()})
	require.NoError(t, err)
	require.NoError(t, w.WaitConnected(soon(t)))
	cancel()
	<-w.Done()
	require.Equal(t, iii.Closed, w.State())
}

func TestQueuedMessagesSurviveARestartOfTheEngine(t *testing.T) {
	t.Parallel()
	for _, era := range eras {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, iiitest.Options{Era: era}, func(t *testing.T, e *iiitest.Engine) {
				w := dial(t, e, iii.Options{})
				defer w.Close()
				seen := map[string]int{}
				handled := make(chan string, 100)
				_, err := w.RegisterFunction(iii.Function{ID: "t::in", Handler: func(ctx context.Context, call iii.Invocation) (any, error) {
					select {
					case <-time.After(time.Second): // the bubble's time: work
						handled <- string(call.Data)
						return nil, nil
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}})
				require.NoError(t, err)
				_, err = w.RegisterTrigger(iii.QueueTrigger("inbox", "t::in"))
				require.NoError(t, err)
				synctest.Wait()
				for i := range 10 {
					require.NoError(t, e.PublishDurable("inbox", i))
				}
				time.Sleep(500 * time.Millisecond) // in the middle of all ten
				e.Stop()
				require.NoError(t, e.Start())
				for range 10 {
					seen[<-handled]++
				}
				require.Len(t, seen, 10)
			})
		})
	}
}

func TestLargeMessages(t *testing.T) {
	t.Parallel()
	// Under the race detector JSON of this size takes a busy machine a while.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	serve(t, e, w, "t::echo", echo)
	text := strings.Repeat("x", 9<<20) // more than one frame
	result, err := w.Invoke(ctx, "t::echo", text, iii.Timeout(0))
	require.NoError(t, err)
	require.Len(t, result, len(text)+2)
	_, err = w.Invoke(ctx, "t::echo", strings.Repeat("x", 65<<20), iii.Timeout(0))
	require.ErrorIs(t, err, iii.ErrNotSent)
	serve(t, e, w, "t::large", func(context.Context, iii.Invocation) (any, error) { return strings.Repeat("x", 65<<20), nil })
	_, err = w.Invoke(ctx, "t::large", nil, iii.Timeout(0))
	require.True(t, iii.HasCode(err, iii.CodeInvocationFailed), "%v", err)
}

func TestABurstWaitsForRoom(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{QueueLimit: 3})
	serve(t, e, w, "t::echo", echo)
	answers := make(chan error, 500)
	for i := range cap(answers) {
		go func() {
			result, err := w.Invoke(soon(t), "t::echo", i)
			if err == nil && string(result) != fmt.Sprint(i) {
				err = errors.New(string(result))
			}
			answers <- err
		}()
	}
	for range cap(answers) {
		require.NoError(t, <-answers)
	}
}
