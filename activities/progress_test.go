package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/platforms"
)

// A sole is an executor that does nothing twice.
type sole struct{ *executortest.Fake }

func (sole) AtMostOnce() bool { return true }

// A choice is what a worker makes of "auto".
func choice(t *testing.T, of map[string]executors.Executor, order ...string) *executors.Registry {
	t.Helper()
	r := executors.NewRegistry(order...)
	for name, e := range of {
		require.NoError(t, r.Add(name, e, executors.About{}))
	}
	return r
}

func attempt(t *testing.T, choice activities.Executors, left *activities.ReplyProgress) (activities.ReplyProgress, error) {
	t.Helper()
	e := newEnvWith(t, activities.Config{
		Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: &fakePlatform{}}},
		Executors: choice,
	})
	var last activities.ReplyProgress
	if left != nil {
		last = *left
		e.SetHeartbeatDetails(*left)
	}
	e.SetOnActivityHeartbeatListener(lastProgress(&last))
	_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1, Executor: executors.Auto})
	return last, err
}

// The token of a run goes to the executor that handed it out and to no other, also
// where "auto" picks another one for the next attempt.
func TestTokensStayWithTheirExecutor(t *testing.T) {
	t.Parallel()
	stalls := func(_ context.Context, req executors.Request) (executors.Result, error) {
		req.OnAttach(json.RawMessage(`"run of a"`))
		return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("stalled")}
	}
	fakes := func() (a, b *executortest.Fake, of map[string]executors.Executor) {
		a, b = &executortest.Fake{Reply: stalls}, &executortest.Fake{}
		return a, b, map[string]executors.Executor{"a": a, "b": b}
	}
	a, _, of := fakes()
	left, err := attempt(t, choice(t, of, "a", "b"), nil)
	require.Error(t, err)
	require.Equal(t, "a", left.Executor)
	require.JSONEq(t, `"run of a"`, string(left.Attach))
	require.Nil(t, a.Requests()[0].Attach)

	t.Run("the same", func(t *testing.T) {
		t.Parallel()
		a, b, of := fakes()
		a.Reply = nil
		_, err := attempt(t, choice(t, of, "a", "b"), &left)
		require.NoError(t, err)
		require.JSONEq(t, `"run of a"`, string(a.Requests()[0].Attach))
		require.Empty(t, b.Requests())
	})
	t.Run("another", func(t *testing.T) {
		t.Parallel()
		a, b, of := fakes()
		a.Unavailable = errors.New("down")
		b.Reply = func(context.Context, executors.Request) (executors.Result, error) {
			return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("down too")}
		}
		after, err := attempt(t, choice(t, of, "a", "b"), &left)
		require.Error(t, err)
		require.Nil(t, b.Requests()[0].Attach)
		require.Equal(t, "b", after.Executor)
		require.Nil(t, after.Attach)
	})
	t.Run("an older worker's", func(t *testing.T) {
		t.Parallel()
		_, b, of := fakes()
		nameless := activities.ReplyProgress{Attach: left.Attach}
		_, err := attempt(t, choice(t, of, "b"), &nameless)
		require.NoError(t, err)
		require.JSONEq(t, `"run of a"`, string(b.Requests()[0].Attach))
	})
}

// What one executor may have done, and must not do twice, no other is asked to do.
// One that was not asked may be.
func TestAtMostOnceAmongSeveral(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		left activities.ReplyProgress
		asks bool
	}{
		"it was asked":                   {activities.ReplyProgress{Asked: true, Executor: "only", Once: true}, false},
		"an executor without a name was": {activities.ReplyProgress{Asked: true}, false},
		"another like it was":            {activities.ReplyProgress{Asked: true, Executor: "other", Once: true}, false},
		"another like it has a token":    {activities.ReplyProgress{Asked: true, Executor: "other", Once: true, Attach: json.RawMessage(`1`)}, false},
		"another was, that may repeat":   {activities.ReplyProgress{Asked: true, Executor: "other"}, true},
		"it has failed":                  {activities.ReplyProgress{Executor: "only", Once: true}, true},
		"its run can be found":           {activities.ReplyProgress{Asked: true, Executor: "only", Once: true, Attach: json.RawMessage(`1`)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &executortest.Fake{}
			_, err := attempt(t, choice(t, map[string]executors.Executor{"only": sole{fake}}), &tc.left)
			if tc.asks {
				require.NoError(t, err)
				require.Len(t, fake.Requests(), 1)
				return
			}
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.Equal(t, string(conversation.Invalid), app.Type())
			require.Empty(t, fake.Requests())
		})
	}
}

// An attempt that gets nowhere does not forget that an earlier one may have run.
func TestAtMostOnceOutlivesAttemptsThatAskNoExecutor(t *testing.T) {
	t.Parallel()
	left := activities.ReplyProgress{Asked: true, Executor: "only", Once: true}
	down := &executortest.Fake{Unavailable: &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("down")}}
	after, err := attempt(t, choice(t, map[string]executors.Executor{"only": sole{down}}), &left)
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, string(conversation.Unavailable), app.Type(), "it is retried")
	require.True(t, after.Asked)

	up := &executortest.Fake{}
	_, err = attempt(t, choice(t, map[string]executors.Executor{"only": sole{up}}), &after)
	require.ErrorAs(t, err, &app)
	require.Equal(t, string(conversation.Invalid), app.Type())
	require.Empty(t, up.Requests())
}
