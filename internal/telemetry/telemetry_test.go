package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/telemetry"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	m, err := telemetry.New(t.Context(), telemetry.Options{Version: "v1.2.3"})
	require.NoError(t, err)
	counter, err := m.Meter.Int64Counter("parley.things")
	require.NoError(t, err)
	counter.Add(t.Context(), 2)
	sdk := m.Temporal.WithTags(map[string]string{"task_queue": "parley"})
	sdk.Counter("temporal_request").Inc(3)
	sdk.Timer("temporal_request_latency").Record(70 * time.Millisecond)
	sdk.Gauge("temporal_num_pollers").Update(5)

	rec := httptest.NewRecorder()
	m.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	require.Equal(t, http.StatusOK, rec.Code)
	for _, line := range []string{
		`parley_build_info{version="v1.2.3"} 1`,
		"parley_things_total 2",
		`temporal_request_total{task_queue="parley"} 3`,
		`temporal_request_latency_seconds_bucket{task_queue="parley",le="0.05"} 0`,
		`temporal_request_latency_seconds_bucket{task_queue="parley",le="0.1"} 1`,
		`temporal_num_pollers{task_queue="parley"} 5`,
		"go_goroutines ",
		"process_start_time_seconds ",
	} {
		require.Contains(t, rec.Body.String(), line)
	}
	require.NoError(t, m.Shutdown(t.Context()))
}

func TestTwoInOneProcess(t *testing.T) {
	t.Parallel()
	for range 2 {
		m, err := telemetry.New(t.Context(), telemetry.Options{Version: "dev"})
		require.NoError(t, err)
		_, err = activities.NewMetrics(m.Meter)
		require.NoError(t, err)
	}
}
