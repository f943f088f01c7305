package tracing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/parley-run/parley/conversation"
)

// An ended span is one that workflow code has made.
type ended struct {
	name         string
	self, parent trace.SpanContext
	start, end   time.Time
	attrs        []attribute.KeyValue
	links        []trace.Link
	// kind and reason are those of the failure that it ended with. Empty: none.
	kind   conversation.Kind
	reason string
}

// An outbox keeps the spans that workflow tasks have made until Temporal has recorded the
// tasks. A workflow has one task at a time.
type outbox struct {
	// connected means that intercept sees the requests. Without, as in tests of workflow
	// code, spans do not wait.
	connected atomic.Bool

	mu    sync.Mutex
	tasks map[string]string // the run of each task under way, by the task's token
	token map[string]string // the newest token of each run
	spans map[string][]keptSpan
	kept  int
}

type keptSpan struct {
	tracing *Tracing
	ended
}

// maxKept bounds the spans of tasks whose end this process does not see, because another
// one has taken them over.
const maxKept = 20_000

func newOutbox() *outbox {
	return &outbox{tasks: map[string]string{}, token: map[string]string{}, spans: map[string][]keptSpan{}}
}

// keep takes a span of a run's task.
func (o *outbox) keep(run string, s keptSpan) {
	if !o.connected.Load() {
		s.tracing.emit(s.ended)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.kept >= maxKept {
		clear(o.spans)
		o.kept = 0
	}
	o.spans[run] = append(o.spans[run], s)
	o.kept++
}

// taken begins a task: spans of an earlier one of the run were not recorded.
func (o *outbox) taken(run string, token []byte) {
	if run == "" || len(token) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if before, ok := o.token[run]; ok {
		delete(o.tasks, before)
	}
	o.tasks[string(token)], o.token[run] = run, string(token)
	o.drop(run)
}

// drop forgets the spans of a run. It needs mu.
func (o *outbox) drop(run string) []keptSpan {
	spans := o.spans[run]
	delete(o.spans, run)
	o.kept -= len(spans)
	return spans
}

// answered ends a task, and returns its spans.
func (o *outbox) answered(token []byte) []keptSpan {
	o.mu.Lock()
	defer o.mu.Unlock()
	run, ok := o.tasks[string(token)]
	if !ok {
		return nil
	}
	delete(o.tasks, string(token))
	delete(o.token, run)
	return o.drop(run)
}

// intercept follows workflow tasks from the request that brings one to the answer of the
// server that has recorded its result.
func (o *outbox) intercept(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	switch req := req.(type) {
	case *workflowservice.PollWorkflowTaskQueueRequest:
		if task, ok := reply.(*workflowservice.PollWorkflowTaskQueueResponse); ok && err == nil && task.GetQuery() == nil {
			o.taken(task.GetWorkflowExecution().GetRunId(), task.GetTaskToken())
		}
	case *workflowservice.RespondWorkflowTaskCompletedRequest:
		if req.GetIntermediatePage() {
			break
		}
		if err != nil {
			if final(err) {
				o.answered(req.GetTaskToken())
			}
			break
		}
		for _, s := range o.answered(req.GetTaskToken()) {
			s.tracing.emit(s.ended)
		}
		if res, ok := reply.(*workflowservice.RespondWorkflowTaskCompletedResponse); ok {
			next := res.GetWorkflowTask()
			o.taken(next.GetWorkflowExecution().GetRunId(), next.GetTaskToken())
		}
	case *workflowservice.RespondWorkflowTaskFailedRequest:
		o.answered(req.GetTaskToken())
	case *workflowservice.StartWorkflowExecutionRequest:
		if res, ok := reply.(*workflowservice.StartWorkflowExecutionResponse); ok && err == nil {
			next := res.GetEagerWorkflowTask()
			o.taken(next.GetWorkflowExecution().GetRunId(), next.GetTaskToken())
		}
	}
	return err
}

// final reports whether the server has refused the result of a task. After any other error
// the SDK sends it again.
func final(err error) bool {
	switch serviceerror.ToStatus(err).Code() {
	case codes.NotFound, codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied:
		return true
	}
	return false
}
