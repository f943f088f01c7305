// Package connecttest is a Temporal server that knows just enough for tests of
// how a program connects, starts and stops. It runs no workflows.
package connecttest

import (
	"cmp"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/parley-run/parley/workflows"
)

// A Server is a fake Temporal server. Set its fields before it is used.
type Server struct {
	// Namespaces there are. Empty: "default".
	Namespaces []string
	// Attributes are the search attributes there are.
	Attributes map[string]enums.IndexedValueType
	// Stale is how many queries still fail after attributes were added.
	Stale int
	// NoOperator closes the operator's service, as Temporal Cloud does.
	NoOperator bool
	// ReadOnly refuses to add search attributes.
	ReadOnly bool
	// Key, if not empty, must come along as a bearer token.
	Key string
	// Silent never answers.
	Silent bool
	// Starting is how many calls are answered with Unavailable, as by a server that
	// has just begun to listen.
	Starting atomic.Int64
	// Losing is how many calls, polls not counted, are answered as if there were no such
	// namespace, as by a server that has just restarted.
	Losing atomic.Int64
	// Address is where to listen. Empty: any port of 127.0.0.1.
	Address string

	mu       sync.Mutex
	launched []*workflowservice.SignalWithStartWorkflowExecutionRequest
	signal   chan struct{}
}

// All are the search attributes that Parley wants.
func All() map[string]enums.IndexedValueType {
	all := make(map[string]enums.IndexedValueType)
	for _, key := range workflows.SearchAttributes() {
		all[key.GetName()] = key.GetValueType()
	}
	return all
}

// Start serves until the test ends and returns the address.
func (s *Server) Start(t testing.TB) string {
	t.Helper()
	if s.Namespaces == nil {
		s.Namespaces = []string{"default"}
	}
	if s.Attributes == nil {
		s.Attributes = make(map[string]enums.IndexedValueType)
	}
	s.signal = make(chan struct{}, 100)
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", cmp.Or(s.Address, "127.0.0.1:0"))
	require.NoError(t, err)
	server := grpc.NewServer(grpc.UnaryInterceptor(s.guard))
	workflowservice.RegisterWorkflowServiceServer(server, workflowService{s: s})
	operatorservice.RegisterOperatorServiceServer(server, operatorService{s: s})
	checks := health.NewServer()
	checks.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, checks)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return listener.Addr().String()
}

// Launched waits for the next workflow to be started.
func (s *Server) Launched(t testing.TB) *workflowservice.SignalWithStartWorkflowExecutionRequest {
	t.Helper()
	select {
	case <-s.signal:
	case <-t.Context().Done():
		require.FailNow(t, "no workflow was started")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.launched[0]
	s.launched = s.launched[1:]
	return first
}
