package repocheck_test

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// "go install …@version" refuses a module that replaces or excludes another.
func TestProgramsCanBeInstalled(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	var module struct{ Replace, Exclude []any }
	require.NoError(t, json.Unmarshal(out, &module))
	require.Empty(t, module.Replace)
	require.Empty(t, module.Exclude)
}
