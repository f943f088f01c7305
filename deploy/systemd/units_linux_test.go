package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/internal/process"
)

// mostExposure is what "systemd-analyze security" may find, of 10. What is left is that the
// worker uses the network.
const mostExposure = 1.5

var services = []string{"parley-worker.service", "parley-worker@sales.service", "parley-worker-slice.service"}

// systemd is a root directory with the units, as packages install them, and those of the
// system that they name.
func systemd(t *testing.T) (root string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze is not on PATH; on Debian: apt-get install systemd")
	}
	root = t.TempDir()
	units := filepath.Join(root, "usr/lib/systemd/system")
	require.NoError(t, os.MkdirAll(units, 0o755))
	for _, pattern := range []string{"*.service", "*.timer", "/usr/lib/systemd/system/*.target", "/usr/lib/systemd/system/*.slice"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			put(t, filepath.Join(units, filepath.Base(file)), read(t, file), 0o644)
		}
	}
	for _, unit := range services {
		put(t, filepath.Join(root, "etc/systemd/system", unit+".d", "credentials.conf"), read(t, "credentials.conf"), 0o644)
	}
	put(t, filepath.Join(root, "usr/bin/parley-worker"), "#!/bin/sh\n", 0o755)
	return root
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
}

// analyze returns what systemd-analyze says and whether it accepts.
func analyze(t *testing.T, args ...string) (text string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// verify returns the faults of a unit; unknown settings are only printed.
func verify(t *testing.T, root, unit string) string {
	t.Helper()
	out, ok := analyze(t, "verify", "--man=no", "--root="+root, unit)
	if !ok && out == "" {
		return "refused"
	}
	return out
}

func TestVerify(t *testing.T) {
	t.Parallel()
	root := systemd(t)
	for _, unit := range append(slices.Clone(services), "parley-worker-slice.timer") {
		require.Empty(t, verify(t, root, unit), unit)
	}

	// Mistakes are found.
	path := filepath.Join(root, "usr/lib/systemd/system/parley-worker.service")
	put(t, path, strings.Replace(read(t, path), "PrivateTmp=", "PrivateTemp=", 1), 0o644)
	require.Contains(t, verify(t, root, "parley-worker.service"), "PrivateTemp")
	require.NoError(t, os.Remove(filepath.Join(root, "usr/bin/parley-worker")))
	require.Contains(t, verify(t, root, "parley-worker-slice.service"), "/usr/bin/parley-worker is not executable")
}

func TestSecurity(t *testing.T) {
	t.Parallel()
	root := systemd(t)
	security := func(unit string) (string, bool) {
		return analyze(t, "security", "--no-pager", "--offline=true", "--root="+root, "--threshold="+strconv.Itoa(mostExposure*10), unit)
	}
	for _, unit := range services {
		out, ok := security(unit)
		require.True(t, ok, out)
		require.Contains(t, out, "Overall exposure level for "+unit)
	}

	path := filepath.Join(root, "usr/lib/systemd/system/parley-worker.service")
	put(t, path, strings.Replace(read(t, path), "DynamicUser=yes", "", 1), 0o644)
	_, ok := security("parley-worker.service")
	require.False(t, ok, "a worker that runs as root is exposed")
}

// What the units say fits what the worker does.
func TestUnitsFitTheWorker(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"parley-worker.service", "parley-worker@.service", "parley-worker-slice.service"} {
		text := read(t, file)
		require.Greater(t, seconds(t, setting(t, text, "TimeoutStopSec")), process.DefaultDrain, "%s: the drain may end", file)
	}
	for _, file := range []string{"parley-worker.service", "parley-worker@.service"} {
		var never []int
		for _, code := range strings.Fields(setting(t, read(t, file), "RestartPreventExitStatus")) {
			n, err := strconv.Atoi(code)
			require.NoError(t, err)
			never = append(never, n)
		}
		require.Equal(t, []int{process.ExitUsage, process.ExitReplay}, never, file)
	}
	slice := read(t, "parley-worker-slice.service")
	most := regexp.MustCompile(`--max-runtime (\S+)`).FindStringSubmatch(setting(t, slice, "ExecStart"))
	require.NotNil(t, most)
	runtime, err := duration.Parse(most[1])
	require.NoError(t, err)
	require.Greater(t, seconds(t, setting(t, slice, "TimeoutStartSec")), runtime+process.DefaultDrain, "a slice may end by itself")
}

// The settings that harden are the same in all services.
func TestServicesAreHardenedAlike(t *testing.T) {
	t.Parallel()
	hardening := func(file string) string {
		_, text, found := strings.Cut(read(t, file), "DynamicUser=yes\n")
		require.True(t, found, file)
		text, _, _ = strings.Cut(text, "\n[Install]")
		return strings.TrimSpace(text)
	}
	want := hardening("parley-worker.service")
	require.Equal(t, want, hardening("parley-worker@.service"))
	require.Equal(t, want, hardening("parley-worker-slice.service"))
}

func setting(t *testing.T, unit, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(unit, -1)
	require.Len(t, found, 1, "%s is set once", name)
	return found[0][1]
}

func seconds(t *testing.T, span string) time.Duration {
	t.Helper()
	if n, err := strconv.Atoi(span); err == nil {
		return time.Duration(n) * time.Second
	}
	minutes, ok := strings.CutSuffix(span, "min")
	n, err := strconv.Atoi(minutes)
	require.True(t, ok && err == nil, "%q is neither seconds nor minutes", span)
	return time.Duration(n) * time.Minute
}
