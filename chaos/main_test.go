//go:build unix

package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]string{{"--minutes", "0"}, {"--workers", "0"}, {"--senders", "-1"}, {"--only", "flood"}, {"--no-such-flag"}, {"more"}} {
		err := command(t.Context(), bad, &bytes.Buffer{}, &bytes.Buffer{})
		require.ErrorAs(t, err, new(usageError), "%v", bad)
	}
	var out bytes.Buffer
	require.NoError(t, command(t.Context(), []string{"--help"}, &out, &bytes.Buffer{}))
	require.Contains(t, out.String(), "--seed")
	require.Error(t, command(t.Context(), []string{"check", t.TempDir()}, &out, &bytes.Buffer{}), "accounts that do not exist")
}

func TestPlanIsPrinted(t *testing.T) {
	t.Parallel()
	print := func() string {
		var out bytes.Buffer
		require.NoError(t, command(t.Context(), []string{"--plan", "--seed", "7", "--minutes", "1"}, &out, &bytes.Buffer{}))
		return out.String()
	}
	require.Equal(t, print(), print())
	require.Contains(t, print(), "right before effect")
}
