package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/health"
	"github.com/parley-run/parley/workflows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Temporal with one inbox.
type fake struct {
	down      error
	missing   bool
	status    enums.WorkflowExecutionStatus // zero: running
	state     workflows.InboxState
	attention *workflows.Attention
	poll      *activities.PollStatus
	failure   string
	idle      bool // between two polls
	asked     int
}

func (f *fake) CheckHealth(context.Context, *client.CheckHealthRequest) (*client.CheckHealthResponse, error) {
	f.asked++
	return &client.CheckHealthResponse{}, f.down
}

func (f *fake) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if f.missing {
		return nil, serviceerror.NewNotFound("workflow not found: " + id)
	}
	status := f.status
	if status == 0 {
		status = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	info := &workflow.WorkflowExecutionInfo{Status: status}
	if f.state != "" {
		payload, err := converter.GetDefaultDataConverter().ToPayload(string(f.state))
		if err != nil {
			return nil, err
		}
		info.SearchAttributes = &common.SearchAttributes{IndexedFields: map[string]*common.Payload{workflows.KeyStatus.GetName(): payload}}
	}
	out := &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}
	if f.idle {
		return out, nil
	}
	pending := &workflow.PendingActivityInfo{ActivityType: &common.ActivityType{Name: activities.PollName}}
	if f.poll != nil {
		details, err := converter.GetDefaultDataConverter().ToPayloads(f.poll)
		if err != nil {
			return nil, err
		}
		pending.HeartbeatDetails = details
	}
	if f.failure != "" {
		pending.LastFailure = &failurepb.Failure{Message: f.failure}
	}
	out.PendingActivities = []*workflow.PendingActivityInfo{pending}
	return out, nil
}

func (f *fake) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	if f.attention == nil {
		return nil, errors.New("no worker")
	}
	return encoded{workflows.InboxStatus{Attention: f.attention}}, nil
}

type encoded struct{ status workflows.InboxStatus }

func (e encoded) HasValue() bool { return true }
func (e encoded) Get(into any) error {
	*into.(*workflows.InboxStatus) = e.status
	return nil
}

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

var inboxes = []workflows.InboxInput{{
	Platform: "onerun", Project: "p", Agent: "a",
	Settings: workflows.InboxSettings{AgentName: "support", Interval: 2 * time.Second},
}}

func polled(ago time.Duration, lastError string) *activities.PollStatus {
	return &activities.PollStatus{Open: 2, Waiting: 1, LastPoll: now.Add(-ago), LastError: lastError, Worker: "w1"}
}

func TestReady(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		fake    fake
		inboxes []workflows.InboxInput
		ready   bool
		reasons []string
	}{
		{"Polling", fake{poll: polled(time.Second, "")}, inboxes, true, nil},
		{"OnlyActivities", fake{}, nil, true, nil},
		{"NoTemporal", fake{down: errors.New("connection refused")}, inboxes, false, []string{"Temporal does not answer: connection refused"}},
		{"NoInbox", fake{missing: true}, inboxes, false, []string{"support: its inbox has not been started"}},
		{"JustStarted", fake{}, inboxes, false, []string{"support: no poll has succeeded yet"}},
		{"NeverPolled", fake{poll: &activities.PollStatus{}}, inboxes, false, []string{"support: no poll has succeeded yet"}},
		{"AttemptFailed", fake{failure: "platform unknown"}, inboxes, false, []string{"support: no poll has succeeded yet: platform unknown"}},
		{"PollFailed", fake{poll: polled(time.Second, "401 Unauthorized")}, inboxes, false, []string{"support: the last poll failed: 401 Unauthorized"}},
		{"Late", fake{poll: polled(31*time.Second, "")}, inboxes, false, []string{"support: the last poll was 31s ago"}},
		{"NotYetLate", fake{poll: polled(30*time.Second, "")}, inboxes, true, nil},
		{"Paused", fake{state: workflows.InboxPaused, attention: &workflows.Attention{Reason: "paused: lunch"}}, inboxes, true, []string{"support: its inbox is paused: lunch"}},
		{"NeedsAttention", fake{state: workflows.InboxNeedsAttention, attention: &workflows.Attention{Reason: "wrong key", Remedy: "set it"}},
			inboxes, false, []string{"support: its inbox needs attention: wrong key (set it)"}},
		{"NobodyToAsk", fake{state: workflows.InboxNeedsAttention}, inboxes, false, []string{"support: its inbox needs attention: see its workflow in Temporal"}},
		{"Stopped", fake{status: enums.WORKFLOW_EXECUTION_STATUS_COMPLETED}, inboxes, true,
			[]string{"support: its inbox is not running (Completed); the next worker to start restarts it"}},
		{"Terminated", fake{status: enums.WORKFLOW_EXECUTION_STATUS_TERMINATED}, inboxes, false,
			[]string{"support: its inbox is not running (Terminated); the next worker to start restarts it"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checker := health.NewChecker(health.Config{Temporal: &c.fake, Inboxes: c.inboxes, Now: func() time.Time { return now }})
			rec := httptest.NewRecorder()
			checker.Handler(nil).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
			want := http.StatusOK
			if !c.ready {
				want = http.StatusServiceUnavailable
			}
			require.Equal(t, want, rec.Code)
			var report health.Report
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &report))
			require.Equal(t, c.ready, report.Ready)
			require.Equal(t, c.reasons, report.Reasons)
		})
	}
}

