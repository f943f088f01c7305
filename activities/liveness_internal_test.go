package activities

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
)

// server answers heartbeats as a test says.
type server struct {
	mu      sync.Mutex
	details []any // of the heartbeats it has recorded, in order
	asked   int
	answer  func(ctx context.Context, n int) error // n counts from 1
}

func (s *server) RecordActivityHeartbeatWithOptions(ctx context.Context, options client.RecordActivityHeartbeatOptions) error {
	s.mu.Lock()
	s.asked++
	n, answer := s.asked, s.answer
	s.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, n); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.details = append(s.details, options.Details...)
	return nil
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *server) recorded() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.details)
}

func (s *server) CompleteActivityWithOptions(context.Context, client.CompleteActivityOptions) error {
	return nil
}

const testTimeout = 15 * time.Second

// held starts an attempt.
func heldBy(t *testing.T, s *server) (context.Context, *liveness) {
	t.Helper()
	l := &liveness{client: s, timeout: testTimeout, sdk: t.Context(), sdkRecord: func(...any) {}, lag: &lagMeter{}}
	return l.start(t.Context())
}

func hang(ctx context.Context, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestHoldAsksWhereNothingIsProven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		ctx, l := heldBy(t, s)
		defer l.stop()
		require.NoError(t, lease.Check(ctx))
		require.Equal(t, 1, s.count(), "the task may have lain in a frozen process")
		require.NoError(t, lease.Check(ctx))
		require.Equal(t, 1, s.count(), "it is proven now")
		require.NoError(t, l.record(ctx, "mark"))
		require.NoError(t, lease.Check(ctx))
		require.Equal(t, 2, s.count(), "what was recorded proves it too")
	})
}

// What a process that was frozen knows is old.
// requested is a server whose client knows how long ago the attempt's task was requested.
type requested struct {
	*server
	ago time.Duration // negative: it does not
}

func (r requested) TaskRequested([]byte) (time.Time, bool) {
	if r.ago < 0 {
		return time.Time{}, false
	}
	return time.Now().Add(-r.ago), false
}

func (r requested) TaskLost(string) bool { return false }

// A task that was requested a moment ago cannot have timed out yet.
func TestHoldTrustsTheRequestOfTheTask(t *testing.T) {
	t.Parallel()
	fresh := testTimeout - testTimeout/5
	for name, tt := range map[string]struct {
		ago   time.Duration
		beats int
	}{
		"just now":               {0, 0},
		"within the timeout":     {fresh - time.Millisecond, 0},
		"a poll that has waited": {fresh, 1},
		"before a freeze":        {time.Hour, 1},
		"the time is not known":  {-1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				l := &liveness{client: requested{s, tt.ago}, timeout: testTimeout, sdk: t.Context(), sdkRecord: func(...any) {}, lag: &lagMeter{}}
				ctx, l := l.start(t.Context())
				defer l.stop()
				require.NoError(t, lease.Check(ctx))
				require.Equal(t, tt.beats, s.count())
			})
		})
	}
}

// An attempt that is frozen between its start and its effect asks, however it began.
func TestHoldAsksAfterAFreezeAtTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(context.Context, int) error { return serviceerror.NewNotFound("activity not found") }}
		l := &liveness{client: requested{s, 0}, sdk: t.Context(), sdkRecord: func(...any) {}, lag: &lagMeter{}}
		ctx, l := l.start(t.Context()) // without a heartbeat timeout there is no heartbeat but those that are asked for
		defer l.stop()
		time.Sleep(time.Minute)
		require.ErrorIs(t, lease.Check(ctx), lease.ErrNotCurrent)
	})
}

func TestHoldAfterAFreeze(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(context.Context, int) error
		is     func(error) bool
	}{
		"still the current one": {nil, func(err error) bool { return err == nil }},
		"given up": {func(context.Context, int) error { return serviceerror.NewNotFound("activity") },
			func(err error) bool { return errors.Is(err, lease.ErrNotCurrent) }},
		"cut off": {hang, func(err error) bool {
			e := asError(err)
			return e != nil && e.Kind == conversation.Unavailable && !e.Ambiguous && !errors.Is(err, lease.ErrNotCurrent)
		}},
		"refused": {func(context.Context, int) error { return serviceerror.NewUnavailable("down") }, func(err error) bool {
			e := asError(err)
			return e != nil && e.Kind == conversation.Unavailable && !e.Ambiguous
		}},
		"an answer that is too late to prove anything": {func(context.Context, int) error { time.Sleep(testTimeout - time.Second); return nil },
			func(err error) bool { return conversation.IsKind(err, conversation.Unavailable) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				ctx, l := heldBy(t, s)
				defer l.stop()
				require.NoError(t, l.record(ctx, "mark"))
				// As if no heartbeat had gone out for a minute.
				l.mu.Lock()
				l.proven = time.Now().Add(-time.Minute)
				l.mu.Unlock()
				s.mu.Lock()
				s.answer = tc.answer
				s.mu.Unlock()
				err := lease.Check(ctx)
				require.True(t, tc.is(err), "%v", err)
			})
		})
	}
}

