package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/internal/telemetry/metricstest"
	"github.com/parley-run/parley/workflows"
)

// shownWorkflows is a Temporal visibility with fixed contents.
type shownWorkflows struct {
	mu      sync.Mutex
	counts  map[string]int64 // by the end of the query
	waiting []*workflow.WorkflowExecutionInfo
	inboxes []*workflow.WorkflowExecutionInfo
	more    bool // there are more that wait than a page has
	gone    bool
	queries []string
}

func (s *shownWorkflows) CountWorkflow(_ context.Context, r *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, r.GetQuery())
	if s.gone {
		return nil, errors.New("down")
	}
	for end, n := range s.counts {
		if strings.HasSuffix(r.GetQuery(), end) {
			return &workflowservice.CountWorkflowExecutionsResponse{Count: n}, nil
		}
	}
	return &workflowservice.CountWorkflowExecutionsResponse{}, nil
}

func (s *shownWorkflows) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, r.GetQuery())
	if s.gone {
		return nil, errors.New("down")
	}
	if strings.Contains(r.GetQuery(), "'"+workflows.InboxName+"'") {
		return &workflowservice.ListWorkflowExecutionsResponse{Executions: s.inboxes}, nil
	}
	out := &workflowservice.ListWorkflowExecutionsResponse{Executions: s.waiting}
	if s.more {
		out.NextPageToken = []byte("more")
	}
	return out, nil
}

// set changes what is read from now on.
func (s *shownWorkflows) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// asked has the queries up to now.
func (s *shownWorkflows) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

// shown is a workflow with search attributes: pairs of names and values.
func shown(t *testing.T, pairs ...any) *workflow.WorkflowExecutionInfo {
	t.Helper()
	fields := make(map[string]*commonpb.Payload)
	for i := 0; i < len(pairs); i += 2 {
		p, err := converter.GetDefaultDataConverter().ToPayload(pairs[i+1])
		require.NoError(t, err)
		fields[pairs[i].(string)] = p
	}
	return &workflow.WorkflowExecutionInfo{SearchAttributes: &commonpb.SearchAttributes{IndexedFields: fields}}
}

func TestOverview(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		parked := func(platform, kind string) *workflow.WorkflowExecutionInfo {
			return shown(t, "ParleyPlatform", platform, "ParleyStatus", "needs_attention", "ParleyReason", []string{kind}, "ParleySince", begin)
		}
		approval := func(since time.Time) *workflow.WorkflowExecutionInfo {
			return shown(t, "ParleyPlatform", "one", "ParleyStatus", "needs_approval", "ParleySince", since)
		}
		temporal := &shownWorkflows{
			counts: map[string]int64{"ParleyPlatform = 'one'": 12, "ParleyPlatform = 'direct'": 3},
			waiting: []*workflow.WorkflowExecutionInfo{
				parked("one", "Unavailable"), parked("one", "Unavailable"), parked("two", "Unauthorized"),
				approval(begin.Add(-time.Minute)), approval(begin.Add(-time.Hour)),
				shown(t, "ParleyPlatform", "two", "ParleyStatus", "needs_approval"), // of an earlier version
			},
			inboxes: []*workflow.WorkflowExecutionInfo{shown(t, "ParleyPlatform", "one", "ParleyAgent", "ag_1", "ParleyStatus", "paused")},
		}
		provider, reader := metricstest.Manual()
		v := &Overview{Temporal: temporal, TaskQueue: "q's", Platforms: platformNames(map[string]int{"one": 1})}
		stop, err := v.watch(t.Context(), provider.Meter("test"))
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, temporal.asked(), "a worker that ends at once asks nothing")
		time.Sleep(2 * firstLook)
		synctest.Wait()
		for name, want := range map[string]map[string]float64{
			"parley.conversations.open":   {"platform=one": 12, "platform=direct": 3},
			"parley.conversations.parked": {"kind=Unavailable,platform=one": 2, "kind=Unauthorized,platform=two": 1},
			"parley.approvals.waiting":    {"platform=one": 2, "platform=two": 1},
			"parley.approvals.age":        {"platform=one": 3600 + 2*firstLook.Seconds()},
			"parley.inbox.state":          {"agent=ag_1,platform=one,state=paused": 1},
		} {
			require.Equal(t, want, metricstest.Values(t, reader, name), name)
		}
		require.Len(t, temporal.asked(), 4, "one for each platform and two more")
		for _, query := range temporal.asked() {
			require.Contains(t, query, `TaskQueue = 'q\'s'`)
			require.Contains(t, query, "ExecutionStatus = 'Running'")
		}

		// What is beyond a page counts, without its kind.
		temporal.set(func() {
			temporal.more = true
			temporal.counts["ParleyStatus = 'needs_attention'"], temporal.counts["ParleyStatus = 'needs_approval'"] = 1003, 3
		})
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		require.Equal(t, map[string]float64{"kind=Unavailable,platform=one": 2, "kind=Unauthorized,platform=two": 1, "kind=other,platform=other": 1000},
			metricstest.Values(t, reader, "parley.conversations.parked"))
		require.Equal(t, map[string]float64{"platform=one": 2, "platform=two": 1}, metricstest.Values(t, reader, "parley.approvals.waiting"))

		// What cannot be read any more is not exported for ever.
		temporal.set(func() { temporal.gone = true })
		time.Sleep(lookEvery)
		synctest.Wait()
		require.NotEmpty(t, metricstest.Values(t, reader, "parley.conversations.open"), "one failure changes nothing")
		time.Sleep(lookKept)
		synctest.Wait()
		require.Empty(t, metricstest.Values(t, reader, "parley.conversations.open"))
		temporal.set(func() { temporal.gone = false })
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		require.NotEmpty(t, metricstest.Values(t, reader, "parley.conversations.open"))
		stop()
		require.Empty(t, metricstest.Values(t, reader, "parley.conversations.open"), "a provider that outlives the worker")
	})
}

