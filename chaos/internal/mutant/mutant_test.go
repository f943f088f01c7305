package mutant_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/chaos/internal/mutant"
)

// Each mutant still finds the place in the source that it changes.
func TestMutantsFitTheSource(t *testing.T) {
	t.Parallel()
	for _, m := range mutant.All {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			flags, err := mutant.Flags(m.Name, dir)
			require.NoError(t, err)
			require.Equal(t, []string{"-overlay", filepath.Join(dir, "overlay.json")}, flags)
			changed, err := os.ReadFile(filepath.Join(dir, "mutant.go.txt"))
			require.NoError(t, err)
			require.Contains(t, string(changed), m.New)
			require.NotContains(t, string(changed), m.Old)
		})
	}
	_, err := mutant.Flags("none", t.TempDir())
	require.ErrorContains(t, err, `"none"`)
}
