//go:build conformance

package mcpservers_test

import (
	"crypto/sha256"
	_ "embed" // the files of an installation
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
	//go:embed requirements.txt
	requirements []byte
)

// install returns a folder with the servers in it. A finished one is used as it is,
// without the network.
func install(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		_, err := exec.LookPath(program)
		require.NoError(t, err, "this test needs Node 20 or newer with npm; on Debian: apt-get install nodejs npm")
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	cache = filepath.Join(cache, "parley", "conformance")
	require.NoError(t, os.MkdirAll(cache, 0o755))
	digest := sha256.Sum256(append(manifest[:len(manifest):len(manifest)], lock...))
	home := filepath.Join(cache, fmt.Sprintf("mcp-servers-%x", digest[:8]))
	if _, err := os.Stat(home); err == nil {
		return home
	}
	// Made beside it and moved, so that a run that was cut off, or another at the same
	// time, leaves no half of it.
	made, err := os.MkdirTemp(cache, "mcp-servers-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(made) })
	for name, content := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		require.NoError(t, os.WriteFile(filepath.Join(made, name), content, 0o644))
	}
	t.Log("installing the MCP servers (once, into the user's cache)")
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = made
	out, err := npm.CombinedOutput()
	require.NoError(t, err, "the MCP servers could not be installed. The first run needs a package registry: check the network, or set npm's registry to your mirror.\n%s", out)
	if err := os.Rename(made, home); err != nil {
		_, there := os.Stat(home)
		require.NoError(t, there, "%v", err)
	}
	return home
}

// installPython returns the folder with the programs of the servers that are written in
// Python. A virtual environment cannot be moved: a file in it says that it is whole.
func installPython(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	require.NoError(t, err, "this test needs Python 3.10 or newer with venv; on Debian: apt-get install python3 python3-venv")
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	digest := sha256.Sum256(requirements)
	home := filepath.Join(cache, "parley", "conformance", fmt.Sprintf("mcp-servers-python-%x", digest[:8]))
	whole := filepath.Join(home, "installed")
	if _, err := os.Stat(whole); err == nil {
		return filepath.Join(home, "bin")
	}
	require.NoError(t, os.RemoveAll(home))
	t.Log("installing the MCP servers in Python (once, into the user's cache)")
	wanted := filepath.Join(t.TempDir(), "requirements.txt")
	require.NoError(t, os.WriteFile(wanted, requirements, 0o644))
	for _, command := range [][]string{
		{python, "-m", "venv", home},
		{filepath.Join(home, "bin", "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r", wanted},
	} {
		out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		require.NoError(t, err, "the MCP servers could not be installed. The first run needs a Python package index: check the network, or name your mirror in PIP_INDEX_URL.\n%s", out)
	}
	require.NoError(t, os.WriteFile(whole, nil, 0o644))
	return filepath.Join(home, "bin")
}
