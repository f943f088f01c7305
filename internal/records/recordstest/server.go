// Package recordstest is a Temporal server in memory that holds the executions of a test,
// and makes histories as the SDK records them.
package recordstest

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

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/internal/versions/versionstest"
	"github.com/parley-run/parley/workflows"
)

// Began is when the fake's workflows start.
var Began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A Server is a Temporal that holds the executions of a test.
type Server struct {
	client.Client // nil: an unexpected call panics
	// workers are those of every task queue. Without a call of Set there are none.
	Workers  versionstest.Service
	Stranded int64 // how many visibility counts

	mu         sync.Mutex
	Executions []*Execution
	Queries    []string // visibility queries, in order
	// down makes every request fail.
	Down error
	// update answers updates.
	Update func(client.UpdateWorkflowOptions) (any, error)
	// describing is called, under the lock, before each description, with their count.
	Describing func(n int)
	looks      int
}

func (s *Server) WorkflowService() workflowservice.WorkflowServiceClient { return &s.Workers }

// An Execution is one run of a workflow.
type Execution struct {
	Info    *workflow.WorkflowExecutionInfo
	Summary string
	Pending []*workflow.PendingActivityInfo
	Events  []*history.HistoryEvent
	// status and transcript answer queries. Nil: there is no worker.
	Status     any
	Transcript func(workflows.TranscriptQuery) workflows.Transcript
}

// Put adds a run; a later one of the same id is the newer.
func (s *Server) Put(kind, id, run string, state enums.WorkflowExecutionStatus, change ...func(*Execution)) *Execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.PutLocked(kind, id, run, state, change...)
}

func (s *Server) PutLocked(kind, id, run string, state enums.WorkflowExecutionStatus, change ...func(*Execution)) *Execution {
	e := &Execution{Info: &workflow.WorkflowExecutionInfo{
		Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run},
		Type:      &common.WorkflowType{Name: kind},
		Status:    state,
		StartTime: timestamppb.New(Began),
		SearchAttributes: &common.SearchAttributes{
			IndexedFields: make(map[string]*common.Payload),
		},
	}}
	if state != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		e.Info.CloseTime = timestamppb.New(Began.Add(time.Minute))
	}
	for _, f := range change {
		f(e)
	}
	s.Executions = append(s.Executions, e)
	return e
}

func (e *Execution) Attribute(t *testing.T, name string, value any) {
	t.Helper()
	e.Info.SearchAttributes.IndexedFields[name] = Payload(t, value)
}

func Payload(t *testing.T, value any) *common.Payload {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayload(value)
	require.NoError(t, err)
	return p
}

func Payloads(t *testing.T, values ...any) *common.Payloads {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	require.NoError(t, err)
	return p
}

// find returns the run, or the newest one for an empty run.
func (s *Server) find(id, run string) (*Execution, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(id, run)
}

func (s *Server) findLocked(id, run string) (*Execution, error) {
	if s.Down != nil {
		return nil, s.Down
	}
	for _, e := range slices.Backward(s.Executions) {
		if e.Info.Execution.WorkflowId == id && (run == "" || e.Info.Execution.RunId == run) {
			return e, nil
		}
	}
	return nil, serviceerror.NewNotFound("workflow not found for ID: " + id)
}

func (s *Server) DescribeWorkflowExecution(_ context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looks++; s.Describing != nil {
		s.Describing(s.looks)
	}
	e, err := s.findLocked(id, run)
	if err != nil {
		return nil, err
	}
	p, err := converter.GetDefaultDataConverter().ToPayload(e.Summary)
	if err != nil {
		return nil, err
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: proto.Clone(e.Info).(*workflow.WorkflowExecutionInfo),
		ExecutionConfig:       &workflow.WorkflowExecutionConfig{UserMetadata: &sdk.UserMetadata{Summary: p}},
		PendingActivities:     e.Pending,
	}, nil
}

