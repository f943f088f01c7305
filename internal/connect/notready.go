package connect

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/parley-run/parley/internal/pause"
)

// How often an update is sent again that a workflow was not ready for, and the first pause
// before that. Each pause is twice the one before: two seconds in all.
const (
	updatesAgain = 5
	firstPause   = 64 * time.Millisecond
)

// sendAgain is a gRPC interceptor: it sends an update again that Temporal has given back
// because the workflow task failed that had it, as happens when an event arrives while
// the workflow ends or continues as new. The workflow has not accepted the update then, and
// it has an id: it cannot be made twice.
func sendAgain(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	if _, update := req.(*workflowservice.UpdateWorkflowExecutionRequest); !update {
		return err
	}
	for again, wait := 0, firstPause; again < updatesAgain && isNotReady(err); again, wait = again+1, 2*wait {
		if pause.For(ctx, wait) != nil {
			return err
		}
		err = invoke(ctx, method, req, reply, cc, opts...)
	}
	return err
}

func isNotReady(err error) bool {
	var notReady *serviceerror.WorkflowNotReady
	return err != nil && errors.As(serviceerror.FromStatus(status.Convert(err)), &notReady)
}
