package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/telemetry"
)

// OneRun's Python worker serves four figures as JSON at the same path.
func TestThePageIsJSONForThoseWhoAskForIt(t *testing.T) {
	t.Parallel()
	m, err := telemetry.New(t.Context(), telemetry.Options{Version: "dev"})
	require.NoError(t, err)
	_, err = activities.NewMetrics(m.Meter)
	require.NoError(t, err)
	get := func(accept ...string) *httptest.ResponseRecorder {
		rec, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		req.Header["Accept"] = accept
		m.Handler.ServeHTTP(rec, req)
		require.Equal(t, http.StatusOK, rec.Code)
		require.Equal(t, "Accept", rec.Header().Get("Vary"))
		return rec
	}
	for _, accept := range []string{"application/json", "text/html, application/json;q=0.9"} {
		rec := get(accept)
		require.Equal(t, "application/json", rec.Header().Get("Content-Type"))
		require.JSONEq(t, `{"processing_tasks":0,"queued_tasks":0,"max_concurrent_tasks":0,"poll_interval":0}`, rec.Body.String())
	}
	for _, accept := range [][]string{
		nil, {"*/*"}, {"text/plain;version=0.0.4, application/json"}, {"application/openmetrics-text;version=1.0.0,application/json"}, {";;,"},
	} {
		require.Contains(t, get(accept...).Body.String(), "# TYPE processing_tasks gauge")
	}
}
