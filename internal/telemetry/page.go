package telemetry

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// onerun are the metrics of OneRun's Python worker, which serves them as JSON.
var onerun = []string{"processing_tasks", "queued_tasks", "max_concurrent_tasks", "poll_interval"}

// pageOf serves a registry to Prometheus. A client that accepts JSON and no text gets
// OneRun's four metrics, in the form of OneRun's Python worker.
func pageOf(registry *prometheus.Registry) http.Handler {
	page := promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		if !wantsJSON(r.Header.Values("Accept")) {
			page.ServeHTTP(w, r)
			return
		}
		found, err := registry.Gather()
		if err != nil {
			http.Error(w, "metrics cannot be collected", http.StatusInternalServerError)
			return
		}
		values := make(map[string]float64, len(onerun))
		for _, name := range onerun {
			values[name] = 0
			for _, family := range found {
				if family.GetName() == name && len(family.GetMetric()) > 0 {
					values[name] = family.GetMetric()[0].GetGauge().GetValue()
				}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(values)
	})
}

// wantsJSON reports whether a client accepts JSON and does not accept what Prometheus
// reads.
func wantsJSON(accept []string) bool {
	found := false
	for _, one := range strings.Split(strings.Join(accept, ","), ",") {
		switch kind, _, err := mime.ParseMediaType(one); {
		case err != nil:
		case kind == "application/json":
			found = true
		case kind == "text/plain", strings.HasPrefix(kind, "application/openmetrics-text"), kind == "application/vnd.google.protobuf":
			return false
		}
	}
	return found
}
