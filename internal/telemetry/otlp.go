package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/parley-run/parley/internal/config"
)

// Exports say where metrics go.
type Exports struct {
	// Prometheus: there is a page for it.
	Prometheus bool
	// Push is a collector. Nil: there is none.
	Push *Push
}

// A Push sends metrics to a collector.
type Push struct {
	// Endpoint is the collector's address, without credentials.
	Endpoint string
	// Interval is the time between two pushes, and Timeout bounds each.
	Interval, Timeout time.Duration

	grpc     bool
	endpoint string // as given, with the path of metrics; empty: the exporter's default
	headers  map[string]string
	gzip     bool
}

// The defaults of OpenTelemetry's specification.
const (
	defaultInterval = time.Minute
	defaultTimeout  = 10 * time.Second
	grpcEndpoint    = "http://localhost:4317"
	httpEndpoint    = "http://localhost:4318"
	metricsPath     = "/v1/metrics"
)

// Exporters reads OpenTelemetry's variables: OTEL_METRICS_EXPORTER (prometheus, otlp, both
// separated by a comma, or none), OTEL_EXPORTER_OTLP_ENDPOINT, …_PROTOCOL, …_HEADERS,
// …_TIMEOUT and …_COMPRESSION, each of which OTEL_EXPORTER_OTLP_METRICS_… overrides,
// OTEL_METRIC_EXPORT_INTERVAL and OTEL_SDK_DISABLED. Without OTEL_METRICS_EXPORTER there
// is the page for Prometheus, and a push if an endpoint is set. Certificates
// (…_CERTIFICATE, …_CLIENT_CERTIFICATE, …_CLIENT_KEY) are read by the exporters, from the
// environment of the process. It reports every fault at once, as config.Faults.
func Exporters(lookup func(string) (string, bool)) (Exports, error) {
	e := environment{lookup: lookup}
	var use Exports
	push := false
	names := strings.TrimSpace(e.get("OTEL_METRICS_EXPORTER"))
	if names == "" {
		use.Prometheus = true
		push = e.otlp("ENDPOINT") != ""
	}
	for name := range strings.SplitSeq(names, ",") {
		switch strings.TrimSpace(name) {
		case "":
		case "prometheus":
			use.Prometheus = true
		case "otlp":
			push = true
		case "none":
			if strings.Contains(names, ",") {
				e.fault("OTEL_METRICS_EXPORTER", "has none and others", "write none alone, or leave it out")
			}
		default:
			e.fault("OTEL_METRICS_EXPORTER", fmt.Sprintf("has %q", name), "write prometheus, otlp, both separated by a comma, or none")
		}
	}
	if disabled, _ := strconv.ParseBool(e.get("OTEL_SDK_DISABLED")); disabled {
		push = false
	}
	if push {
		use.Push = e.push()
	}
	if len(e.faults) > 0 {
		return Exports{}, e.faults
	}
	return use, nil
}

// environment reads variables and collects what is wrong with them.
type environment struct {
	lookup func(string) (string, bool)
	faults config.Faults
}

func (e *environment) get(name string) string {
	value, ok := e.lookup(name)
	if !ok {
		return ""
	}
	return strings.TrimSpace(value)
}

// otlp is the value of a variable of OTLP, of metrics or of all signals.
func (e *environment) otlp(name string) string {
	return cmp.Or(e.get("OTEL_EXPORTER_OTLP_METRICS_"+name), e.get("OTEL_EXPORTER_OTLP_"+name))
}

// fault never has the value of a variable that may hold a secret.
func (e *environment) fault(key, text, remedy string) {
	e.faults = append(e.faults, &config.Fault{Key: key, Text: text, Remedy: remedy})
}

// millis is a duration in milliseconds.
func (e *environment) millis(name, value string, otherwise time.Duration) time.Duration {
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n <= 0 {
		e.fault(name, fmt.Sprintf("is %q", value), "write milliseconds, 1 or more")
		return otherwise
	}
	return time.Duration(n) * time.Millisecond
}

