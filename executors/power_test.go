package executors_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/breaker"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/limit"
)

// singing is a power that no package knows of.
type singing interface{ Sing() string }

type singer struct {
	executortest.Fake
	song string
}

func (s *singer) Sing() string { return s.song }

// choir is a wrapper that changes how singing works.
type choir struct{ executors.Executor }

func (c choir) Unwrap() executors.Executor { return c.Executor }
func (c choir) Sing() string {
	s, _ := executors.As[singing](c.Executor)
	return "all: " + s.Sing()
}

// set are the powers of the project, as an executor may have them.
type set struct {
	executortest.Fake
	once, toolless bool
}

func (s *set) AtMostOnce() bool { return s.once }
func (s *set) Toolless() bool   { return s.toolless }

// around wraps an executor in everything there is.
func around(t *testing.T, all ...executors.Executor) executors.Executor {
	t.Helper()
	var links []failover.Link
	for i, e := range all {
		links = append(links, failover.Link{Name: string(rune('a' + i)), Executor: e})
	}
	chain, err := failover.New("chain", failover.Config{}, links, failover.NewBreakers(nil))
	require.NoError(t, err)
	alone, err := breaker.New(chain, breaker.Config{Name: "chain"})
	require.NoError(t, err)
	counted, err := budget.New(alone, nil, budget.Config{Name: "chain"})
	require.NoError(t, err)
	limited, err := limit.New(limit.NewPool(nil), counted, limit.Key{Provider: "x"}, limit.Config{})
	require.NoError(t, err)
	return limited
}

// TestAPowerReachesThroughEveryWrapper: limit(budget(breaker(failover(x)))) sings if x does.
func TestAPowerReachesThroughEveryWrapper(t *testing.T) {
	t.Parallel()
	plain, sings := &executortest.Fake{}, &singer{song: "la"}
	for name, tt := range map[string]struct {
		e    executors.Executor
		want string // empty: no song
	}{
		"itself":                  {sings, "la"},
		"within all":              {around(t, sings), "la"},
		"the second link":         {around(t, plain, sings), "la"},
		"the first that has it":   {around(t, sings, &singer{song: "lo"}), "la"},
		"a chain within a chain":  {around(t, plain, around(t, plain, sings), &singer{song: "lo"}), "la"},
		"the outermost has it":    {choir{around(t, sings)}, "all: la"},
		"a wrapper within a link": {around(t, choir{sings}), "all: la"},
		"none":                    {around(t, plain), ""},
		"no executor":             {nil, ""},
		"wraps no executor":       {choir{}.Executor, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := executors.As[singing](tt.e)
			require.Equal(t, tt.want != "", ok)
			if ok {
				require.Equal(t, tt.want, got.Sing())
			}
		})
	}
}

// TestAChainSpeaksForItsLinks: what has to be said of all links, a chain says itself.
func TestAChainSpeaksForItsLinks(t *testing.T) {
	t.Parallel()
	none := errors.New("no key")
	for name, tt := range map[string]struct {
		links       []executors.Executor
		once, tools bool
		available   bool
	}{
		"nothing said":      {[]executors.Executor{&executortest.Fake{}}, false, true, true},
		"one is once":       {[]executors.Executor{&set{}, &set{once: true}}, true, true, true},
		"none is once":      {[]executors.Executor{&set{}, &set{}}, false, true, true},
		"one takes tools":   {[]executors.Executor{&set{toolless: true}, &set{}}, false, true, true},
		"none takes tools":  {[]executors.Executor{&set{toolless: true}, &set{toolless: true}}, false, false, true},
		"one is available":  {[]executors.Executor{&executortest.Fake{Unavailable: none}, &set{}}, false, true, true},
		"none is available": {[]executors.Executor{&executortest.Fake{Unavailable: none}, &executortest.Fake{Unavailable: none}}, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := around(t, tt.links...)
			require.Equal(t, tt.once, executors.AtMostOnce(e))
			require.Equal(t, tt.tools, executors.TakesTools(e))
			err := executors.Check(t.Context(), e)
			require.Equal(t, tt.available, err == nil, "%v", err)
		})
	}
}

type panicking struct{ executortest.Fake }

func (*panicking) Check(context.Context) error { panic("oh") }

func TestCheckSurvivesAPanic(t *testing.T) {
	t.Parallel()
	require.EqualError(t, executors.Check(t.Context(), &panicking{}), "the availability check panicked: oh")
	require.NoError(t, executors.Check(t.Context(), nil))
}
