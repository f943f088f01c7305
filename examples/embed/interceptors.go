package main

import (
	"context"
	"log/slog"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
)

// attempts logs each attempt of an activity once it has ended.
type attempts struct {
	interceptor.WorkerInterceptorBase
	logger *slog.Logger
}

func (a *attempts) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &attempt{logger: a.logger}
	i.Next = next
	return i
}

type attempt struct {
	interceptor.ActivityInboundInterceptorBase
	logger *slog.Logger
}

func (a *attempt) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	result, err := a.Next.ExecuteActivity(ctx, in)
	info := activity.GetInfo(ctx)
	a.logger.Info("attempt ended", "activity", info.ActivityType.Name, "attempt", info.Attempt, "failed", err != nil)
	return result, err
}

// starts logs each workflow that this process starts.
type starts struct {
	interceptor.ClientInterceptorBase
	logger *slog.Logger
}

func (s *starts) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	o := &start{logger: s.logger}
	o.Next = next
	return o
}

type start struct {
	interceptor.ClientOutboundInterceptorBase
	logger *slog.Logger
}

func (s *start) ExecuteWorkflow(ctx context.Context, in *interceptor.ClientExecuteWorkflowInput) (client.WorkflowRun, error) {
	s.logger.Info("workflow starts", "workflow_id", in.Options.ID)
	return s.Next.ExecuteWorkflow(ctx, in)
}
