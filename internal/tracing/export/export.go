// Package export makes the provider of spans that OpenTelemetry's standard variables
// describe.
//
// Only main may read the environment. The exporters, the batches and the sampler are
// OpenTelemetry's own and read OTEL_EXPORTER_OTLP_*, OTEL_BSP_* and OTEL_TRACES_SAMPLER
// themselves: their variables are many, and what they mean is defined there. Whether there
// are traces at all, and where they go, is decided here, from variables that main hands
// over: without one of them nothing is made and nothing is read.
package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/parley-run/parley/internal/tracing"
)

// Options are what main has.
type Options struct {
	// Lookup finds variables of the environment. Required.
	Lookup func(name string) (string, bool)
	// Service is the name of the program, unless OTEL_SERVICE_NAME or
	// OTEL_RESOURCE_ATTRIBUTES has one, and Version is its version.
	Service, Version string
	// Logger hears of spans that are lost. Nil: none.
	Logger *slog.Logger
	// Console is where the exporter "console" writes.
	Console io.Writer
}

// Variables that are read here.
const (
	variableDisabled       = "OTEL_SDK_DISABLED"
	variableExporter       = "OTEL_TRACES_EXPORTER"
	variableEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	variableTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	variableProtocol       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	variableTracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	variableText           = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
)

func (o Options) value(name string) string {
	value, _ := o.Lookup(name)
	return strings.TrimSpace(value)
}

// FromEnvironment makes the provider that the environment describes. Nil: it describes
// none. An error is about a variable, and says what it may be.
func FromEnvironment(ctx context.Context, o Options) (*Provider, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	wanted, err := o.exporters()
	text, textErr := o.text()
	if err := errors.Join(err, textErr); err != nil || len(wanted) == 0 {
		return nil, err
	}
	// What OpenTelemetry's libraries have to say, for instance of a variable that they
	// cannot read, is printed to standard error otherwise. This is the process's own
	// provider, made by its main.
	reports := &throttled{logger: o.Logger}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { reports.warn("OpenTelemetry", 0, err) }))
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", cmp.Or(o.Service, "parley")), attribute.String("service.version", o.Version)),
		resource.WithFromEnv(),
	)
	if err != nil {
		reports.warn("some attributes of the resource are not known", 0, err)
	}
	p := &Provider{text: text}
	options := []sdktrace.TracerProviderOption{sdktrace.WithIDGenerator(tracing.IDs{}), sdktrace.WithResource(about)}
	for _, name := range wanted {
		exporter, err := o.exporter(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		one := newCounted(exporter, o.capacity(), reports)
		p.counted = append(p.counted, one)
		options = append(options, sdktrace.WithSpanProcessor(one))
	}
	p.TracerProvider = sdktrace.NewTracerProvider(options...)
	o.Logger.Info("conversations are traced", "exporters", strings.Join(wanted, ","), "messages", text)
	return p, nil
}

const (
	exporterGRPC    = "otlp (grpc)"
	exporterHTTP    = "otlp (http/protobuf)"
	exporterConsole = "console"
)

// exporters are those that are wanted.
func (o Options) exporters() ([]string, error) {
	if strings.EqualFold(o.value(variableDisabled), "true") {
		return nil, nil
	}
	names := o.value(variableExporter)
	if names == "" && cmp.Or(o.value(variableTracesEndpoint), o.value(variableEndpoint)) != "" {
		names = "otlp"
	}
	var wanted []string
	for _, name := range strings.Split(names, ",") {
		switch name = strings.TrimSpace(name); name {
		case "", "none":
		case "otlp":
			protocol, err := o.protocol()
			if err != nil {
				return nil, err
			}
			wanted = append(wanted, protocol)
		case "console":
			wanted = append(wanted, exporterConsole)
		default:
			return nil, fmt.Errorf("%s: %q is not supported: use otlp, console or none", variableExporter, name)
		}
	}
	return wanted, nil
}

func (o Options) protocol() (string, error) {
	for _, variable := range []string{variableTracesProtocol, variableProtocol} {
		switch value := o.value(variable); value {
		case "":
		case "grpc":
			return exporterGRPC, nil
		case "http/protobuf":
			return exporterHTTP, nil
		default:
			return "", fmt.Errorf("%s: %q is not supported: use grpc or http/protobuf", variable, value)
		}
	}
	return exporterHTTP, nil // as the specification has it
}

// text reports whether the texts of conversations are wanted.
func (o Options) text() (bool, error) {
	switch value := o.value(variableText); strings.ToLower(value) {
	case "", "false", "no_content", "event_only": // there are no events with texts
		return false, nil
	case "true", "span_only", "span_and_event":
		return true, nil
	default:
		return false, fmt.Errorf("%s: %q is not known: use span_only (the same as true) or no_content", variableText, value)
	}
}

func (o Options) exporter(ctx context.Context, name string) (sdktrace.SpanExporter, error) {
	switch name {
	case exporterGRPC:
		return otlptracegrpc.New(ctx)
	case exporterHTTP:
		return otlptracehttp.New(ctx)
	default:
		return stdouttrace.New(stdouttrace.WithWriter(o.Console))
	}
}

// A Provider makes spans and exports them.
type Provider struct {
	*sdktrace.TracerProvider
	text    bool
	counted []*counted
}

// Text reports whether the texts of conversations are wanted.
func (p *Provider) Text() bool { return p.text }

// shutdownTimeout bounds the wait for a collector at the end of the program.
const shutdownTimeout = 5 * time.Second

// Close exports what is left, for at most 5 seconds.
func (p *Provider) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	_ = p.Shutdown(ctx) // what it has lost is counted, and logged
	for _, one := range p.counted {
		one.closed()
	}
}