// A server that does not answer is no reason to end anything; one that says so is.
func TestHeartbeatsEndTheAttempt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(context.Context, int) error
		cause  func(error) bool // nil: it goes on
	}{
		"no answer":         {hang, nil},
		"server away":       {func(context.Context, int) error { return serviceerror.NewUnavailable("down") }, nil},
		"deadline exceeded": {func(context.Context, int) error { return serviceerror.NewDeadlineExceeded("slow") }, nil},
		"namespace moves":   {func(context.Context, int) error { return serviceerror.NewNamespaceNotActive("n", "a", "b") }, nil},
		"cancelled":         {func(context.Context, int) error { return temporal.NewCanceledError() }, func(err error) bool { return temporal.IsCanceledError(err) }},
		"given up": {func(context.Context, int) error { return serviceerror.NewNotFound("activity") },
			func(err error) bool { return errors.Is(err, lease.ErrNotCurrent) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: tc.answer}
				ctx, l := heldBy(t, s)
				defer l.stop()
				time.Sleep(3 * testTimeout)
				synctest.Wait()
				if tc.cause == nil {
					require.NoError(t, ctx.Err())
					return
				}
				require.True(t, tc.cause(context.Cause(ctx)), "%v", context.Cause(ctx))
			})
		})
	}
}

// A claim that the workflow has cancelled is finished: the attempt still is the current
// one, and heartbeats go on until it returns.
func TestCancelledAttemptStaysCurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var notified atomic.Int32
		s := &server{answer: func(context.Context, int) error { return temporal.NewCanceledError() }}
		l := &liveness{client: s, timeout: testTimeout, sdk: t.Context(), sdkRecord: func(...any) { notified.Add(1) }, lag: &lagMeter{}}
		ctx, _ := l.start(t.Context())
		defer l.stop()
		time.Sleep(4 * testTimeout)
		synctest.Wait()
		require.Error(t, ctx.Err())
		require.EqualValues(t, 1, notified.Load(), "the SDK is notified once")
		require.GreaterOrEqual(t, s.count(), 8)
		require.NoError(t, l.Hold(context.WithoutCancel(ctx)))
	})
}

// What is recorded does not wait behind a heartbeat that hangs, and an older one does
// not come after it.
func TestRecordOvertakesAHangingHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.answer = func(ctx context.Context, n int) error {
			if n == 1 {
				return hang(ctx, n)
			}
			return nil
		}
		ctx, l := heldBy(t, s)
		defer l.stop()
		l.note(ctx, "old")
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, l.record(ctx, "new"))
		require.Zero(t, time.Since(begin))
		time.Sleep(2 * testTimeout)
		synctest.Wait()
		for _, d := range s.recorded() {
			require.Equal(t, "new", d)
		}
	})
}

// Of many records at once the newest is what stays.
func TestNewestDetailsWin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(ctx context.Context, n int) error {
			timer := time.NewTimer(time.Duration(n*37%11) * time.Millisecond)
			defer timer.Stop()
			select {
			case <-timer.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		ctx, l := heldBy(t, s)
		defer l.stop()
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if err := l.record(ctx, i); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		recorded := s.recorded()
		require.Equal(t, 49, recorded[len(recorded)-1])
	})
}

// A slow server is measured, and asked no more often for being slow.
func TestLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(context.Context, int) error { time.Sleep(9 * time.Second); return nil }}
		_, l := heldBy(t, s)
		defer l.stop()
		time.Sleep(time.Minute)
		require.LessOrEqual(t, s.count(), 13)
		require.Equal(t, 9*time.Second, l.lag.worst())
		require.Equal(t, 54*time.Second, HeartbeatTimeout(heartbeatTimeout, l.lag.worst()))
		require.Equal(t, heartbeatTimeout, HeartbeatTimeout(heartbeatTimeout, 0))
		require.Equal(t, 2*time.Minute, HeartbeatTimeout(heartbeatTimeout, time.Hour))
	})
	synctest.Test(t, func(t *testing.T) {
		m := &lagMeter{}
		m.add(time.Second)
		require.Zero(t, m.worst(), "fast enough")
		m.add(4100 * time.Millisecond)
		require.Equal(t, 5*time.Second, m.worst())
		time.Sleep(lagPeriod + time.Second)
		require.Equal(t, 5*time.Second, m.worst())
		time.Sleep(lagPeriod + time.Second)
		require.Zero(t, m.worst(), "long ago")
	})
}
