package mutant_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/chaos/internal/mutant"
)

// Each mutant still finds the places in the source that it changes.
func TestMutantsFitTheSource(t *testing.T) {
	t.Parallel()
	for _, m := range mutant.All {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			flags, err := mutant.Flags(m.Name, dir)
			require.NoError(t, err)
			require.Equal(t, []string{"-overlay", filepath.Join(dir, "overlay.json")}, flags)
			data, err := os.ReadFile(filepath.Join(dir, "overlay.json"))
			require.NoError(t, err)
			var overlay struct{ Replace map[string]string }
			require.NoError(t, json.Unmarshal(data, &overlay))
			require.NotEmpty(t, overlay.Replace)
			for original, changed := range overlay.Replace {
				before, err := os.ReadFile(original)
				require.NoError(t, err)
				after, err := os.ReadFile(changed)
				require.NoError(t, err)
				require.NotEqual(t, string(before), string(after))
			}
			require.NotEmpty(t, m.Breaks)
		})
	}
	_, err := mutant.Flags("none", t.TempDir())
	require.ErrorContains(t, err, `"none"`)
}
