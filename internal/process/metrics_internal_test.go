package process

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/telemetry"
	"github.com/parley-run/parley/internal/telemetry/metricstest"
	"github.com/parley-run/parley/internal/versions"
)

// The page lists what a worker makes, and nothing else. Labels are compared where they are
// recorded: in activities, telemetry and here.
func TestThePageHasNoOtherMetrics(t *testing.T) {
	t.Parallel()
	var made metricstest.Instruments
	m, err := telemetry.Of(&made, nil)
	require.NoError(t, err)
	_, err = telemetry.NewExecutors(m.Meter, nil)
	require.NoError(t, err)
	_, err = activities.NewMetrics(m.Meter)
	require.NoError(t, err)
	_, err = new(Overview).Register(m.Meter)
	require.NoError(t, err)
	_, err = countStanding(m.Meter, &versions.Watch{})
	require.NoError(t, err)
	ring, _ := ringOf(t, "k1")
	_, err = countMissingKeys(m.Meter, ring)
	require.NoError(t, err)
	all := made.Made()
	for _, p := range assemble.Builtin().Platforms {
		if p.ConnectedMetric != "" {
			all[p.ConnectedMetric] = metricstest.Metric{Name: p.ConnectedMetric, Type: "gauge"}
		}
	}
	// The build is known to the whole alone.
	whole, err := telemetry.New(t.Context(), telemetry.Options{Version: "v1"})
	require.NoError(t, err)
	rec := httptest.NewRecorder()
	whole.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	require.Contains(t, rec.Body.String(), `parley_build_info{version="v1"} 1`)
	all["parley.build_info"] = metricstest.Metric{Name: "parley.build_info", Type: "gauge"}

	listed := metricstest.Documented(t, "../..")
	for name, m := range listed {
		m.Labels = nil
		listed[name] = m
	}
	require.Equal(t, all, listed, "docs/observability.md and the code differ")
}
