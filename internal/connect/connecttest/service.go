package connecttest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// guard checks the key and speaks Temporal's errors.
func (s *Server) guard(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if s.Silent {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if s.Starting.Add(-1) >= 0 {
		return nil, status.Error(codes.Unavailable, "Not enough hosts to serve the request")
	}
	if s.losing(info.FullMethod) {
		return nil, serviceerror.ToStatus(serviceerror.NewNamespaceNotFound("default")).Err()
	}
	sent := metadata.ValueFromIncomingContext(ctx, "authorization")
	if s.Key != "" && !slices.Contains(sent, "Bearer "+s.Key) {
		return nil, status.Error(codes.PermissionDenied, "Request unauthorized.")
	}
	out, err := handler(ctx, req)
	if err != nil {
		err = serviceerror.ToStatus(err).Err()
	}
	return out, err
}

// losing counts calls. Polls only fail as long as the others do: how many of them there are,
// and when, is up to the SDK.
func (s *Server) losing(method string) bool {
	if strings.Contains(method, "/Poll") {
		return s.Losing.Load() > 0
	}
	return s.Losing.Add(-1) >= 0
}

type workflowService struct {
	workflowservice.UnimplementedWorkflowServiceServer
	s *Server
}

func (w workflowService) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (w workflowService) DescribeNamespace(_ context.Context, r *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	if !slices.Contains(w.s.Namespaces, r.Namespace) {
		return nil, serviceerror.NewNamespaceNotFound(r.Namespace)
	}
	return &workflowservice.DescribeNamespaceResponse{NamespaceInfo: &namespace.NamespaceInfo{Name: r.Namespace}}, nil
}

func (w workflowService) CountWorkflowExecutions(_ context.Context, r *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	name, _, _ := strings.Cut(r.Query, " ")
	_, ok := w.s.Attributes[name]
	if ok && w.s.Stale > 0 {
		w.s.Stale--
		ok = false
	}
	if !ok {
		return nil, serviceerror.NewInvalidArgument("invalid query: column name '" + name + "' is not a valid search attribute")
	}
	return &workflowservice.CountWorkflowExecutionsResponse{}, nil
}

func (w workflowService) ListWorkflowExecutions(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{}, nil
}

func (w workflowService) SignalWithStartWorkflowExecution(_ context.Context, r *workflowservice.SignalWithStartWorkflowExecutionRequest) (*workflowservice.SignalWithStartWorkflowExecutionResponse, error) {
	w.s.mu.Lock()
	w.s.launched = append(w.s.launched, r)
	w.s.mu.Unlock()
	w.s.signal <- struct{}{}
	return &workflowservice.SignalWithStartWorkflowExecutionResponse{RunId: "run"}, nil
}

func (w workflowService) PollWorkflowTaskQueue(ctx context.Context, _ *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	<-ctx.Done()
	return &workflowservice.PollWorkflowTaskQueueResponse{}, nil
}

func (w workflowService) PollActivityTaskQueue(ctx context.Context, _ *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	<-ctx.Done()
	return &workflowservice.PollActivityTaskQueueResponse{}, nil
}

type operatorService struct {
	operatorservice.UnimplementedOperatorServiceServer
	s *Server
}

func (o operatorService) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	if o.s.NoOperator {
		return nil, serviceerror.NewPermissionDenied("not for you", "")
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: maps.Clone(o.s.Attributes)}, nil
}

func (o operatorService) AddSearchAttributes(_ context.Context, r *operatorservice.AddSearchAttributesRequest) (*operatorservice.AddSearchAttributesResponse, error) {
	if o.s.NoOperator || o.s.ReadOnly {
		return nil, serviceerror.NewPermissionDenied("not for you", "")
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	maps.Copy(o.s.Attributes, r.SearchAttributes)
	return &operatorservice.AddSearchAttributesResponse{}, nil
}
