package executors_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain has no Check.
type plain struct{ executors.Executor }

// checked has one.
type checked struct {
	executors.Executor
	check func(ctx context.Context) error
}

func (c checked) Check(ctx context.Context) error { return c.check(ctx) }

func says(err error) checked {
	return checked{check: func(context.Context) error { return err }}
}

func add(t *testing.T, r *executors.Registry, name string, e executors.Executor, backend string) {
	t.Helper()
	require.NoError(t, r.Add(name, e, executors.About{Backend: backend, Model: backend + "-1"}))
}

var (
	noKey   = &conversation.Error{Kind: conversation.Unauthorized, Op: "openai: check", Err: errors.New("there is no key"), Remedy: "set OPENAI_API_KEY"}
	errDown = errors.New("connection refused")
)

func TestAdd(t *testing.T) {
	t.Parallel()
	r := executors.NewRegistry()
	add(t, r, "demo", &plain{}, "scripted")
	for name, c := range map[string]struct {
		name string
		exec executors.Executor
		want string
	}{
		"Empty":     {"", &plain{}, "the name is empty"},
		"Blank":     {" ", &plain{}, "the name is empty"},
		"Duplicate": {"demo", &plain{}, `add "demo": there is one of that name`},
		"Auto":      {"auto", &plain{}, `add "auto": the name is reserved`},
		"Nil":       {"other", nil, "the executor is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, r.Add(c.name, c.exec, executors.About{}), c.want)
		})
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	r := executors.NewRegistry()
	a, b := &plain{}, &checked{check: func(context.Context) error { return errDown }}
	add(t, r, "b", b, "http")
	add(t, r, "a", a, "scripted")

	got, err := r.Get("b")
	require.NoError(t, err, "a name is a name, available or not")
	require.Same(t, b, got)

	_, err = r.Get("c")
	require.True(t, conversation.IsKind(err, conversation.Invalid))
	require.EqualError(t, err, `executors: get "c": no executor has that name (use one of "a", "b", "auto")`)

	got, err = r.Get(executors.Auto)
	require.NoError(t, err)
	require.Same(t, a, got)
}

func TestResolveAuto(t *testing.T) {
	t.Parallel()
	limited := &conversation.Error{Kind: conversation.RateLimited, Op: "x: check", Err: errors.New("slow down")}
	for name, c := range map[string]struct {
		preference []string
		add        map[string]executors.Executor
		order      []string
		want       string
		wantKind   conversation.Kind
		wantText   string
	}{
		"InTheOrderAdded": {
			order: []string{"one", "two"}, add: map[string]executors.Executor{"one": plain{}, "two": plain{}}, want: "one",
		},
		"ByName": {
			preference: []string{"two", "one"}, order: []string{"one", "two"},
			add: map[string]executors.Executor{"one": plain{}, "two": plain{}}, want: "two",
		},
		"ByBackend": {
			preference: []string{"backend-two", "one"}, order: []string{"one", "two"},
			add: map[string]executors.Executor{"one": plain{}, "two": plain{}}, want: "two",
		},
		"SkipsWhatIsNotAvailable": {
			order: []string{"one", "two"}, add: map[string]executors.Executor{"one": says(noKey), "two": says(nil)}, want: "two",
		},
		"NeverWhatIsNotPreferred": {
			preference: []string{"one"}, order: []string{"one", "two"},
			add:      map[string]executors.Executor{"one": says(noKey), "two": plain{}},
			wantKind: conversation.Unauthorized, wantText: `no executor is available: "one": openai: check: there is no key (set OPENAI_API_KEY)`,
		},
		"WaitingMayHelp": {
			order: []string{"one", "two"}, add: map[string]executors.Executor{"one": says(noKey), "two": says(limited)},
			wantKind: conversation.Unavailable, wantText: `"two": x: check: slow down`,
		},
		"NoneToChooseFrom": {
			preference: []string{"three"}, order: []string{"one"}, add: map[string]executors.Executor{"one": plain{}},
			wantKind: conversation.Invalid, wantText: "there is no executor to choose from",
		},
		"Panics": {
			order:    []string{"one"},
			add:      map[string]executors.Executor{"one": checked{check: func(context.Context) error { panic("oh no") }}},
			wantKind: conversation.Unavailable, wantText: "oh no",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := executors.NewRegistry(c.preference...)
			for _, n := range c.order {
				add(t, r, n, c.add[n], "backend-"+n)
			}
			got, e, err := r.Resolve(t.Context(), executors.Auto)
			if c.wantKind != "" {
				require.ErrorContains(t, err, c.wantText)
				require.Equal(t, c.wantKind, conversation.KindOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.NotNil(t, e)
		})
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	r := executors.NewRegistry("claude", "gpt", "demo")
	add(t, r, "demo", plain{}, "scripted")
	add(t, r, "extra", says(nil), "http")
	add(t, r, "gpt", says(nil), "openai")
	add(t, r, "claude", says(noKey), "anthropic")
	want := []executors.Listing{
		{Name: "claude", Backend: "anthropic", Model: "anthropic-1", Reason: "openai: check: there is no key (set OPENAI_API_KEY)", Tools: true},
		{Name: "gpt", Backend: "openai", Model: "openai-1", Available: true, Tools: true, Auto: true},
		{Name: "demo", Backend: "scripted", Model: "scripted-1", Available: true, Tools: true},
		{Name: "extra", Backend: "http", Model: "http-1", Available: true, Tools: true},
	}
	for range 2 { // the order is stable
		listed := r.List(t.Context())
		require.EqualError(t, listed[0].Err, listed[0].Reason)
		listed[0].Err = nil
		require.Equal(t, want, listed)
	}
}

func TestChecksRunAtOnceAndAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := executors.NewRegistry()
		release := make(chan struct{})
		for i := range 8 {
			add(t, r, fmt.Sprintf("heeds-%d", i), checked{check: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, "x")
			add(t, r, fmt.Sprintf("deaf-%d", i), checked{check: func(context.Context) error { <-release; return nil }}, "x")
		}
		begun := time.Now()
		for _, l := range r.List(t.Context()) {
			require.False(t, l.Available)
			require.Equal(t, "the availability check took longer than 3s", l.Reason)
		}
		require.Equal(t, 3*time.Second, time.Since(begun))
		close(release)
	})
}

