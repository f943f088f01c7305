package process

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStickyCacheFollowsTheMemory(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		limit int64
		want  int
	}{
		"none":       {0, 10_000},
		"ample":      {8 << 30, 10_000},
		"a gigabyte": {1 << 30, 8738},
		"half":       {512 << 20, 4369},
		"tiny":       {16 << 20, 500},
	} {
		require.Equal(t, row.want, StickyCacheFor(row.limit), name)
	}
	require.EqualValues(t, 536870912, groupLimit("536870912\n"))
	require.EqualValues(t, math.MaxInt64, groupLimit("max\n"))
	require.EqualValues(t, math.MaxInt64, groupLimit(""))
}
