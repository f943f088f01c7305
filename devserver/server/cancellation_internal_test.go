package server

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// A read ends although its client has gone. What waits for work ends with its client.
func TestReadsOutliveTheirClients(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for method, outlives := range map[string]bool{
		"CountWorkflowExecutions": true, "ListWorkflowExecutions": true, "DescribeWorkflowExecution": true,
		"PollWorkflowTaskQueue": false, "GetWorkflowExecutionHistory": false, "StartWorkflowExecution": false,
	} {
		_, err := finishReads(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/temporal.api.workflowservice.v1.WorkflowService/" + method},
			func(ctx context.Context, _ any) (any, error) {
				require.Equal(t, outlives, ctx.Err() == nil, method)
				_, bounded := ctx.Deadline()
				require.Equal(t, outlives, bounded, method)
				return nil, nil
			})
		require.NoError(t, err)
	}
}
