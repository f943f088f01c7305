package repocheck_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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

// "go install" gives the programs the names that packages give them, and each calls itself so.
func TestInstalledNames(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	cmd := exec.Command("go", "install", "-ldflags", "-s -w", "./cmd/...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOBIN="+bin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	var names []string
	entries, err := os.ReadDir(bin)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), suffix))
	}
	require.Equal(t, []string{"parley-simulator", "parley-starter", "parley-worker"}, names)
	for _, name := range names {
		program := filepath.Join(bin, name+suffix)
		version, err := exec.Command(program, "--version").CombinedOutput()
		require.NoError(t, err, "%s", version)
		require.Regexp(t, "^"+name+` \S+ (\(.+\) )?`+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH+"\n$", string(version))
		help, err := exec.Command(program, "--help").CombinedOutput()
		require.NoError(t, err, "%s", help)
		require.Regexp(t, `(?m)^Usage: `+name+` `, string(help))
	}
}
