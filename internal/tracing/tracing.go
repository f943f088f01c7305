package tracing

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"google.golang.org/grpc"
)

// scope names Parley's spans.
const scope = "github.com/parley-run/parley"

// Options are the settings of a [Tracing].
type Options struct {
	// Text adds the messages of the model, and the arguments and results of tools, to
	// their spans.
	Text bool
	// Logger hears of a provider without [IDs]. Nil: none.
	Logger *slog.Logger
}

// Tracing makes the spans of one process.
//
// Its provider should have [IDs] as its generator of ids. With another one the spans of a
// conversation are in one trace too, but all of them directly below its root.
type Tracing struct {
	tracer trace.Tracer
	text   bool
	ids    bool // the provider has IDs
	outbox *outbox
}

// New makes spans with the provider.
func New(provider trace.TracerProvider, o Options) *Tracing {
	t := &Tracing{tracer: provider.Tracer(scope), text: o.Text, outbox: newOutbox()}
	probe := rootOf(identity{firstRun: "probe", seed: "probe"})
	t.ids = t.sampled(probe).SpanID() == probe.SpanID()
	if !t.ids && o.Logger != nil {
		o.Logger.Warn("the tracer provider makes its own ids: turns are not the parents of their spans; " +
			"make the provider with parley.SpanIDs, see docs/embedding.md")
	}
	return t
}

// Connect adds tracing to the options of a client and of its workers. It comes after
// everything else that changes them.
func (t *Tracing) Connect(o *client.Options) {
	// The first is the outermost: the caller's interceptors run within the spans.
	o.Interceptors = append([]interceptor.ClientInterceptor{&temporalInterceptor{tracing: t}}, o.Interceptors...)
	dial := &o.ConnectionOptions.DialOptions
	*dial = append((*dial)[:len(*dial):len(*dial)], grpc.WithChainUnaryInterceptor(t.outbox.intercept))
	t.outbox.connected.Store(true)
}

// rootOf is the context of a trace's root. Whether it is sampled is not known yet.
func rootOf(id identity) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: TraceID(id.firstRun), SpanID: rootID(id.seed), Remote: true})
}

// sampled asks the provider's sampler about a root, by a span that never ends. The result
// has the provider's ids.
func (t *Tracing) sampled(root trace.SpanContext, attrs ...attribute.KeyValue) trace.SpanContext {
	_, span := t.tracer.Start(withIDs(context.Background(), root), SpanConversation, trace.WithNewRoot(), trace.WithAttributes(attrs...))
	return span.SpanContext()
}

// emit makes a span that has ended. A span without a parent is a root.
func (t *Tracing) emit(e ended) {
	opts := []trace.SpanStartOption{
		trace.WithTimestamp(e.start), trace.WithAttributes(e.attrs...), trace.WithLinks(e.links...), trace.WithSpanKind(trace.SpanKindInternal),
	}
	ctx := withIDs(context.Background(), e.self)
	switch {
	case e.parent.IsValid():
		ctx = trace.ContextWithRemoteSpanContext(ctx, e.parent)
	case t.ids:
		opts = append(opts, trace.WithNewRoot())
	default: // its children name it by the id that it was to have
		ctx = trace.ContextWithRemoteSpanContext(ctx, e.self)
	}
	_, span := t.tracer.Start(ctx, e.name, opts...)
	if e.kind != "" {
		setError(span, e.kind, e.reason)
	}
	span.End(trace.WithTimestamp(e.end))
}
