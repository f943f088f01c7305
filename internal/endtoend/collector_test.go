package endtoend_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	tracecollector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonotlp "go.opentelemetry.io/proto/otlp/common/v1"
	traceotlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/internal/tracing"
)

// A collector receives spans by OTLP, over gRPC and HTTP.
type collector struct {
	tracecollector.UnimplementedTraceServiceServer
	grpc, http string // its addresses

	mu    sync.Mutex
	spans []*traceotlp.Span
	names []string // of the services that sent them
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	tracecollector.RegisterTraceServiceServer(server, c)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	c.grpc = "http://" + listener.Addr().String()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req tracecollector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &req) != nil {
			http.Error(w, "not an export of spans", http.StatusBadRequest)
			return
		}
		_, _ = c.Export(r.Context(), &req)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(web.Close)
	c.http = web.URL
	return c
}

// Export implements OTLP.
func (c *collector) Export(_ context.Context, req *tracecollector.ExportTraceServiceRequest) (*tracecollector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range req.GetResourceSpans() {
		c.names = append(c.names, attribute(resource.GetResource().GetAttributes(), "service.name"))
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	return &tracecollector.ExportTraceServiceResponse{}, nil
}

// received are the spans so far.
func (c *collector) received() []*traceotlp.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// text is everything that has been received.
func (c *collector) text(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, s := range c.received() {
		data, err := protojson.Marshal(s)
		require.NoError(t, err)
		b.Write(data)
	}
	return b.String()
}

// root waits for the root of a conversation's trace.
func (c *collector) root() (root *traceotlp.Span, found bool) {
	for _, s := range c.received() {
		if s.GetName() == tracing.SpanConversation {
			return s, true
		}
	}
	return nil, false
}

// tree is a trace as lines, the children of each span in the order of their beginnings. A
// span that is there twice is a failure of the test.
func (c *collector) tree(t *testing.T, traceID []byte) string {
	t.Helper()
	children, seen := map[string][]*traceotlp.Span{}, map[string]bool{}
	for _, s := range c.received() {
		if string(s.GetTraceId()) != string(traceID) {
			continue
		}
		require.False(t, seen[string(s.GetSpanId())], "%s is there twice", s.GetName())
		seen[string(s.GetSpanId())] = true
		children[string(s.GetParentSpanId())] = append(children[string(s.GetParentSpanId())], s)
	}
	var b strings.Builder
	var write func(parent, indent string)
	write = func(parent, indent string) {
		below := children[parent]
		delete(children, parent)
		slices.SortFunc(below, func(a, b *traceotlp.Span) int {
			return int(int64(a.GetStartTimeUnixNano()) - int64(b.GetStartTimeUnixNano()))
		})
		for _, s := range below {
			b.WriteString(indent + line(s) + "\n")
			write(string(s.GetSpanId()), indent+"  ")
		}
	}
	write("", "")
	require.Empty(t, children, "spans without a parent")
	return b.String()
}

// line describes a span.
func line(s *traceotlp.Span) string {
	text := s.GetName()
	if n := attribute(s.GetAttributes(), string(tracing.KeyAttempt)); n != "" && n != "1" {
		text += " attempt " + n
	}
	if s.GetStatus().GetCode() == traceotlp.Status_STATUS_CODE_ERROR {
		text += " error " + attribute(s.GetAttributes(), string(tracing.KeyErrorType))
	}
	return text
}

func attribute(all []*commonotlp.KeyValue, key string) string {
	for _, one := range all {
		if one.GetKey() != key {
			continue
		}
		switch v := one.GetValue().GetValue().(type) {
		case *commonotlp.AnyValue_StringValue:
			return v.StringValue
		case *commonotlp.AnyValue_IntValue:
			return fmt.Sprint(v.IntValue)
		default:
			return fmt.Sprint(one.GetValue())
		}
	}
	return ""
}

// traceparent is the header of what is sent within a span.
func traceparent(s *traceotlp.Span) string {
	return "00-" + hex.EncodeToString(s.GetTraceId()) + "-" + hex.EncodeToString(s.GetSpanId()) + "-01"
}
