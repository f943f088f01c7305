package testhook

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()
	none, err := Parse(" ")
	require.NoError(t, err)
	require.Nil(t, none)
	for _, bad := range []string{"exchange", "exchange=", "exchange=pause", "send=stop", "tool=kill@0", "tool=kill@x", "tool=stop,,"} {
		_, err := Parse(bad)
		require.ErrorContains(t, err, Variable, bad)
	}
	_, err = Parse("exchange=stop, tool=kill@2")
	require.NoError(t, err)
}

func TestOccurrences(t *testing.T) {
	t.Parallel()
	h, err := parse("tool=stop@2")
	require.NoError(t, err)
	require.Equal(t, 2, h.left)
	require.Equal(t, "tool", h.effect)
}
