package workflows_test

import (
	"os"
	"path/filepath"
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
	seen := map[string]int{}
	for _, file := range files {
		for _, name := range []string{"conversation", "inbox"} {
			if strings.HasPrefix(filepath.Base(file), name) {
				seen[name]++
			}
		}
		t.Run(filepath.ToSlash(file), func(t *testing.T) {
			replayer := worker.NewWorkflowReplayer()
			workflows.Register(replayer)
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(quiet{}, file))
		})
	}
	require.NotZero(t, seen["conversation"], "no golden history of a conversation in %s", cwd(t))
	require.NotZero(t, seen["inbox"], "no golden history of an inbox in %s", cwd(t))
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