func TestThePageHasEveryMetricOfTheProcess(t *testing.T) {
	t.Parallel()
	provider, reader := metricstest.Manual()
	v := &Overview{Temporal: &shownWorkflows{
		waiting: []*workflow.WorkflowExecutionInfo{
			shown(t, "ParleyPlatform", "p", "ParleyStatus", "needs_attention", "ParleyReason", []string{"k"}),
			shown(t, "ParleyPlatform", "p", "ParleyStatus", "needs_approval", "ParleySince", time.Now()),
		},
		inboxes: []*workflow.WorkflowExecutionInfo{shown(t, "ParleyPlatform", "p", "ParleyAgent", "a", "ParleyStatus", "polling")},
	}, Platforms: []string{"p"}}
	_, err := v.Register(provider.Meter("test"))
	require.NoError(t, err)
	v.Read(t.Context())
	require.Len(t, metricstest.Compare(t, "../..", metricstest.Recorded(t, reader)), 5)
}

func TestOverviewNamesMakeNoSeriesWithoutEnd(t *testing.T) {
	t.Parallel()
	provider, reader := metricstest.Manual()
	temporal := &shownWorkflows{}
	v := &Overview{Temporal: temporal}
	for i := range 10_000 {
		name := fmt.Sprint("name ", i)
		v.Platforms = append(v.Platforms, name)
		temporal.waiting = append(temporal.waiting,
			shown(t, "ParleyPlatform", name, "ParleyStatus", "needs_attention", "ParleyReason", []string{name}),
			shown(t, "ParleyPlatform", name, "ParleyStatus", "needs_approval", "ParleySince", time.Now()))
		temporal.inboxes = append(temporal.inboxes, shown(t, "ParleyPlatform", name, "ParleyAgent", name, "ParleyStatus", name))
	}
	_, err := v.Register(provider.Meter("test"))
	require.NoError(t, err)
	v.Read(t.Context())
	require.Len(t, metricstest.Recorded(t, reader), 5)
	sum := 0.0
	for _, n := range metricstest.Values(t, reader, "parley.conversations.parked") {
		sum += n
	}
	require.EqualValues(t, 10_000, sum, "none is lost")
}
