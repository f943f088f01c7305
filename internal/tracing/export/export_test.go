package export_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/parley-run/parley/internal/tracing/export"
)

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

func TestFromEnvironment(t *testing.T) {
	for name, row := range map[string]struct {
		environment map[string]string
		none, text  bool
		err         string
	}{
		"nothing":            {none: true},
		"none":               {environment: map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, none: true},
		"disabled":           {environment: map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"}, none: true},
		"other variables":    {environment: map[string]string{"OTEL_SERVICE_NAME": "desk"}, none: true},
		"endpoint":           {environment: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}},
		"endpoint of traces": {environment: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}},
		"grpc":               {environment: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}},
		"two":                {environment: map[string]string{"OTEL_TRACES_EXPORTER": "otlp, console"}},
		"texts": {
			environment: map[string]string{"OTEL_TRACES_EXPORTER": "console", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"}, text: true,
		},
		"no texts": {environment: map[string]string{"OTEL_TRACES_EXPORTER": "console", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "EVENT_ONLY"}},
		"another exporter": {
			environment: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, err: `OTEL_TRACES_EXPORTER: "zipkin" is not supported: use otlp, console or none`,
		},
		"another protocol": {
			environment: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
			err:         `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" is not supported: use grpc or http/protobuf`,
		},
		"another value for texts": {
			environment: map[string]string{"OTEL_TRACES_EXPORTER": "console", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "some"},
			err:         `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: "some" is not known: use span_only (the same as true) or no_content`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := export.FromEnvironment(t.Context(), export.Options{Lookup: lookup(row.environment), Console: &bytes.Buffer{}})
			if row.err != "" {
				require.EqualError(t, err, row.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.none, p == nil)
			if p != nil {
				require.Equal(t, row.text, p.Text())
				p.Close()
			}
		})
	}
}

// What does not arrive is counted, and logged once in a while.
func TestLostSpans(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4") // the queue reads it itself
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	var log bytes.Buffer
	p, err := export.FromEnvironment(t.Context(), export.Options{
		Lookup: lookup(map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_MAX_QUEUE_SIZE": "4"}),
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Console: &bytes.Buffer{},
	})
	require.NoError(t, err)
	reader := metric.NewManualReader()
	require.NoError(t, p.Count(metric.NewMeterProvider(metric.WithReader(reader)).Meter("test")))
	const spans = 1000
	tracer := p.Tracer("test")
	for range spans {
		_, span := tracer.Start(t.Context(), "span")
		span.End()
	}
	p.Close()
	var read metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &read))
	lost := read.ScopeMetrics[0].Metrics[0]
	require.Equal(t, "parley.spans.dropped", lost.Name)
	require.EqualValues(t, spans, lost.Data.(metricdata.Sum[int64]).DataPoints[0].Value)
	require.Equal(t, 2, bytes.Count(log.Bytes(), []byte("level=WARN")), "once, and at the end\n%s", &log)
	require.Contains(t, log.String(), "spans=1000")
}
