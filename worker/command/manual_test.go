package command

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/assemble"
)

func TestManual(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"manual", dir}, nil, &stdout, &stderr), stderr.String())
	page, err := os.ReadFile(filepath.Join(dir, "man", "parley-worker.1"))
	require.NoError(t, err)
	require.Contains(t, string(page), `Usage: parley\-worker [flags]`)

	require.Zero(t, run(t.Context(), []string{"__complete", "--"}, nil, &stdout, &stderr), stderr.String())
	text := help(assemble.Builtin().Types())
	(&command{}).register().VisitAll(func(f *pflag.Flag) {
		require.Contains(t, text, "--"+f.Name, "the help does not describe it")
		require.Contains(t, stdout.String(), "--"+f.Name+"\t", "completion does not describe it")
	})
}
