package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/chaos/internal/plan"
	"github.com/parley-run/parley/internal/testhook"
)

func TestSameSeedSamePlan(t *testing.T) {
	t.Parallel()
	make := func(seed uint64) plan.Plan { return plan.New(seed, 3*time.Minute, 3, plan.Default()) }
	require.Equal(t, make(7), make(7))
	require.NotEqual(t, make(7), make(8))
}

func TestPlanIsWhatItPromises(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		p := plan.New(seed, 10*time.Minute, 3, plan.Default())
		counts := map[plan.Kind]int{}
		restarts := map[string]int{}
		var last time.Duration
		for _, f := range p.Faults {
			counts[f.Kind]++
			require.GreaterOrEqual(t, f.At, last)
			require.Less(t, f.At, p.Duration)
			last = f.At
			switch f.Kind {
			case plan.Restart:
				restarts[f.Target]++
			case plan.Freeze:
				require.GreaterOrEqual(t, f.For, 5*time.Second)
				require.LessOrEqual(t, f.For, time.Minute)
			}
		}
		require.GreaterOrEqual(t, counts[plan.Kill], 40)
		require.GreaterOrEqual(t, counts[plan.Freeze], 10)
		for _, s := range plan.Services {
			require.GreaterOrEqual(t, restarts[s], 4, s)
		}
		require.Len(t, p.Aims, 3)
		for _, kind := range plan.Kinds {
			require.NotZero(t, counts[kind], kind)
		}
	}
}

// The aims are written in the worker's language.
func TestAimsAreHooks(t *testing.T) {
	t.Parallel()
	for _, aims := range plan.New(1, time.Hour, 3, plan.Default()).Aims {
		for _, a := range aims {
			_, err := testhook.Parse(a.Hook())
			require.NoError(t, err)
		}
	}
}

func TestNoRatesNoFaults(t *testing.T) {
	t.Parallel()
	p := plan.New(1, time.Minute, 2, plan.Rates{})
	require.Empty(t, p.Faults)
	require.Equal(t, [][]plan.Aim{nil, nil}, p.Aims)
}

func TestOnly(t *testing.T) {
	t.Parallel()
	rates, err := plan.Only([]plan.Kind{plan.Kill})
	require.NoError(t, err)
	p := plan.New(1, 2*time.Minute, 1, rates)
	require.Len(t, p.Faults, 9)
	for _, f := range p.Faults {
		require.Equal(t, plan.Kill, f.Kind)
	}
	require.Equal(t, [][]plan.Aim{nil}, p.Aims)
	_, err = plan.Only([]plan.Kind{"flood"})
	require.ErrorContains(t, err, `"flood"`)
}
