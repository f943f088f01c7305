package telemetry_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/internal/telemetry"
)

func lookupIn(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
}

// names are the metrics of a push.
func names(req *collector.ExportMetricsServiceRequest) []string {
	var all []string
	for _, resource := range req.GetResourceMetrics() {
		for _, a := range resource.GetResource().GetAttributes() {
			all = append(all, a.GetKey()+"="+a.GetValue().GetStringValue())
		}
		for _, scope := range resource.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				all = append(all, m.GetName())
			}
		}
	}
	return all
}

// An otlpHTTP and an otlpGRPC are collectors that keep what they are sent.
type otlpGRPC struct {
	collector.UnimplementedMetricsServiceServer
	got chan *collector.ExportMetricsServiceRequest
}

func (c otlpGRPC) Export(ctx context.Context, req *collector.ExportMetricsServiceRequest) (*collector.ExportMetricsServiceResponse, error) {
	if from, _ := metadata.FromIncomingContext(ctx); len(from.Get("authorization")) == 1 {
		c.got <- req
	}
	return &collector.ExportMetricsServiceResponse{}, nil
}

func TestPush(t *testing.T) {
	t.Parallel()
	for protocol, serve := range map[string]func(t *testing.T, got chan *collector.ExportMetricsServiceRequest) (endpoint string){
		"http/protobuf": func(t *testing.T, got chan *collector.ExportMetricsServiceRequest) string {
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				req := new(collector.ExportMetricsServiceRequest)
				if r.URL.Path == "/base/v1/metrics" && r.Header.Get("Authorization") == "Bearer a b" && proto.Unmarshal(body, req) == nil {
					got <- req
				}
			}))
			t.Cleanup(server.Close)
			return server.URL + "/base"
		},
		"grpc": func(t *testing.T, got chan *collector.ExportMetricsServiceRequest) string {
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			server := grpc.NewServer()
			collector.RegisterMetricsServiceServer(server, otlpGRPC{got: got})
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(server.Stop)
			return "http://" + listener.Addr().String()
		},
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			got := make(chan *collector.ExportMetricsServiceRequest, 100)
			m, err := telemetry.New(t.Context(), telemetry.Options{Version: "v7", Lookup: lookupIn(map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": serve(t, got), "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
				"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20a%20b", "OTEL_METRIC_EXPORT_INTERVAL": "20",
				"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test,broken",
			})})
			require.NoError(t, err)
			require.NotNil(t, m.Handler, "the page is there too")
			counter, err := m.Meter.Int64Counter("parley.things")
			require.NoError(t, err)
			counter.Add(t.Context(), 1)
			m.Temporal.Counter("temporal_request").Inc(1)
			for {
				select {
				case req := <-got:
					if all := names(req); len(all) >= 6 {
						require.ElementsMatch(t, []string{
							"service.name=parley-worker", "service.version=v7", "deployment.environment=test",
							"parley.build_info", "parley.things", "temporal_request",
						}, all)
						require.NoError(t, m.Shutdown(t.Context()))
						return
					}
				case <-t.Context().Done():
					require.Fail(t, "nothing was pushed")
				}
			}
		})
	}
}

// A collector that hangs delays neither what is counted nor, for long, the end.
func TestACollectorThatHangs(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { begun <- struct{}{}; <-release }))
	defer server.Close()
	defer close(release)
	var log syncBuffer
	m, err := telemetry.New(t.Context(), telemetry.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Lookup: lookupIn(map[string]string{
		"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": server.URL + "/v1/metrics?key=s3cret",
		"OTEL_METRIC_EXPORT_INTERVAL": "10", "OTEL_EXPORTER_OTLP_TIMEOUT": "50",
	})})
	require.NoError(t, err)
	require.Nil(t, m.Handler, "otlp alone: there is no page")
	require.Equal(t, server.URL+"/v1/metrics", m.Pushed)
	counter, err := m.Meter.Int64Counter("parley.things")
	require.NoError(t, err)
	<-begun
	began := time.Now()
	for range 10_000 {
		counter.Add(t.Context(), 1)
	}
	require.Less(t, time.Since(began), time.Second)
	<-begun // and is tried again
	began = time.Now()
	_ = m.Shutdown(t.Context())
	require.Less(t, time.Since(began), 8*time.Second)
	require.Equal(t, 1, bytes.Count(log.bytes(), []byte("metrics cannot be pushed")), "once, not at each interval")
	require.NotContains(t, string(log.bytes()), "s3cret")
}

type syncBuffer struct {
	b atomic.Pointer[[]byte]
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	for {
		before := s.b.Load()
		var now []byte
		if before != nil {
			now = append(now, *before...)
		}
		now = append(now, p...)
		if s.b.CompareAndSwap(before, &now) {
			return len(p), nil
		}
	}
}

func (s *syncBuffer) bytes() []byte {
	if b := s.b.Load(); b != nil {
		return *b
	}
	return nil
}

func TestExporters(t *testing.T) {
	t.Parallel()
	none, err := telemetry.Exporters(func(string) (string, bool) { return "not set", false })
	require.NoError(t, err)
	require.Equal(t, telemetry.Exports{Prometheus: true}, none)
	for name, c := range map[string]struct {
		variables map[string]string
		page      bool
		push      string
		fault     string
	}{
		"nothing is set":           {nil, true, "", ""},
		"an endpoint":              {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true, "http://c:4318/v1/metrics", ""},
		"one for metrics":          {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://c/x"}, true, "https://c/x", ""},
		"prometheus alone":         {map[string]string{"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true, "", ""},
		"otlp alone":               {map[string]string{"OTEL_METRICS_EXPORTER": "otlp"}, false, "http://localhost:4318/v1/metrics", ""},
		"otlp over gRPC":           {map[string]string{"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "http://localhost:4317", ""},
		"both":                     {map[string]string{"OTEL_METRICS_EXPORTER": "otlp, prometheus"}, true, "http://localhost:4318/v1/metrics", ""},
		"none":                     {map[string]string{"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, false, "", ""},
		"disabled":                 {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_METRICS_EXPORTER": "otlp,prometheus"}, true, "", ""},
		"an exporter of no kind":   {map[string]string{"OTEL_METRICS_EXPORTER": "zipkin"}, false, "", `OTEL_METRICS_EXPORTER has "zipkin": write prometheus, otlp`},
		"none and another":         {map[string]string{"OTEL_METRICS_EXPORTER": "none,otlp"}, false, "", "OTEL_METRICS_EXPORTER has none and others"},
		"a protocol of no kind":    {map[string]string{"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, false, "", `OTEL_EXPORTER_OTLP_PROTOCOL is "http/json"`},
		"no address":               {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, false, "", "OTEL_EXPORTER_OTLP_ENDPOINT is no address"},
		"headers that are none":    {map[string]string{"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_HEADERS": "s3cret"}, false, "", "OTEL_EXPORTER_OTLP_HEADERS is no list of headers"},
		"an interval that is none": {map[string]string{"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "10s"}, false, "", `OTEL_METRIC_EXPORT_INTERVAL is "10s": write milliseconds`},
		"a compression of no kind": {map[string]string{"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_COMPRESSION": "br"}, false, "", `OTEL_EXPORTER_OTLP_COMPRESSION is "br"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := telemetry.Exporters(lookupIn(c.variables))
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				require.NotContains(t, err.Error(), "s3cret")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.page, got.Prometheus)
			if c.push == "" {
				require.Nil(t, got.Push)
			} else {
				require.Equal(t, c.push, got.Push.Endpoint)
			}
		})
	}
}
