package command

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestManual(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"manual", dir}, os.LookupEnv, &stdout, &stderr), stderr.String())
	page, err := os.ReadFile(filepath.Join(dir, "man", "parley-simulator.1"))
	require.NoError(t, err)
	require.Contains(t, string(page), `Usage: parley\-simulator [flags]`)

	require.Zero(t, run(t.Context(), []string{"__complete", "--"}, os.LookupEnv, &stdout, &stderr), stderr.String())
	var f flags
	f.register().VisitAll(func(flag *pflag.Flag) {
		require.Contains(t, help, "--"+flag.Name, "the help does not describe it")
		require.Contains(t, stdout.String(), "--"+flag.Name+"\t", "completion does not describe it")
	})
}
