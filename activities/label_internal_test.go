package activities

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/printable"
)

// A peer that gives a new name with each answer makes no series without end.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	var n names
	got := map[string]bool{}
	for i := range 10 * maxLabels {
		label := n.label(fmt.Sprint(strings.Repeat("m", i), "\x1b"))
		require.LessOrEqual(t, len(label), printable.MaxName)
		got[label] = true
	}
	require.LessOrEqual(t, len(got), maxLabels+1)
	require.Equal(t, otherLabel, n.label("new"))
	require.Equal(t, "\uFFFD", n.label("\x1b"))
}
