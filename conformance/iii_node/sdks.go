//go:build conformance

package iiinode

import (
	"bytes"
	_ "embed" // the files of an installation
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conformance/npm"
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

// Install returns a folder with the SDKs and the workers in it.
func Install(t testing.TB) string {
	t.Helper()
	return npm.Set{
		What: "the iii SDKs", Folder: "iii-node", Node: "18",
		Files: map[string][]byte{"package.json": manifest, "package-lock.json": lock, "worker.mjs": worker, "features.mjs": features},
	}.Install(t)
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
