package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

type tracingKey struct{} // *Tracing

// A Span is a span of an activity. Nil: nothing is traced.
type Span struct {
	span trace.Span
	text bool
}

// Start begins a span below the one in the context. The context is that of an activity.
// What is sent with the context that it returns names the span.
func Start(ctx context.Context, name, subject string, kind trace.SpanKind, attrs ...attribute.KeyValue) (context.Context, *Span) {
	t, ok := ctx.Value(tracingKey{}).(*Tracing)
	if !ok {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(ctx, Title(name, subject), trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	return ctx, &Span{span: span, text: t.text && span.IsRecording()}
}

// Started links the span in the context, if there is one, to the trace of the conversation
// that it has started: run is the id of the first run of its workflow.
func Started(ctx context.Context, run string) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddLink(trace.Link{SpanContext: rootOf(identity{firstRun: run, seed: run}).WithTraceFlags(trace.FlagsSampled)})
	}
}

// Title changes the span's name and subject.
func (s *Span) Title(name, subject string) {
	if s != nil {
		s.span.SetName(Title(name, subject))
	}
}

// Set adds attributes.
func (s *Span) Set(attrs ...attribute.KeyValue) {
	if s != nil {
		s.span.SetAttributes(attrs...)
	}
}

// Text reports whether texts of the conversation are wanted.
func (s *Span) Text() bool { return s != nil && s.text }

// Fail marks the span as failed.
func (s *Span) Fail(err error) {
	if s == nil || err == nil {
		return
	}
	reason, _ := conversation.Explain(err)
	setError(s.span, conversation.KindOf(err), reason)
}

// End ends the span.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

// setError sets the status. The reason is what the log may say: without texts of others,
// which may repeat the conversation.
func setError(span trace.Span, kind conversation.Kind, reason string) {
	span.SetAttributes(KeyErrorType.String(string(kind)))
	span.SetStatus(codes.Error, printable.Clip(printable.Line(conversation.WithoutQuotes(reason)), maxReason))
}

const (
	maxReason = 300
	maxName   = 100
)

// Title is the name of a span with its subject, which another party may have named.
func Title(name, subject string) string {
	if subject = Name(subject); subject == "" {
		return name
	}
	return name + " " + subject
}

// Name is a name from elsewhere in the form that attributes have: on one line, printable,
// of at most 100 bytes.
func Name(s string) string { return printable.Name(s, maxName) }

// ID is an id from elsewhere, in the same form, of at most 256 bytes.
func ID(s string) string { return printable.Name(s, printable.MaxName) }

// Of are the attributes that say which conversation a span belongs to.
func Of(ref conversation.Ref) []attribute.KeyValue {
	attrs := []attribute.KeyValue{KeyConversation.String(ID(ref.String())), KeyPlatform.String(Name(ref.Platform))}
	for _, one := range []struct {
		key   attribute.Key
		value string
	}{{KeyProject, ref.Project}, {KeySimulation, ref.Simulation}, {KeyAgentID, ref.Agent}} {
		if one.value != "" {
			attrs = append(attrs, one.key.String(ID(one.value)))
		}
	}
	return attrs
}

// Usage are the attributes of what calls of a model have cost.
func Usage(u conversation.Usage) []attribute.KeyValue {
	var attrs []attribute.KeyValue
	for _, one := range []struct {
		key   attribute.Key
		value int64
	}{
		{KeyInputTokens, u.InputTokens}, {KeyOutputTokens, u.OutputTokens},
		{KeyCacheRead, u.CachedInputTokens}, {KeyCacheCreation, u.CacheWriteTokens}, {KeyCost, u.Cost},
	} {
		if one.value > 0 {
			attrs = append(attrs, one.key.Int64(one.value))
		}
	}
	return attrs
}
