package pulse_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
)

// Tasks whose id no workflow can have are told of, and hold up no other.
func TestTaskThatCannotBeNamed(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{}, func(c *pulse.Config) { c.Types = []string{pulse.TypeRunAgent, pulse.TypeExecuteAgent} })
	b.Add(pulsetest.Schedule{ID: "größe", At: noon})
	b.Add(pulsetest.Schedule{ID: "späte", At: noon.Add(time.Hour)})
	b.Add(pulsetest.Schedule{ID: "andérs", At: noon, Payload: map[string]any{"agent_id": "other"}})
	good := b.Add(pulsetest.Schedule{At: noon, Type: pulse.TypeExecuteAgent})

	all, err := b.platform.Assigned(t.Context(), "", "a-1")
	require.Len(t, all, 1)
	require.Equal(t, good, all[0].Ref.Simulation)
	rows, rest := platforms.RowErrors(err)
	require.NoError(t, rest)
	require.Len(t, rows, 1)
	require.Equal(t, "größe", rows[0].ID)
	require.ErrorContains(t, err, "schedule it anew")
	require.ErrorContains(t, err, `it cannot be run`)
	require.ErrorContains(t, err, "not printable ASCII")
	require.NotContains(t, err.Error(), "späte", "it is not due")
	require.NotContains(t, err.Error(), "andérs", "it is not this agent's")

	for _, id := range []string{"größe", good} {
		_, err = b.platform.Client().Claim(t.Context(), id, "somebody")
		require.NoError(t, err)
	}
	all, err = b.platform.Open(t.Context(), "", "a-1")
	require.Len(t, all, 1)
	require.ErrorContains(t, err, `it cannot be run`)
}
