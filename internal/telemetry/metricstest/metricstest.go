// Package metricstest compares the metrics that code records with those that
// docs/observability.md lists.
package metricstest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/parley-run/parley/internal/label"
)

// A Metric is one as it is documented, or as it was recorded.
type Metric struct {
	Name   string
	Type   string // "counter", "gauge" or "histogram"
	Unit   string // "s", or empty
	Labels []string
}

// row is a line of a table of metrics: name, Prometheus' name, type, unit, labels, meaning.
var (
	row  = regexp.MustCompile("^\\| `([a-z0-9._]+)` \\| `([a-z0-9_]+)` \\| (counter|gauge|histogram) \\| (s?) ?\\| ([^|]*)\\| [^|]+\\|$")
	code = regexp.MustCompile("`([^`]+)`")
)

// Documented are the metrics of docs/observability.md by name. root is the repository's
// folder, seen from the test's.
func Documented(t testing.TB, root string) map[string]Metric {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "observability.md"))
	require.NoError(t, err)
	all := make(map[string]Metric)
	metrics, _, _ := strings.Cut(string(text), "\n## Traces\n") // whose attributes have tables of their own
	for line := range strings.Lines(metrics) {
		line = strings.TrimSpace(line)
		found := row.FindStringSubmatch(line)
		if found == nil {
			require.False(t, strings.HasPrefix(line, "| `parley."), "the page's tables have six columns: %s", line)
			continue
		}
		m := Metric{Name: found[1], Type: found[3], Unit: found[4]}
		for _, label := range code.FindAllStringSubmatch(found[5], -1) {
			m.Labels = append(m.Labels, label[1])
		}
		slices.Sort(m.Labels)
		require.Equal(t, prometheusName(m), found[2], "Prometheus' name of %s", m.Name)
		require.NotContains(t, all, m.Name)
		all[m.Name] = m
	}
	require.NotEmpty(t, all)
	return all
}

// prometheusName is the name that OpenTelemetry's exporter for Prometheus gives a metric.
func prometheusName(m Metric) string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	if m.Unit == "s" {
		name += "_seconds"
	}
	if m.Type == "counter" {
		name += "_total"
	}
	return name
}

// Recorded are the metrics that a reader finds, by name, each with all labels that it has
// been recorded with. No label has more values than label.Most and label.Other.
func Recorded(t testing.TB, reader *sdkmetric.ManualReader) map[string]Metric {
	t.Helper()
	var found metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &found))
	all := make(map[string]Metric)
	for _, scope := range found.ScopeMetrics {
		for _, one := range scope.Metrics {
			if !strings.HasPrefix(one.Name, "temporal_") { // the SDK describes none
				require.NotEmpty(t, one.Description, one.Name)
			}
			m := Metric{Name: one.Name, Unit: one.Unit}
			values := make(map[string]map[string]bool)
			add := func(by attribute.Set) {
				for _, a := range by.ToSlice() {
					if values[string(a.Key)] == nil {
						values[string(a.Key)] = make(map[string]bool)
					}
					values[string(a.Key)][a.Value.String()] = true
				}
			}
			switch data := one.Data.(type) {
			case metricdata.Sum[int64]:
				m.Type = "counter"
				each(data.DataPoints, add)
			case metricdata.Sum[float64]:
				m.Type = "counter"
				each(data.DataPoints, add)
			case metricdata.Gauge[int64]:
				m.Type = "gauge"
				each(data.DataPoints, add)
			case metricdata.Gauge[float64]:
				m.Type = "gauge"
				each(data.DataPoints, add)
			case metricdata.Histogram[float64]:
				m.Type = "histogram"
				for _, p := range data.DataPoints {
					add(p.Attributes)
				}
			default:
				require.Fail(t, "a type of metric that the page does not have", "%s: %T", one.Name, data)
			}
			for key, had := range values {
				m.Labels = append(m.Labels, key)
				require.LessOrEqual(t, len(had), label.Most+1, "values of %s of %s", key, one.Name)
			}
			slices.Sort(m.Labels)
			all[m.Name] = m
		}
	}
	return all
}

func each[N int64 | float64](points []metricdata.DataPoint[N], f func(attribute.Set)) {
	for _, p := range points {
		f(p.Attributes)
	}
}

// Values are those of a metric, by its labels as "key=value,key=value" in order of the keys:
// of a histogram how many values it has.
func Values(t testing.TB, reader *sdkmetric.ManualReader, name string) map[string]float64 {
	t.Helper()
	var found metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &found))
	all := make(map[string]float64)
	for _, scope := range found.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				values(all, data.DataPoints)
			case metricdata.Sum[float64]:
				values(all, data.DataPoints)
			case metricdata.Gauge[int64]:
				values(all, data.DataPoints)
			case metricdata.Gauge[float64]:
				values(all, data.DataPoints)
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					all[labels(p.Attributes)] = float64(p.Count)
				}
			}
		}
	}
	return all
}

func values[N int64 | float64](into map[string]float64, points []metricdata.DataPoint[N]) {
	for _, p := range points {
		into[labels(p.Attributes)] = float64(p.Value)
	}
}

func labels(by attribute.Set) string {
	var all []string
	for _, a := range by.ToSlice() {
		all = append(all, string(a.Key)+"="+a.Value.String())
	}
	return strings.Join(all, ",")
}

// Compare requires that the page lists what was recorded, as it was recorded. It returns
// the names.
func Compare(t testing.TB, root string, recorded map[string]Metric) []string {
	t.Helper()
	documented := Documented(t, root)
	var names []string
	for name, m := range recorded {
		require.Equal(t, documented[name], m, "docs/observability.md and the code differ about %s", name)
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Manual is a provider whose metrics are read with [Recorded].
func Manual() (*sdkmetric.MeterProvider, *sdkmetric.ManualReader) {
	reader := sdkmetric.NewManualReader()
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(-1)), reader
}
