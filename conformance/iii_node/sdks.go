//go:build conformance

package iiinode

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the files of an installation
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
	//go:embed worker.mjs
	worker []byte
	//go:embed features.mjs
	features []byte
)

// SDKs are the packages, by the names they are installed under.
func SDKs() []string { return []string{"iii-sdk-0.3.0", "iii-sdk-0.11.6", "iii-sdk-0.22.1"} }

// Install returns a folder with the SDKs and the workers in it. A finished one is
// used as it is, without the network.
func Install(t testing.TB) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		_, err := exec.LookPath(program)
		require.NoError(t, err, "this test needs Node 18 or newer with npm; on Debian: apt-get install nodejs npm")
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	cache = filepath.Join(cache, "parley", "conformance")
	require.NoError(t, os.MkdirAll(cache, 0o755))
	digest := sha256.Sum256(bytes.Join([][]byte{manifest, lock, worker, features}, []byte{0}))
	home := filepath.Join(cache, fmt.Sprintf("iii-node-%x", digest[:8]))
	if _, err := os.Stat(home); err == nil {
		return home
	}
	// Made beside it and moved, so that a run that was cut off, or another at the same
	// time, leaves no half of it.
	made, err := os.MkdirTemp(cache, "iii-node-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(made) })
	for name, content := range map[string][]byte{
		"package.json": manifest, "package-lock.json": lock, "worker.mjs": worker, "features.mjs": features,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(made, name), content, 0o644))
	}
	t.Log("installing the iii SDKs (once, into the user's cache)")
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = made
	out, err := npm.CombinedOutput()
	require.NoError(t, err, "the iii SDKs could not be installed. The first run needs a package registry: check the network, or set npm's registry to your mirror.\n%s", out)
	if err := os.Rename(made, home); err != nil {
		_, there := os.Stat(home)
		require.NoError(t, there, "%v", err)
	}
	return home
}

// Start starts worker.mjs with an SDK, as a worker of the engine at url. It is killed at the end of the test, or by the
// function returned.
func Start(t testing.TB, home, sdk, url, queueType string) (kill func()) {
	t.Helper()
	return start(t, home, []string{"OTEL_ENABLED=false"}, "worker.mjs", sdk, url, queueType)
}

// StartFeatures starts features.mjs likewise. remote is where its functions are that the engine runs.
func StartFeatures(t testing.TB, home, sdk, url, remote string) (kill func()) {
	t.Helper()
	return start(t, home, nil, "features.mjs", sdk, url, remote)
}

func start(t testing.TB, home string, env []string, args ...string) (kill func()) {
	t.Helper()
	worker := exec.CommandContext(t.Context(), "node", args...)
	worker.Dir = home
	// The SDKs' own variables would send it elsewhere.
	worker.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "III_") || strings.HasPrefix(v, "OTEL_")
	})
	worker.Env = append(append(worker.Env, "NO_PROXY=127.0.0.1"), env...)
	var output bytes.Buffer
	worker.Stdout, worker.Stderr = &output, &output
	stdin, err := worker.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, worker.Start())
	var killed atomic.Bool
	kill = func() {
		if killed.CompareAndSwap(false, true) {
			_ = worker.Process.Kill()
			_ = worker.Wait()
			_ = stdin.Close()
		}
	}
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("--- the output of %s\n%s", strings.Join(args, " "), output.String())
		}
	})
	return kill
}
