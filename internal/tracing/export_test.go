package tracing

import (
	"context"
	"time"

	"go.temporal.io/sdk/interceptor"
	"google.golang.org/grpc"
)

// WorkerInterceptor is what Connect adds, for environments without a client.
func (t *Tracing) WorkerInterceptor() interceptor.WorkerInterceptor {
	return &temporalInterceptor{tracing: t}
}

// Intercept is what Connect adds to the connection.
func (t *Tracing) Intercept(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	return t.outbox.intercept(ctx, method, req, reply, cc, invoke, opts...)
}

// Finish ends a span in a workflow task of the run.
func (t *Tracing) Finish(run, name string) {
	t.finished(run, ended{name: name, self: rootOf(identity{firstRun: run, seed: run}), start: time.Now(), end: time.Now()})
}
