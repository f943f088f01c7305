//go:build conformance

// Package npm installs packages of Node for tests, once, into the user's cache.
package npm

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Set is what is installed together.
type Set struct {
	// What names it in messages, Folder in the cache.
	What, Folder string
	// Node is the oldest version of Node that it needs.
	Node string
	// Files are package.json, package-lock.json, and others that belong beside them.
	Files map[string][]byte
}

// Install returns the folder with the packages and the files. A finished one is used as it
// is, without the network.
func (s Set) Install(t testing.TB) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		_, err := exec.LookPath(program)
		require.NoError(t, err, "this test needs Node %s or newer with npm; on Debian: apt-get install nodejs npm", s.Node)
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	cache = filepath.Join(cache, "parley", "conformance")
	require.NoError(t, os.MkdirAll(cache, 0o755))
	home := filepath.Join(cache, s.Folder+"-"+s.digest())
	if _, err := os.Stat(home); err == nil {
		return home
	}
	// Made beside it and moved, so that a run that was cut off, or another at the same
	// time, leaves no half of it.
	made, err := os.MkdirTemp(cache, s.Folder+"-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(made) })
	for name, content := range s.Files {
		require.NoError(t, os.WriteFile(filepath.Join(made, name), content, 0o644))
	}
	t.Logf("installing %s (once, into the user's cache)", s.What)
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = made
	out, err := npm.CombinedOutput()
	require.NoError(t, err, "%s could not be installed. The first run needs a package registry: check the network, or set npm's registry to your mirror.\n%s", s.What, out)
	if err := os.Rename(made, home); err != nil {
		_, there := os.Stat(home)
		require.NoError(t, there, "%v", err)
	}
	return home
}

// digest tells sets with different files apart.
func (s Set) digest() string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		_, _ = fmt.Fprintf(sum, "%s %d %s", name, len(s.Files[name]), s.Files[name])
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}
