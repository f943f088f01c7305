package payloads

import (
	"context"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// answersErrors marks the context of handlers whose caller waits for an answer.
type answersErrors struct{}

// handlers makes updates and queries that cannot be read answer with the error. The
// caller has the wrong keys, and the workflow must not wait for others.
type handlers struct{ interceptor.InterceptorBase }

func (*handlers) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &inbound{interceptor.WorkflowInboundInterceptorBase{Next: next}}
}

// InterceptActivity makes an activity fail whose heartbeat cannot be read. Without what the
// attempt before it has recorded, it might send a message twice.
func (*handlers) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &activityInbound{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

type activityInbound struct {
	interceptor.ActivityInboundInterceptorBase
}

func (i *activityInbound) Init(out interceptor.ActivityOutboundInterceptor) error {
	return i.Next.Init(&activityOutbound{interceptor.ActivityOutboundInterceptorBase{Next: out}})
}

type activityOutbound struct {
	interceptor.ActivityOutboundInterceptorBase
}

func (o *activityOutbound) GetHeartbeatDetails(ctx context.Context, into ...any) error {
	err := o.Next.GetHeartbeatDetails(ctx, into...)
	MustRead(err)
	return err
}

type inbound struct {
	interceptor.WorkflowInboundInterceptorBase
}

func (i *inbound) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return i.Next.Init(&outbound{interceptor.WorkflowOutboundInterceptorBase{Next: out}})
}

type outbound struct {
	interceptor.WorkflowOutboundInterceptorBase
}

func (o *outbound) SetQueryHandler(ctx workflow.Context, name string, handler any) error {
	return o.Next.SetQueryHandler(answering(ctx), name, handler)
}

func (o *outbound) SetQueryHandlerWithOptions(ctx workflow.Context, name string, handler any, options workflow.QueryHandlerOptions) error {
	return o.Next.SetQueryHandlerWithOptions(answering(ctx), name, handler, options)
}

func (o *outbound) SetUpdateHandler(ctx workflow.Context, name string, handler any, options workflow.UpdateHandlerOptions) error {
	return o.Next.SetUpdateHandler(answering(ctx), name, handler, options)
}

func answering(ctx workflow.Context) workflow.Context {
	return workflow.WithValue(ctx, answersErrors{}, true)
}
