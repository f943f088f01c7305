package observability

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// promtool runs Prometheus' own tool in a folder and returns what it prints.
func promtool(t *testing.T, folder string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Fatal("promtool is not on PATH; on Debian: apt-get install --no-install-recommends prometheus")
	}
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// promtoolChecks are the commands that must accept the folder prometheus.
var promtoolChecks = map[string][]string{
	"Config": {"check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"},
	"Rules":  {"check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"},
	"Tests":  {"test", "rules", "alerts_test.yml"},
}

func TestPromtool(t *testing.T) {
	t.Parallel()
	for name, args := range promtoolChecks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := promtool(t, "prometheus", args...)
			require.NoError(t, err, out)
		})
	}
}

// Each check finds what it is for.
func TestPromtoolFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, old, new, says string }{
		"Config": {"prometheus.yml", "scrape_interval: 15s", "scrape_intervall: 15s", "field scrape_intervall not found"},
		"Rules":  {"alerts.yml", "absent(parley_build_info)", "absent(parley_build_info", "unclosed left parenthesis"},
		"Tests":  {"alerts.yml", "(parley_failover_breaker) == 2", "(parley_failover_breaker) == 3", "ParleyBreakerOpen"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			require.NoError(t, os.CopyFS(folder, os.DirFS("prometheus")))
			file := filepath.Join(folder, tc.file)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(text), tc.old), tc.old)
			require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), tc.old, tc.new)), 0o600))
			out, err := promtool(t, folder, promtoolChecks[name]...)
			require.Error(t, err, out)
			require.Contains(t, out, tc.says)
		})
	}
}
