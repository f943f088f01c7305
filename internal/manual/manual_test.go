package manual_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/manual"
)

const help = `Usage: parley-sample [flags]

.This line begins like a request, and \this has a backslash.

  --address host:port   where to listen (here)
  -h, --help            print this
`

func sample() manual.Program {
	f := pflag.NewFlagSet("sample", pflag.ContinueOnError)
	f.String("address", "", "")
	f.BoolP("help", "h", false, "")
	return manual.Program{Name: "parley-sample", Title: "shows how", Help: help, Flags: f}
}

func TestProgramWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	handled, err := sample().Run([]string{"manual", dir}, nil, nil)
	require.NoError(t, err)
	require.True(t, handled)
	page := read(t, dir, "man/parley-sample.1")
	require.Contains(t, page, ".SH NAME\nparley\\-sample \\- shows how\n")
	require.Contains(t, page, "\n\\&.This line begins like a request, and \\ethis has")
	require.Contains(t, page, "  \\-\\-address host:port   where to listen (here)\n")
	for _, name := range []string{"parley-sample.bash", "_parley-sample", "parley-sample.fish", "parley-sample.ps1"} {
		require.Contains(t, read(t, dir, "completion/"+name), "parley-sample", name)
	}
}

// Shells call the program itself for what can follow.
func TestProgramCompletes(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	handled, err := sample().Run([]string{cobra.ShellCompRequestCmd, "--add"}, &stdout, &bytes.Buffer{})
	require.NoError(t, err)
	require.True(t, handled)
	require.Contains(t, stdout.String(), "--address\twhere to listen (here)\n")
}

func TestProgramLeavesOtherCommandLines(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--address", "x"}, {"serve"}, {"--help"}} {
		handled, err := sample().Run(args, nil, nil)
		require.NoError(t, err)
		require.False(t, handled, args)
	}
	handled, err := sample().Run([]string{"manual"}, &bytes.Buffer{}, &bytes.Buffer{})
	require.True(t, handled)
	require.Error(t, err)
}

func TestTree(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "tool", Long: "tool does things.\n\nTry it: `tool go`"}
	root.AddCommand(
		&cobra.Command{Use: "go", Long: "go moves on. It stops later.", Example: "  tool go --fast\n  cat x | tool go", Run: func(*cobra.Command, []string) {}},
		&cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}},
	)
	manual.Rename(root, "parley-tool")
	dir := t.TempDir()
	require.NoError(t, manual.Tree(root, "does things", dir))
	require.Contains(t, read(t, dir, "man/parley-tool.1"), "parley\\-tool \\- does things")
	page := read(t, dir, "man/parley-tool-go.1")
	require.Contains(t, page, "parley\\-tool\\-go \\- moves on\n")
	require.Contains(t, page, "  parley\\-tool go \\-\\-fast\n  cat x | parley\\-tool go")
	require.NoFileExists(t, filepath.Join(dir, "man/parley-tool-secret.1"))
	require.FileExists(t, filepath.Join(dir, "completion/parley-tool.bash"))
}

func TestRenamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Usage: worker [flags]":                "Usage: parley-worker [flags]",
		"    $ worker\n":                       "    $ parley-worker\n",
		"set up at all: worker --dev":          "set up at all: parley-worker --dev",
		"Runs Parley's worker. It finds":       "Runs Parley's worker. It finds",
		"worker versioning: name of":           "parley-worker versioning: name of", // at a line's beginning a name is meant
		"no worker runs, and the worker's log": "no worker runs, and the worker's log",
		"`worker --help` lists":                "`parley-worker --help` lists",
		"  --x   worker versioning":            "  --x   worker versioning",
		"bin/worker --dev":                     "bin/worker --dev",
	} {
		require.Equal(t, want, manual.Renamed(text, "worker", "parley-worker"), text)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	require.NotEmpty(t, strings.TrimSpace(string(text)))
	return string(text)
}
