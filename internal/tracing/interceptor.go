package tracing

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// temporalInterceptor carries contexts in Temporal's headers, and gives workflows and
// activities the Tracing that their spans are made with.
type temporalInterceptor struct {
	interceptor.InterceptorBase
	tracing *Tracing
}

func (i *temporalInterceptor) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	out := &clientOutbound{tracing: i.tracing}
	out.Next = next
	return out
}

func (i *temporalInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &activityInbound{tracing: i.tracing}
	in.Next = next
	return in
}

func (i *temporalInterceptor) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &workflowInbound{tracing: i.tracing}
	in.Next = next
	return in
}

// clientOutbound writes the context of the caller's span, if it has one.
type clientOutbound struct {
	interceptor.ClientOutboundInterceptorBase
	tracing *Tracing
}

func (c *clientOutbound) ExecuteWorkflow(ctx context.Context, in *interceptor.ClientExecuteWorkflowInput) (client.WorkflowRun, error) {
	c.write(ctx)
	return c.Next.ExecuteWorkflow(ctx, in)
}

func (c *clientOutbound) SignalWithStartWorkflow(ctx context.Context, in *interceptor.ClientSignalWithStartWorkflowInput) (client.WorkflowRun, error) {
	c.write(ctx)
	return c.Next.SignalWithStartWorkflow(ctx, in)
}

func (c *clientOutbound) UpdateWorkflow(ctx context.Context, in *interceptor.ClientUpdateWorkflowInput) (client.WorkflowUpdateHandle, error) {
	c.write(ctx)
	return c.Next.UpdateWorkflow(ctx, in)
}

func (c *clientOutbound) UpdateWithStartWorkflow(
	ctx context.Context, in *interceptor.ClientUpdateWithStartWorkflowInput,
) (client.WorkflowUpdateHandle, error) {
	c.write(ctx)
	return c.Next.UpdateWithStartWorkflow(ctx, in)
}

func (c *clientOutbound) write(ctx context.Context) {
	writeContext(interceptor.Header(ctx), trace.SpanContextFromContext(ctx))
}

// activityInbound makes the span that scheduled the activity the parent of its spans.
type activityInbound struct {
	interceptor.ActivityInboundInterceptorBase
	tracing *Tracing
}

func (a *activityInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	parent := readContext(interceptor.Header(ctx))
	ctx = context.WithValue(ctx, tracingKey{}, a.tracing)
	if parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	return a.Next.ExecuteActivity(ctx, in)
}

type workflowInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	tracing *Tracing
	run     *runTrace
}

func (w *workflowInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &workflowOutbound{}
	out.Next = next
	return w.Next.Init(out)
}

func (w *workflowInbound) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	header := interceptor.WorkflowHeader(ctx)
	w.run = &runTrace{maker: w.tracing, origin: readContext(header), seed: readSeed(header)}
	return w.Next.ExecuteWorkflow(workflow.WithValue(ctx, runKey{}, w.run), in)
}

// ExecuteUpdate keeps the context of a message: the turn that answers it links to it.
func (w *workflowInbound) ExecuteUpdate(ctx workflow.Context, in *interceptor.UpdateInput) (any, error) {
	if caller := readContext(interceptor.WorkflowHeader(ctx)); caller.IsValid() && w.run != nil && len(w.run.callers) < maxLinks {
		w.run.callers = append(w.run.callers, caller)
	}
	return w.Next.ExecuteUpdate(ctx, in)
}

// maxLinks bounds the links of a span.
const maxLinks = 16

// workflowOutbound writes the context of the workflow's span.
type workflowOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
}

func (w *workflowOutbound) ExecuteActivity(ctx workflow.Context, activityType string, args ...any) workflow.Future {
	if parent, ok := ctx.Value(spanKey{}).(trace.SpanContext); ok {
		writeContext(interceptor.WorkflowHeader(ctx), parent)
	}
	return w.Next.ExecuteActivity(ctx, activityType, args...)
}

func (w *workflowOutbound) NewContinueAsNewError(ctx workflow.Context, wfn any, args ...any) error {
	if run, ok := ctx.Value(runKey{}).(*runTrace); ok && run.entered {
		header := interceptor.WorkflowHeader(ctx)
		writeContext(header, run.origin)
		writeSeed(header, run.id.seed)
	}
	return w.Next.NewContinueAsNewError(ctx, wfn, args...)
}
