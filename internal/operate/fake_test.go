package operate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/internal/versions/versionstest"
	"github.com/parley-run/parley/workflows"
)

// began is when the fake's workflows start.
var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// server is a Temporal that holds the executions of a test.
type server struct {
	client.Client // nil: an unexpected call panics
	// workers are those of every task queue. Without a call of Set there are none.
	workers  versionstest.Service
	stranded int64 // how many visibility counts

	mu         sync.Mutex
	executions []*execution
	queries    []string // visibility queries, in order
	// down makes every request fail.
	down error
	// update answers updates.
	update func(client.UpdateWorkflowOptions) (any, error)
	// describing is called, under the lock, before each description, with their count.
	describing func(n int)
	looks      int
}

func (s *server) WorkflowService() workflowservice.WorkflowServiceClient { return &s.workers }

// execution is one run of a workflow.
type execution struct {
	info    *workflow.WorkflowExecutionInfo
	summary string
	pending []*workflow.PendingActivityInfo
	events  []*history.HistoryEvent
	// status and transcript answer queries. Nil: there is no worker.
	status     any
	transcript func(workflows.TranscriptQuery) workflows.Transcript
}

// put adds a run; a later one of the same id is the newer.
func (s *server) put(kind, id, run string, state enums.WorkflowExecutionStatus, change ...func(*execution)) *execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.putLocked(kind, id, run, state, change...)
}

func (s *server) putLocked(kind, id, run string, state enums.WorkflowExecutionStatus, change ...func(*execution)) *execution {
	e := &execution{info: &workflow.WorkflowExecutionInfo{
		Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run},
		Type:      &common.WorkflowType{Name: kind},
		Status:    state,
		StartTime: timestamppb.New(began),
		SearchAttributes: &common.SearchAttributes{
			IndexedFields: make(map[string]*common.Payload),
		},
	}}
	if state != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		e.info.CloseTime = timestamppb.New(began.Add(time.Minute))
	}
	for _, f := range change {
		f(e)
	}
	s.executions = append(s.executions, e)
	return e
}

func (e *execution) attribute(t *testing.T, name string, value any) {
	t.Helper()
	e.info.SearchAttributes.IndexedFields[name] = payload(t, value)
}

func payload(t *testing.T, value any) *common.Payload {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayload(value)
	require.NoError(t, err)
	return p
}

func payloads(t *testing.T, values ...any) *common.Payloads {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	require.NoError(t, err)
	return p
}

// find returns the run, or the newest one for an empty run.
func (s *server) find(id, run string) (*execution, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(id, run)
}

func (s *server) findLocked(id, run string) (*execution, error) {
	if s.down != nil {
		return nil, s.down
	}
	for _, e := range slices.Backward(s.executions) {
		if e.info.Execution.WorkflowId == id && (run == "" || e.info.Execution.RunId == run) {
			return e, nil
		}
	}
	return nil, serviceerror.NewNotFound("workflow not found for ID: " + id)
}

func (s *server) DescribeWorkflowExecution(_ context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looks++; s.describing != nil {
		s.describing(s.looks)
	}
	e, err := s.findLocked(id, run)
	if err != nil {
		return nil, err
	}
	p, err := converter.GetDefaultDataConverter().ToPayload(e.summary)
	if err != nil {
		return nil, err
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: proto.Clone(e.info).(*workflow.WorkflowExecutionInfo),
		ExecutionConfig:       &workflow.WorkflowExecutionConfig{UserMetadata: &sdk.UserMetadata{Summary: p}},
		PendingActivities:     e.pending,
	}, nil
}