// ListWorkflow evaluates the queries for prefixes; any other lists all.
func (s *Server) ListWorkflow(_ context.Context, req *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Queries = append(s.Queries, req.Query)
	if s.Down != nil {
		return nil, s.Down
	}
	var out []*workflow.WorkflowExecutionInfo
	for _, e := range s.Executions {
		id := e.Info.Execution.WorkflowId
		excluded := false
		for _, part := range strings.Split(req.Query, " AND ") {
			if prefix, ok := strings.CutPrefix(part, "WorkflowId NOT STARTS_WITH '"); ok {
				excluded = excluded || strings.HasPrefix(id, strings.TrimSuffix(prefix, "'"))
			}
		}
		kind := strings.Contains(req.Query, fmt.Sprintf("WorkflowType = '%s'", e.Info.Type.Name))
		if wanted, ok := strings.CutPrefix(req.Query, "WorkflowId = '"); ok { // of one workflow, and of what is recorded about it
			wanted, _, _ = strings.Cut(wanted, "'")
			kind = id == wanted || strings.HasPrefix(id, workflows.ActPrefix(wanted))
		}
		open := !strings.Contains(req.Query, "ExecutionStatus = 'Running'") || e.Info.Status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
		if !excluded && kind && open {
			out = append(out, e.Info)
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

func (s *Server) CountWorkflow(_ context.Context, req *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Queries = append(s.Queries, req.Query)
	if s.Down != nil {
		return nil, s.Down
	}
	if !strings.HasSuffix(req.Query, "GROUP BY ExecutionStatus") && !strings.Contains(req.Query, "needs_attention") {
		return &workflowservice.CountWorkflowExecutionsResponse{Count: s.Stranded}, nil
	}
	if !strings.HasSuffix(req.Query, "GROUP BY ExecutionStatus") {
		return &workflowservice.CountWorkflowExecutionsResponse{Count: 1}, nil
	}
	groups := make(map[string]int64)
	for _, e := range s.Executions {
		groups[e.Info.Status.String()]++
	}
	resp := &workflowservice.CountWorkflowExecutionsResponse{Count: int64(len(s.Executions))}
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

func (s *Server) QueryWorkflow(_ context.Context, id, run, name string, args ...any) (converter.EncodedValue, error) {
	e, err := s.find(id, run)
	if err != nil {
		return nil, err
	}
	var answer any
	switch {
	case name == workflows.QueryStatus && e.Status != nil:
		answer = e.Status
	case name == workflows.QueryTranscript && e.Transcript != nil:
		answer = e.Transcript(args[0].(workflows.TranscriptQuery))
	default:
		return nil, serviceerror.NewDeadlineExceeded("no poller seen for task queue recently")
	}
	p, err := converter.GetDefaultDataConverter().ToPayloads(answer)
	return client.NewValue(p), err
}

func (s *Server) GetWorkflowHistory(_ context.Context, id, run string, _ bool, _ enums.HistoryEventFilterType) client.HistoryEventIterator {
	e, err := s.find(id, run)
	if err != nil {
		return &events{err: err}
	}
	return &events{left: e.Events}
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

func (s *Server) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	answer, err := s.Update(o)
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

// NewReader returns a reader of the server, whose task queue has a worker without
// versioning.
func (s *Server) NewReader() *records.Reader {
	s.Workers.Set(versions.Version{}, versions.Version{})
	return &records.Reader{Client: s, Address: "localhost:7233", Namespace: "default", TaskQueue: "parley"}
}

// Fail makes every request fail from now on. Nil: none.
func (s *Server) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Down = err
}

// LastQuery is the newest visibility query.
func (s *Server) LastQuery() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Queries[len(s.Queries)-1]
}

// Remove removes the runs of a workflow.
func (s *Server) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Executions = slices.DeleteFunc(s.Executions, func(e *Execution) bool { return e.Info.GetExecution().GetWorkflowId() == id })
}

// The states of executions.
const (
	Running    = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	Completed  = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	Failed     = enums.WORKFLOW_EXECUTION_STATUS_FAILED
	Terminated = enums.WORKFLOW_EXECUTION_STATUS_TERMINATED
	Continued  = enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
)
