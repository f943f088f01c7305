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

	"github.com/parley-run/parley/conformance/npm"
)

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
	//go:embed requirements.txt
	requirements []byte
)

// install returns a folder with the servers in it.
func install(t *testing.T) string {
	t.Helper()
	return npm.Set{
		What: "the MCP servers", Folder: "mcp-servers", Node: "20",
		Files: map[string][]byte{"package.json": manifest, "package-lock.json": lock},
	}.Install(t)
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
