package tracing

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

type (
	runKey  struct{} // *runTrace
	spanKey struct{} // trace.SpanContext of the present span
)

// A maker makes spans. It is an interface because what is behind it is not deterministic,
// and need not be: nothing of it comes back to the workflow but a bit for its headers.
type maker interface {
	// sampled is the context of a root, with its decision of being sampled.
	sampled(root trace.SpanContext, attrs ...attribute.KeyValue) trace.SpanContext
	// finished takes a span of a run.
	finished(run string, e ended)
	// nested reports whether spans of workflow code can be parents.
	nested() bool
}

func (t *Tracing) finished(run string, e ended) { t.outbox.keep(run, keptSpan{t, e}) }

func (t *Tracing) nested() bool { return t.ids }

// runTrace is the part of a trace that one run of a workflow makes.
type runTrace struct {
	maker maker
	// origin is the context of what started the workflow, and seed what the run before has
	// left.
	origin trace.SpanContext
	seed   string
	// callers have sent messages that no turn has answered yet.
	callers []trace.SpanContext

	entered bool
	id      identity
	root    trace.SpanContext
	made    map[string]int
}

// Enter begins the trace of a conversation, or goes on with it, in a workflow's context.
// Where nothing is traced it returns the context as it is.
func Enter(ctx workflow.Context, attrs ...attribute.KeyValue) workflow.Context {
	r, ok := ctx.Value(runKey{}).(*runTrace)
	if !ok {
		return ctx
	}
	r.entered, r.id, r.made = true, identify(ctx, r.seed), map[string]int{}
	root := rootOf(r.id)
	if r.maker.sampled(root, attrs...).IsSampled() {
		root = root.WithTraceFlags(trace.FlagsSampled)
	}
	r.root = root
	return workflow.WithValue(ctx, spanKey{}, root)
}

// Leave ends the trace: the conversation began at start, in this run or an earlier one.
// kind is that of the failure it ended with, or empty.
func Leave(ctx workflow.Context, start time.Time, kind conversation.Kind, attrs ...attribute.KeyValue) {
	r, ok := ctx.Value(runKey{}).(*runTrace)
	if !ok || !r.entered || workflow.IsReplaying(ctx) {
		return
	}
	var links []trace.Link
	if r.origin.IsValid() {
		links = append(links, trace.Link{SpanContext: r.origin})
	}
	r.maker.finished(r.id.run, ended{
		name: SpanConversation, self: r.root, start: start, end: workflow.Now(ctx),
		attrs: append(attrs, KeyRun.String(r.id.run)), links: links, kind: kind,
	})
}

// A WorkflowSpan is a span that workflow code makes. Nil: nothing is traced.
type WorkflowSpan struct {
	run  *runTrace
	span ended
}

// Begin begins a span below the present one. What is scheduled with the context that it
// returns is below the span. [WorkflowSpan.End] must not be deferred: a worker that
// forgets a workflow runs what its code has deferred.
func Begin(ctx workflow.Context, name, subject string, attrs ...attribute.KeyValue) (workflow.Context, *WorkflowSpan) {
	r, ok := ctx.Value(runKey{}).(*runTrace)
	if !ok || !r.entered {
		return ctx, nil
	}
	parent, _ := ctx.Value(spanKey{}).(trace.SpanContext)
	start := workflow.Now(ctx)
	n := r.made[name]
	r.made[name]++
	self := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: parent.TraceID(), SpanID: spanID(r.id.run, name, start.UnixNano(), n), TraceFlags: parent.TraceFlags(), Remote: true,
	})
	s := &WorkflowSpan{run: r, span: ended{name: Title(name, subject), self: self, parent: parent, start: start, attrs: attrs}}
	if name == SpanTurn {
		for _, caller := range r.callers {
			s.span.links = append(s.span.links, trace.Link{SpanContext: caller})
		}
		r.callers = nil
	}
	if !r.maker.nested() {
		return ctx, s
	}
	return workflow.WithValue(ctx, spanKey{}, self), s
}

// End ends the span.
func (s *WorkflowSpan) End(ctx workflow.Context, attrs ...attribute.KeyValue) {
	s.EndWith(ctx, "", "", attrs...)
}

// EndWith ends the span with a failure, if kind is not empty.
func (s *WorkflowSpan) EndWith(ctx workflow.Context, kind conversation.Kind, reason string, attrs ...attribute.KeyValue) {
	if s == nil || workflow.IsReplaying(ctx) {
		return
	}
	s.span.end, s.span.kind, s.span.reason = workflow.Now(ctx), kind, reason
	s.span.attrs = append(s.span.attrs, attrs...)
	s.run.maker.finished(s.run.id.run, s.span)
}
