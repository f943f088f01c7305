package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// Every command that the help lists has a man page, and completion knows it.
func TestManual(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	starts := func(args ...string) string {
		stdout.Reset()
		require.Zero(t, run(t.Context(), args, nil, strings.NewReader(""), &stdout, &stderr), "%s%s", &stdout, &stderr)
		return stdout.String()
	}
	starts("manual", dir)
	n := 0
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "completion" {
			return
		}
		n++
		path := strings.Fields(cmd.CommandPath())
		page, err := os.ReadFile(filepath.Join(dir, "man", "parley-"+strings.Join(path, "-")+".1"))
		require.NoError(t, err)
		require.NotContains(t, string(page), "\n  starter ")
		if len(path) > 1 {
			completed := starts(append(append([]string{"__complete"}, path[1:len(path)-1]...), path[len(path)-1])...)
			require.Contains(t, completed, path[len(path)-1])
		}
		for _, below := range cmd.Commands() {
			check(below)
		}
	}
	check((&starter{}).command())
	require.Greater(t, n, 30)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, starts("completion", shell), "starter")
	}
	require.FileExists(t, filepath.Join(dir, "completion", "parley-starter.bash"))
}
