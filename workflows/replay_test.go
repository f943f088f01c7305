package workflows_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/workflows"
)

// Every recorded history must replay with today's code: workflows that are running
// when it is deployed go through the same. See testdata/histories/README.md.
func TestGoldenHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/*/*.json")
	require.NoError(t, err)
	for _, workflow := range []string{"conversation", "inbox", "capacity", "ledger"} {
		ofWorkflow := func(file string) bool { return strings.HasPrefix(filepath.Base(file), workflow+"-") }
		require.True(t, slices.ContainsFunc(files, ofWorkflow), "no golden history of a %s in %s", workflow, cwd(t))
	}
	for _, file := range files {
		t.Run(filepath.ToSlash(file), func(t *testing.T) {
			replayer := worker.NewWorkflowReplayer()
			workflows.Register(replayer)
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(quiet{}, file))
		})
	}
}

func cwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	return dir
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