func TestAskedOnceASecond(t *testing.T) {
	t.Parallel()
	clock := now
	f := &fake{poll: polled(0, "")}
	checker := health.NewChecker(health.Config{Temporal: f, Inboxes: inboxes, Now: func() time.Time { return clock }})
	for range 5 {
		require.True(t, checker.Check(t.Context()).Ready)
	}
	require.Equal(t, 1, f.asked)
	clock = clock.Add(time.Second)
	f.down = errors.New("gone")
	require.False(t, checker.Check(t.Context()).Ready)
	require.Equal(t, 2, f.asked)
}

func TestBetweenTwoPolls(t *testing.T) {
	t.Parallel()
	clock := now
	f := &fake{poll: polled(0, "")}
	checker := health.NewChecker(health.Config{Temporal: f, Inboxes: inboxes, Now: func() time.Time { return clock }})
	require.True(t, checker.Check(t.Context()).Ready)
	f.idle = true
	clock = clock.Add(20 * time.Second)
	report := checker.Check(t.Context())
	require.True(t, report.Ready)
	require.Equal(t, "w1", report.Inboxes[0].Worker)
	clock = clock.Add(20 * time.Second)
	require.False(t, checker.Check(t.Context()).Ready)
}

func TestDraining(t *testing.T) {
	t.Parallel()
	checker := health.NewChecker(health.Config{Temporal: &fake{}})
	checker.Drain()
	report := checker.Check(t.Context())
	require.False(t, report.Ready)
	require.Equal(t, []string{"the worker is draining"}, report.Reasons)
}

func TestServe(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "numbers") })
	handler := health.NewChecker(health.Config{Temporal: &fake{}}).Handler(metrics)
	server, err := health.Serve(t.Context(), "127.0.0.1:0", handler, quiet)
	require.NoError(t, err)
	defer server.Close()
	transport := &http.Transport{DisableKeepAlives: true}
	for path, want := range map[string]string{"/healthz": "ok\n", "/metrics": "numbers"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Addr()+path, http.NoBody)
		require.NoError(t, err)
		res, err := transport.RoundTrip(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, string(body))
	}
	_, err = health.Serve(t.Context(), server.Addr(), handler, quiet)
	require.ErrorContains(t, err, "is in use, perhaps by another worker (choose another with --health-addr")
	_, err = health.Serve(t.Context(), "nowhere", handler, quiet)
	require.ErrorContains(t, err, `health: cannot listen at "nowhere"`)
}

// A worker that gets no work because of its version is ready as long as others get it.
func TestWorkOfTheVersion(t *testing.T) {
	t.Parallel()
	c := health.NewChecker(health.Config{Temporal: &fake{}, Now: func() time.Time { return now }})
	detail, works := "", true
	c.Follow(func() (string, bool) { return detail, works })
	require.Equal(t, health.Report{Ready: true, Checked: now, Inboxes: []health.Inbox{}}, c.Check(t.Context()))
	for _, tt := range []struct {
		detail string
		works  bool
	}{{"version b is not current", true}, {"version b is not current, and a has no workers", false}} {
		detail, works = tt.detail, tt.works
		c.Connected(&fake{}, "", nil, nil) // forgets the last report
		require.Equal(t, health.Report{Ready: tt.works, Reasons: []string{tt.detail}, Checked: now, Inboxes: []health.Inbox{}}, c.Check(t.Context()))
	}
}

// A new version's workers are ready before anything makes the version current: until then
// no inbox of the agent polls, and no version gets the work.
func TestReadyOfTheWorkerAlone(t *testing.T) {
	t.Parallel()
	unreachable := errors.New("no connection")
	f := &fake{} // an inbox that has not polled
	c := health.NewChecker(health.Config{
		Temporal: f, Inboxes: inboxes, Now: func() time.Time { return now },
		Connections: []health.Connection{{Name: "engine", Err: func() error { return unreachable }}},
	})
	ask := func(query string) (int, health.Report) {
		t.Helper()
		c.Connected(f, "", nil, inboxes) // forgets the last report
		rec := httptest.NewRecorder()
		c.Handler(nil).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/readyz"+query, http.NoBody))
		var report health.Report
		if rec.Code != http.StatusBadRequest {
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &report))
		}
		return rec.Code, report
	}
	code, report := ask("?scope=worker")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, []string{"engine: no connection", "the worker has not begun to work yet"}, report.Reasons)

	c.Follow(func() (string, bool) { return "no version is current", false })
	unreachable = nil
	code, report = ask("?scope=worker")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, health.Report{Ready: true, Checked: now}, report)
	code, report = ask("")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, []string{"support: no poll has succeeded yet", "no version is current"}, report.Reasons)

	f.down = errors.New("connection refused")
	code, _ = ask("?scope=worker")
	require.Equal(t, http.StatusServiceUnavailable, code)
	f.down = nil
	code, _ = ask("?scope=galaxy")
	require.Equal(t, http.StatusBadRequest, code)
	c.Drain()
	code, _ = ask("?scope=worker")
	require.Equal(t, http.StatusServiceUnavailable, code)
}