// ListWorkflow evaluates the queries for prefixes; any other lists all.
func (s *server) ListWorkflow(_ context.Context, req *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, req.Query)
	if s.down != nil {
		return nil, s.down
	}
	var out []*workflow.WorkflowExecutionInfo
	for _, e := range s.executions {
		id := e.info.Execution.WorkflowId
		excluded := false
		for _, part := range strings.Split(req.Query, " AND ") {
			if prefix, ok := strings.CutPrefix(part, "WorkflowId NOT STARTS_WITH '"); ok {
				excluded = excluded || strings.HasPrefix(id, strings.TrimSuffix(prefix, "'"))
			}
		}
		kind := strings.Contains(req.Query, fmt.Sprintf("WorkflowType = '%s'", e.info.Type.Name))
		if wanted, ok := strings.CutPrefix(req.Query, "WorkflowId = '"); ok { // of one workflow, and of what is recorded about it
			wanted, _, _ = strings.Cut(wanted, "'")
			kind = id == wanted || strings.HasPrefix(id, workflows.ActPrefix(wanted))
		}
		open := !strings.Contains(req.Query, "ExecutionStatus = 'Running'") || e.info.Status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
		if !excluded && kind && open {
			out = append(out, e.info)
		}
	}
	from := 0
	if len(req.NextPageToken) > 0 {
		_, _ = fmt.Sscan(string(req.NextPageToken), &from)
	}
	to := min(from+int(req.PageSize), len(out))
	resp := &workflowservice.ListWorkflowExecutionsResponse{Executions: out[from:to]}
	if to < len(out) {
		resp.NextPageToken = fmt.Append(nil, to)
	}
	return resp, nil
}

func (s *server) CountWorkflow(_ context.Context, req *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, req.Query)
	if s.down != nil {
		return nil, s.down
	}
	if !strings.HasSuffix(req.Query, "GROUP BY ExecutionStatus") && !strings.Contains(req.Query, "needs_attention") {
		return &workflowservice.CountWorkflowExecutionsResponse{Count: s.stranded}, nil
	}
	if !strings.HasSuffix(req.Query, "GROUP BY ExecutionStatus") {
		return &workflowservice.CountWorkflowExecutionsResponse{Count: 1}, nil
	}
	groups := make(map[string]int64)
	for _, e := range s.executions {
		groups[e.info.Status.String()]++
	}
	resp := &workflowservice.CountWorkflowExecutionsResponse{Count: int64(len(s.executions))}
	for name, n := range groups {
		p, err := converter.GetDefaultDataConverter().ToPayload(name)
		if err != nil {
			return nil, err
		}
		resp.Groups = append(resp.Groups, &workflowservice.CountWorkflowExecutionsResponse_AggregationGroup{
			GroupValues: []*common.Payload{p}, Count: n,
		})
	}
	return resp, nil
}

func (s *server) QueryWorkflow(_ context.Context, id, run, name string, args ...any) (converter.EncodedValue, error) {
	e, err := s.find(id, run)
	if err != nil {
		return nil, err
	}
	var answer any
	switch {
	case name == workflows.QueryStatus && e.status != nil:
		answer = e.status
	case name == workflows.QueryTranscript && e.transcript != nil:
		answer = e.transcript(args[0].(workflows.TranscriptQuery))
	default:
		return nil, serviceerror.NewDeadlineExceeded("no poller seen for task queue recently")
	}
	p, err := converter.GetDefaultDataConverter().ToPayloads(answer)
	return client.NewValue(p), err
}

func (s *server) GetWorkflowHistory(_ context.Context, id, run string, _ bool, _ enums.HistoryEventFilterType) client.HistoryEventIterator {
	e, err := s.find(id, run)
	if err != nil {
		return &events{err: err}
	}
	return &events{left: e.events}
}

type events struct {
	left []*history.HistoryEvent
	err  error
}

func (e *events) HasNext() bool { return e.err != nil || len(e.left) > 0 }

func (e *events) Next() (*history.HistoryEvent, error) {
	if e.err != nil {
		err := e.err
		e.err = nil
		return nil, err
	}
	next := e.left[0]
	e.left = e.left[1:]
	return next, nil
}

func (s *server) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	answer, err := s.update(o)
	if err != nil {
		return nil, err
	}
	p, err := converter.GetDefaultDataConverter().ToPayloads(answer)
	return handle{value: client.NewValue(p)}, err
}

type handle struct {
	client.WorkflowUpdateHandle
	value converter.EncodedValue
}

func (h handle) Get(_ context.Context, into any) error { return h.value.Get(into) }

func newOperator(s *server) *operate.Operator {
	s.workers.Set(versions.Version{}, versions.Version{})
	return &operate.Operator{Client: s, Address: "localhost:7233", Namespace: "default", TaskQueue: "parley"}
}

const (
	running    = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	completed  = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	failed     = enums.WORKFLOW_EXECUTION_STATUS_FAILED
	terminated = enums.WORKFLOW_EXECUTION_STATUS_TERMINATED
	continued  = enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
)