func (e *environment) push() *Push {
	p := &Push{
		Interval: e.millis("OTEL_METRIC_EXPORT_INTERVAL", e.get("OTEL_METRIC_EXPORT_INTERVAL"), defaultInterval),
		Timeout:  e.millis("OTEL_EXPORTER_OTLP_TIMEOUT", e.otlp("TIMEOUT"), defaultTimeout),
	}
	switch protocol := e.otlp("PROTOCOL"); protocol {
	case "", "http/protobuf":
	case "grpc":
		p.grpc = true
	default:
		e.fault("OTEL_EXPORTER_OTLP_PROTOCOL", fmt.Sprintf("is %q", protocol), "write http/protobuf or grpc")
	}
	switch compression := e.otlp("COMPRESSION"); compression {
	case "", "none":
	case "gzip":
		p.gzip = true
	default:
		e.fault("OTEL_EXPORTER_OTLP_COMPRESSION", fmt.Sprintf("is %q", compression), "write gzip or none")
	}
	p.endpoint = e.endpoint(p.grpc)
	if u, err := url.Parse(p.endpoint); err == nil {
		u.User, u.RawQuery = nil, ""
		p.Endpoint = u.String()
	}
	for pair := range strings.SplitSeq(e.otlp("HEADERS"), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil {
			e.fault("OTEL_EXPORTER_OTLP_HEADERS", "is no list of headers", "write name=value,name=value, values percent-encoded")
			break
		}
		if p.headers == nil {
			p.headers = make(map[string]string)
		}
		p.headers[name] = value
	}
	return p
}

// endpoint is the address that metrics are sent to.
func (e *environment) endpoint(grpc bool) string {
	name, of := "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", e.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
	whole := of != "" // it has its path
	if !whole {
		name, of = "OTEL_EXPORTER_OTLP_ENDPOINT", e.get("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	if of == "" {
		of = httpEndpoint
		if grpc {
			of = grpcEndpoint
		}
	}
	u, err := url.Parse(of)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		e.fault(name, "is no address", "write one like http://localhost:4318")
		return ""
	}
	if !grpc && !whole {
		u = u.JoinPath(metricsPath)
	}
	return u.String()
}

// reader pushes on the interval, in a goroutine of its own: a collector that is slow or
// gone delays nothing else.
func (p *Push) reader(ctx context.Context, logger *slog.Logger) (sdkmetric.Reader, error) {
	exporter, err := p.exporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("telemetry: push metrics to %s: %w", p.Endpoint, err)
	}
	return sdkmetric.NewPeriodicReader(&reporting{Exporter: exporter, to: p.Endpoint, logger: logger},
		sdkmetric.WithInterval(p.Interval), sdkmetric.WithTimeout(p.Timeout)), nil
}

func (p *Push) exporter(ctx context.Context) (sdkmetric.Exporter, error) {
	if p.grpc {
		options := []otlpmetricgrpc.Option{otlpmetricgrpc.WithEndpointURL(p.endpoint), otlpmetricgrpc.WithTimeout(p.Timeout)}
		if p.headers != nil {
			options = append(options, otlpmetricgrpc.WithHeaders(p.headers))
		}
		if p.gzip {
			options = append(options, otlpmetricgrpc.WithCompressor("gzip"))
		}
		return otlpmetricgrpc.New(ctx, options...)
	}
	options := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(p.endpoint), otlpmetrichttp.WithTimeout(p.Timeout)}
	if p.headers != nil {
		options = append(options, otlpmetrichttp.WithHeaders(p.headers))
	}
	if p.gzip {
		options = append(options, otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	}
	return otlpmetrichttp.New(ctx, options...)
}

// reporting logs when pushes begin to fail and when they work again, instead of each
// failure. Nothing is kept for later: the next push has the totals.
type reporting struct {
	sdkmetric.Exporter
	to      string
	logger  *slog.Logger
	failing atomic.Bool
}

// Export implements sdkmetric.Exporter.
func (r *reporting) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	err := r.Exporter.Export(ctx, metrics)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, sdkmetric.ErrExporterShutdown):
	case err != nil && !r.failing.Swap(true):
		if at, ok := errors.AsType[*url.Error](err); ok {
			err = at.Err // without the address, which may have a key in it
		}
		r.logger.Warn("metrics cannot be pushed; it is tried again at each interval", "to", r.to, "error", err)
	case err == nil && r.failing.Swap(false):
		r.logger.Info("metrics are pushed again", "to", r.to)
	}
	return nil
}
