package lab

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
)

func serve(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		page string
		want int64
		err  string
	}{
		"all task queues": {page: `# HELP temporal_request_total requests
temporal_request_total{namespace="default",operation="RecordActivityTaskHeartbeat",task_queue="a"} 12
temporal_request_total{namespace="default",operation="RecordActivityTaskHeartbeat",task_queue="b"} 3
temporal_request_total{namespace="default",operation="RespondActivityTaskCompleted",task_queue="a"} 40
temporal_request_failure_total{operation="RecordActivityTaskHeartbeat"} 2
`, want: 15},
		"none yet":    {page: `temporal_request_total{operation="GetSystemInfo"} 1` + "\n"},
		"no counter":  {page: "up 1\n", err: "lab: worker-1 counts no requests to Temporal"},
		"no number":   {page: `temporal_request_total{operation="RecordActivityTaskHeartbeat"} many` + "\n", err: "lab: metrics of worker-1: "},
		"large count": {page: `temporal_request_total{operation="RecordActivityTaskHeartbeat"} 1.2e+06` + "\n", want: 1_200_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &Process{Name: "worker-1", health: serve(t, func(w http.ResponseWriter, r *http.Request) {
				require.Equal(t, "/metrics", r.URL.Path)
				_, _ = w.Write([]byte(tt.page))
			})}
			n, err := p.Heartbeats(t.Context())
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, n)
		})
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	p := start(t, remark)
	p.health = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	require.NoError(t, p.ready(t.Context()))
	require.EqualValues(t, 3, asked.Load(), "it asks until the worker is ready, and no longer")
}

func TestReadyReportsAWorkerThatEnds(t *testing.T) {
	t.Parallel()
	p := start(t, ends)
	p.health = serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	err := p.ready(t.Context())
	require.ErrorContains(t, err, "worker-1 has ended (exit status 3)")
	require.ErrorContains(t, err, "the port is taken")
}

func TestReadyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := start(t, remark)
	stopped := errors.New("stopped by a person")
	ctx, cancel := context.WithCancelCause(t.Context())
	p.health = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel(stopped)
	})
	require.ErrorIs(t, p.ready(ctx), stopped)
}

// The worker refuses settings that it does not know: what is written for it must load.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "script.yaml")
	require.NoError(t, os.WriteFile(script, []byte("fallback: hello\n"), 0o600))
	platform := &Platform{Name: "platform-1", URL: "http://127.0.0.1:1234", Project: "pr", Agent: "ag"}
	for name, opts := range map[string]WorkerOptions{
		"platform": {TaskQueue: "queue-1", Platform: platform, MaxOpen: 7, Model: time.Second},
		"direct":   {TaskQueue: "queue-1", Model: time.Second},
	} {
		file := filepath.Join(dir, name+".yaml")
		require.NoError(t, os.WriteFile(file, []byte(configuration(opts, script)), 0o600))
		made, err := assemble.Load(config.Source{
			Path:   file,
			Lookup: func(name string) (string, bool) { return key, name == "ONERUN_API_KEY" },
		})
		require.NoError(t, err, name)
		require.Equal(t, "queue-1", made.Config.TaskQueue, name)
		require.Len(t, made.Config.Agents, 1, name)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("PATH", "/bin")
	t.Setenv("XDG_CACHE_HOME", "/cache")
	t.Setenv("PARLEY_CONFIG", "/elsewhere/parley.yaml")
	t.Setenv("TEMPORAL_ADDRESS", "elsewhere:7233")
	got := environment()
	require.Contains(t, got, "PATH=/bin")
	require.Contains(t, got, "XDG_CACHE_HOME=/cache")
	require.NotContains(t, strings.Join(got, "\n"), "elsewhere", "settings of this machine must not change what is measured")
}
