package modeltest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

// Takes tests, on a fake clock, how long a call takes to succeed, or to fail with
// the given text if there is one. What create makes must stay in memory, as a
// [Slow] server does.
func Takes(t *testing.T, after time.Duration, want string, create func(*testing.T) executors.Executor) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := create(t)
		begun := time.Now()
		_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.Equal(t, after, time.Since(begun))
		if want == "" {
			require.NoError(t, err)
			return
		}
		require.True(t, conversation.IsKind(err, conversation.Unavailable), "%v", err)
		require.ErrorContains(t, err, want)
		require.NotErrorIs(t, err, context.Canceled, "it is no cancellation by the caller")
	})
}

// CheckIsBounded tests that a check of a server that never answers fails with the
// text.
func CheckIsBounded(t *testing.T, want string, create func(*testing.T) executors.Checker) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := create(t)
		begun := time.Now()
		require.ErrorContains(t, e.Check(t.Context()), want+": no answer within 3s")
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

func (v Vendor) checkIsBounded(t *testing.T) {
	CheckIsBounded(t, v.Name+": check", func(t *testing.T) executors.Checker {
		return v.create(t, via(Slow{Header: time.Hour}))
	})
}

// Timed tests how long a streamed answer of these steps takes and how the call
// ends. See [Takes].
func (v Vendor) Timed(t *testing.T, name string, steps []Step, after time.Duration, want string) {
	t.Helper()
	v.timed(t, name, via(Slow{Steps: steps}), after, want)
}

func (v Vendor) timed(t *testing.T, name string, s Settings, after time.Duration, want string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		Takes(t, after, want, func(t *testing.T) executors.Executor { return v.create(t, s) })
	})
}

func (v Vendor) timers(t *testing.T) {
	var begin, forever []Step
	for _, event := range v.Begin {
		begin = append(begin, After(0, event))
	}
	for range 100 {
		forever = append(forever, After(20*time.Second, v.Delta("Hello")))
	}
	late := append(begin[:len(begin):len(begin)], After(89*time.Second, v.Delta("Hello")), After(29*time.Second, v.Delta("!")))
	for i, event := range v.End {
		late = append(late, After(0, event))
		if i == 0 {
			late[len(late)-1].Pause = 29 * time.Second
		}
	}
	v.Timed(t, "NoEvent", nil, 90*time.Second, "first_token_timeout")
	v.Timed(t, "OnlyBegun", begin, 90*time.Second, "first_token_timeout")
	v.Timed(t, "Stalls", append(begin, After(10*time.Second, v.Delta("Hello"))), 40*time.Second, "the answer did not continue within 30s (gap_timeout)")
	v.Timed(t, "StallsInReasoning", []Step{After(time.Second, v.Thinking("hm"))}, 31*time.Second, "gap_timeout")
	v.Timed(t, "NeverEnds", forever, 4*time.Minute, "the answer was not complete within 4m0s (timeout)")
	v.timed(t, "LateButInTime", via(Slow{Steps: late, Close: true}), 147*time.Second, "")
	v.timed(t, "NoResponse", via(Slow{Header: time.Hour}), 90*time.Second, "the answer did not begin within 1m30s (first_token_timeout)")

	slow := via(Slow{Header: time.Hour})
	slow.Whole = true
	v.timed(t, "WholeIsSlow", slow, 4*time.Minute, "(timeout)")
	short := via(Slow{})
	short.Timeout, short.FirstTokenTimeout = time.Second, 900*time.Millisecond
	v.timed(t, "ShortTotal", short, 900*time.Millisecond, "first_token_timeout")
}