func TestAutoDoesNotWaitForWhatItDoesNotNeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := executors.NewRegistry()
		add(t, r, "quick", says(nil), "x")
		add(t, r, "slow", checked{check: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, "x")
		begun := time.Now()
		name, _, err := r.Resolve(t.Context(), executors.Auto)
		require.NoError(t, err)
		require.Equal(t, "quick", name)
		require.Zero(t, time.Since(begun))
		time.Sleep(time.Minute) // the slow check ends by itself
	})
}

func TestAvailabilityIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		var broken atomic.Bool
		r := executors.NewRegistry()
		add(t, r, "one", checked{check: func(context.Context) error {
			calls.Add(1)
			time.Sleep(time.Second)
			if broken.Load() {
				return errDown
			}
			return nil
		}}, "x")

		var group sync.WaitGroup
		for range 50 { // a burst of turns shares one check
			group.Go(func() {
				_, err := r.Get(executors.Auto)
				require.NoError(t, err)
			})
		}
		group.Wait()
		require.Equal(t, int64(1), calls.Load())

		broken.Store(true)
		time.Sleep(4 * time.Second)
		_, err := r.Get(executors.Auto)
		require.NoError(t, err, "the last result still holds")
		time.Sleep(2 * time.Second)
		_, err = r.Get(executors.Auto)
		require.ErrorContains(t, err, "connection refused")
		require.Equal(t, int64(2), calls.Load())
	})
}

func TestACallerThatGivesUpSpoilsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := executors.NewRegistry()
		add(t, r, "one", checked{check: func(ctx context.Context) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}, "x")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, _, err := r.Resolve(ctx, executors.Auto)
		require.ErrorIs(t, err, context.Canceled)

		_, _, err = r.Resolve(t.Context(), executors.Auto)
		require.NoError(t, err)
	})
}

func TestRegistryIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	r := executors.NewRegistry()
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			name := fmt.Sprintf("e%d", i)
			if err := r.Add(name, says(nil), executors.About{}); err != nil {
				t.Error(err)
			}
			if _, err := r.Get(name); err != nil {
				t.Error(err)
			}
			_, _ = r.Get(executors.Auto)
			r.List(t.Context())
		})
	}
	group.Wait()
	require.Len(t, r.List(t.Context()), 20)
}
