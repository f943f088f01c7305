package pulse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
)

// patch does what a person does with curl.
func patch(t testing.TB, b *bundle, id, body string) {
	t.Helper()
	call(t, b, http.MethodPatch, "/tasks/"+id, body)
}

func call(t testing.TB, b *bundle, method, path, body string) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+testKey)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, http.StatusOK, res.StatusCode)
	var out map[string]any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&out))
	return out
}

// TestManyAtOnce: more than fit into a poll, or onto a page of the list.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	for i := range 205 {
		b.Add(pulsetest.Schedule{At: noon, Type: []string{pulse.TypeRunAgent, pulse.TypeExecuteAgent}[i/200]})
	}
	all := b.assigned(t)
	require.Len(t, all, 205)
	distinct := map[string]bool{}
	for _, a := range all {
		distinct[a.Ref.ID] = true
		require.NoError(t, a.Ref.Validate())
		_, err := b.platform.Claim(t.Context(), a.Ref, platforms.Claim{Worker: "w-" + a.Ref.ID})
		require.NoError(t, err)
	}
	require.Len(t, distinct, 205)
	require.Empty(t, b.assigned(t))
	require.Len(t, b.Claims(""), 205)
}

func TestAssigned(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{}, func(c *pulse.Config) {
		c.Name, c.Types = "nightly", []string{"run_agent", "mine"}
	})
	payload := func(agent string) map[string]any { return map[string]any{"agent_id": agent, "entrypoint_tag": "go"} }
	late := b.Add(pulsetest.Schedule{At: noon.Add(-time.Second), Payload: payload("a")})
	early := b.Add(pulsetest.Schedule{At: noon.Add(-30 * time.Second), Payload: payload("b")})
	mine := b.Add(pulsetest.Schedule{At: noon, Type: "mine", Payload: map[string]any{"message": "hello"}})
	b.Add(pulsetest.Schedule{At: noon.Add(time.Second), Payload: payload("a")})
	b.Add(pulsetest.Schedule{At: noon, Type: "execute_agent", Payload: payload("a")})
	b.Add(pulsetest.Schedule{At: noon, Type: "mine", WebhookURL: "http://hook.example"}) // Pulse pushes it
	hooked := b.Add(pulsetest.Schedule{At: noon, WebhookURL: "http://hook.example", Payload: payload("c")})

	ids := func(agent string) (out []string) {
		all, err := b.platform.Assigned(t.Context(), "", agent)
		require.NoError(t, err)
		for _, a := range all {
			require.Equal(t, "nightly", a.Ref.Platform)
			require.Equal(t, agent, a.Ref.Agent)
			require.Empty(t, a.Ref.Project)
			out = append(out, a.Ref.Simulation)
		}
		return out
	}
	require.ElementsMatch(t, []string{early, late, mine, hooked}, ids(""))
	require.Equal(t, []string{early, late}, ids("")[:2], "the longest due come first")
	require.Equal(t, []string{late}, ids("a"))
	require.Equal(t, []string{early}, ids("b"))
	require.Empty(t, ids("d"))
}

// TestAssignedErrors: with an error comes what could be listed all the same.
func TestAssignedErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault pulsetest.Fault
		kind  conversation.Kind // empty: no error
		want  int
		lists int
	}{
		{"NoPoll", pulsetest.Fault{Op: pulsetest.OpPoll, Status: 500}, "", 1, 2}, // the other in two seconds, when the Date header shows that it is due
		{"PollTooOften", pulsetest.Fault{Op: pulsetest.OpPoll, Status: 429}, conversation.RateLimited, 0, 0},
		{"Nothing", pulsetest.Fault{Status: 500}, conversation.Unavailable, 0, 2},
		{"PollNotAllowed", pulsetest.Fault{Op: pulsetest.OpPoll, Status: 401}, conversation.Unauthorized, 0, 0},
		{"PollLost", pulsetest.Fault{Op: pulsetest.OpPoll, Lose: true}, conversation.Unavailable, 0, 0},
		{"NoList", pulsetest.Fault{Op: pulsetest.OpList, Status: 503}, conversation.Unavailable, 1, 2},
		{"OneListOfTwo", pulsetest.Fault{Op: pulsetest.OpList, Status: 429, Times: 1}, conversation.RateLimited, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{})
			b.Add(pulsetest.Schedule{})
			b.Add(pulsetest.Schedule{At: noon.Add(-2 * time.Second)}) // the minute before: not in the poll
			b.Fail(tt.fault)
			all, err := b.platform.Assigned(t.Context(), "", "")
			if tt.kind == "" {
				require.NoError(t, err)
			} else {
				isKind(t, tt.kind, err)
			}
			require.Len(t, all, tt.want)
			require.Equal(t, tt.lists, b.Requests(pulsetest.OpList))
		})
	}
}

// TestNext: Pulse lives in another year here, the answer is by our own clock.
func TestNext(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	require.Zero(t, b.platform.Next())
	in := func() time.Duration { b.assigned(t); return time.Until(b.platform.Next()) }
	require.InDelta(t, 5, in().Seconds(), 2, "as often as Pulse wants it")
	b.Add(pulsetest.Schedule{Delay: 30 * time.Second})
	require.InDelta(t, 5, in().Seconds(), 2, "what is due later changes nothing")
	b.clock.Advance(29 * time.Second)
	require.LessOrEqual(t, in(), time.Second, "it may be due any moment")
	b.clock.Advance(time.Second)
	require.Len(t, b.assigned(t), 1)
	require.InDelta(t, 5, in().Seconds(), 2)
}

// TestDueIsDue: the Date header is two seconds behind, and what Pulse calls due runs at
// once all the same, on whichever worker.
func TestDueIsDue(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	b.clock.Advance(57 * time.Second)
	polled := b.Add(pulsetest.Schedule{Delay: time.Second})
	b.clock.Advance(time.Second)
	ref := b.due(t)
	require.Equal(t, polled, ref.Simulation)
	receipt, err := b.another(t).Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
	require.NoError(t, err)
	require.NoError(t, b.platform.Report(t.Context(), ref, report(receipt)))
	require.Len(t, b.Acks(polled), 1)

	// No poll shows it in the next minute; the list does.
	listed := b.Add(pulsetest.Schedule{Delay: time.Second})
	later := b.Add(pulsetest.Schedule{Delay: 3 * time.Second})
	b.clock.Advance(2 * time.Second)
	require.Equal(t, listed, b.due(t).Simulation)
	b.claim(t, b.due(t), "w")
	require.Empty(t, b.assigned(t), "not a second before it is due")
	b.clock.Advance(time.Second)
	require.Equal(t, later, b.due(t).Simulation)
}

// TestAcknowledgedWhenDue: Pulse would run again what is acknowledged before its
// second, so a worker that knows no more than a late Date header waits.
func TestAcknowledgedWhenDue(t *testing.T) {
	t.Parallel()
	s := pulsetest.New(pulsetest.Config{Change: func(q *pulsetest.Quirks) { q.DateLag = 0 }})
	p := newPlatform(t, pulse.Config{URL: serve(t, s)})
	due := time.Now().Truncate(time.Second).Add(2 * time.Second)
	id := s.Add(pulsetest.Schedule{At: due})
	_, ok := s.ClaimAs(id, "parley-w")
	require.True(t, ok)
	ref := conversation.Ref{Platform: "pulse", Simulation: id, ID: fmt.Sprintf("%s@%d", id, due.Unix())}
	require.NoError(t, p.Report(t.Context(), ref, report(platforms.Receipt{Worker: "parley-w"})))
	require.Len(t, s.Acks(id), 1)
	require.False(t, s.Acks(id)[0].At.Before(due))
	task, _ := s.Task(id)
	require.Equal(t, pulse.StatusCompleted, task.Status)

	// One that is due much later is not waited for here.
	id = s.Add(pulsetest.Schedule{At: due.Add(time.Hour)})
	s.ClaimAs(id, "parley-w")
	ref.Simulation, ref.ID = id, fmt.Sprintf("%s@%d", id, due.Add(time.Hour).Unix())
	e := isKind(t, conversation.Unavailable, p.Report(t.Context(), ref, report(platforms.Receipt{Worker: "parley-w"})))
	require.Greater(t, e.RetryAfter, 50*time.Minute)
	require.Empty(t, s.Acks(id))
}

// TestRealTime: without a clock of its own, the stand-in has the machine's.
func TestRealTime(t *testing.T) {
	t.Parallel()
	s := pulsetest.New(pulsetest.Config{})
	p := newPlatform(t, pulse.Config{URL: serve(t, s)})
	id, later := s.Add(pulsetest.Schedule{}), s.Add(pulsetest.Schedule{Delay: time.Hour})
	all, err := p.Assigned(t.Context(), "", "")
	require.NoError(t, err)
	require.Len(t, all, 1)
	receipt, err := p.Claim(t.Context(), all[0].Ref, platforms.Claim{Worker: "w"})
	require.NoError(t, err)
	require.NoError(t, p.Report(t.Context(), all[0].Ref, report(receipt)))
	task, _ := s.Task(id)
	require.Equal(t, pulse.StatusCompleted, task.Status)
	task, _ = s.Task(later)
	require.Equal(t, pulse.StatusActive, task.Status)
}

func TestContext(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{}, func(c *pulse.Config) { c.ResultSummary = bytesOf(100) })
	id := b.Add(pulsetest.Schedule{
		Payload: map[string]any{
			"agent_id": "a-1", "entrypoint_tag": "go", "params": map[string]any{"topic": "tides"}, "timeout_seconds": 90,
		},
		Metadata: map[string]any{"executor_type": "local", "callback_url": "http://u:hush@other.example/x?token=hush"},
		Every:    time.Minute, WebhookURL: "https://u:hush@hook.example/results?token=hush#hush", WebhookTimeout: 12, WebhookRetries: 5,
	})
	ref := b.due(t)
	before, err := b.platform.Context(t.Context(), ref)
	require.NoError(t, err)
	five := 5
	metadata := `{"callback_url":"http://other.example/x","executor_type":"local","is_webhook":true,` +
		`"webhook_retries":5,"webhook_timeout":12,"webhook_url":"https://hook.example/results"}`
	require.JSONEq(t, metadata, string(before.Metadata))
	require.NotContains(t, string(before.Metadata), "hush")
	require.Equal(t, conversation.Context{
		Simulation: "run_agent a-1", AgentName: "a-1", Metadata: before.Metadata,
		Task: &conversation.Task{
			Type: "run_agent", Payload: before.Task.Payload, Metadata: before.Metadata, ScheduledFor: noon,
			Callback: &conversation.Callback{
				URL: "https://u:hush@hook.example/results?token=hush#hush", Timeout: 12 * time.Second, Retries: &five,
			},
			Timeout: 90 * time.Second,
		},
	}, before)
	run, err := before.Task.Run()
	require.NoError(t, err)
	require.Equal(t, "local", run.Executor)
	require.Equal(t, "a-1", run.AgentID)

	require.JSONEq(t, `{"topic":"tides"}`, string(before.Task.Message().Parts[0].Data))

	receipt := b.claim(t, ref, "w")
	b.ClaimAs(id, "naive")
	after, err := b.platform.Context(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, before, after, "claiming does not change the context")
	require.NoError(t, b.platform.Report(t.Context(), ref, report(receipt)))
	after, err = b.platform.Context(t.Context(), ref)
	isKind(t, conversation.Ended, err) // the occurrence is over, the task goes on
	require.Equal(t, before, after, "nor does a report")
}

func TestCallback(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		metadata map[string]any
		webhook  string
		want     *conversation.Callback
	}{
		{name: "None"},
		{name: "NoString", metadata: map[string]any{"callback_url": 5}},
		{name: "Blank", metadata: map[string]any{"callback_url": " "}},
		{name: "CallbackURL", metadata: map[string]any{"callback_url": "http://a.example"},
			want: &conversation.Callback{URL: "http://a.example"}},
		{name: "WebhookFirst", metadata: map[string]any{"callback_url": "http://a.example"}, webhook: "http://b.example",
			want: &conversation.Callback{URL: "http://b.example", Timeout: 30 * time.Second, Retries: ptr(3)}},
		{name: "NonsenseSettings", metadata: map[string]any{"callback_url": "http://a.example", "webhook_timeout": -1, "webhook_retries": -1},
			want: &conversation.Callback{URL: "http://a.example"}},
		{name: "NoRetries", metadata: map[string]any{"callback_url": "http://a.example", "webhook_timeout": 1e300, "webhook_retries": 0},
			want: &conversation.Callback{URL: "http://a.example", Timeout: 365 * 24 * time.Hour, Retries: ptr(0)}},
		{name: "TooManyRetries", metadata: map[string]any{"callback_url": "http://a.example", "webhook_timeout": 5, "webhook_retries": 1e30},
			want: &conversation.Callback{URL: "http://a.example", Timeout: 5 * time.Second, Retries: ptr(math.MaxInt16)}},
		{name: "PayloadDoesNotCount", metadata: map[string]any{"a": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{})
			b.Add(pulsetest.Schedule{
				Metadata: tt.metadata, WebhookURL: tt.webhook,
				Payload: map[string]any{"agent_id": "a", "webhook_url": "http://wrong.example", "callback_url": "http://wrong.example"},
			})
			got, err := b.platform.Context(t.Context(), b.due(t))
			require.NoError(t, err)
			require.Equal(t, tt.want, got.Task.Callback)
		})
	}
}

func ptr[T any](v T) *T { return &v }

// TestContextOfWhatIsOver: what Pulse does not run any more has ended.
func TestContextOfWhatIsOver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		do   func(b *bundle, id string)
		over string
	}{
		{"Waiting", func(*bundle, string) {}, ""},
		{"Paused", func(b *bundle, id string) { patch(t, b, id, `{"status":"paused"}`) }, ""},
		{"Open", func(b *bundle, id string) { b.ClaimAs(id, "x") }, ""},
		{"Completed", func(b *bundle, id string) { b.AckAs(id, "x", "") }, "it is completed"},
		{"Cancelled", func(b *bundle, id string) { b.Cancel(id) }, "it is cancelled"},
		{"Expired", func(b *bundle, _ string) { b.clock.Advance(time.Minute); b.Expire() }, "it has expired: no worker claimed it in time"},
		{"Failed", func(b *bundle, id string) { patch(t, b, id, `{"status":"failed"}`) }, "it has failed: its webhook could not be delivered"},
		{"Strange", func(b *bundle, id string) { patch(t, b, id, `{"status":"pondering"}`) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{})
			id := b.Add(pulsetest.Schedule{})
			ref := b.due(t)
			tt.do(b, id)
			got, err := b.platform.Context(t.Context(), ref)
			require.NotNil(t, got.Task)
			if tt.over == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, isKind(t, conversation.Ended, err).Err, tt.over)
		})
	}
}

func TestUnknownTask(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	ref := conversation.Ref{Platform: "pulse", Simulation: "no-such", ID: fmt.Sprintf("no-such@%d", noon.Unix())}
	_, err := b.platform.Context(t.Context(), ref)
	isKind(t, conversation.NotFound, err)
	_, err = b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
	isKind(t, conversation.NotFound, err)
}

func TestCancelledContext(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{})
	b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, claimErr := b.platform.Claim(ctx, ref, platforms.Claim{Worker: "w"})
	_, contextErr := b.platform.Context(ctx, ref)
	_, cancelledErr := b.platform.Cancelled(ctx, ref, platforms.Receipt{})
	_, assignedErr := b.platform.Assigned(ctx, "", "")
	_, openErr := b.platform.Open(ctx, "", "")
	for _, err := range []error{
		claimErr, contextErr, cancelledErr, assignedErr, openErr,
		b.platform.Report(ctx, ref, platforms.Report{}), b.platform.Check(ctx, "", ""),
	} {
		require.False(t, isKind(t, conversation.Unavailable, err).Ambiguous)
		require.ErrorIs(t, err, context.Canceled)
	}
}

// TestTimeout: no request outlasts its time, and a claim that was sent may have
// landed.
func TestTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t, pulsetest.Config{}, func(c *pulse.Config) { c.Timeout = 2 * time.Second })
	b.Add(pulsetest.Schedule{})
	ref := b.due(t)
	b.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Latency: time.Minute})
	_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
	require.True(t, isKind(t, conversation.Unavailable, err).Ambiguous)
	require.ErrorContains(t, err, "no answer within 2s")
}

func TestResultSummary(t *testing.T) {
	t.Parallel()
	long := `"` + strings.Repeat("x", 200) + `"`
	for _, tt := range []struct {
		name     string
		report   platforms.Report
		metadata map[string]any
		want     string
	}{
		{"Short", platforms.Report{Status: conversation.TaskSuccess, Result: json.RawMessage(`{"n":1}`)}, map[string]any{"team": "ocean"},
			`{"status":"success","result":{"n":1}}`},
		{"TooLong", platforms.Report{Status: conversation.TaskSuccess, Result: json.RawMessage(long)}, nil, `{"status":"success"}`},
		{"Failed", platforms.Report{Status: conversation.TaskFailed, Error: "no\nagent"}, nil, `{"status":"failed","error":"no agent"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{}, func(c *pulse.Config) { c.ResultSummary = bytesOf(100) })
			id := b.Add(pulsetest.Schedule{Metadata: tt.metadata})
			ref := b.due(t)
			tt.report.Receipt = b.claim(t, ref, "w")
			require.NoError(t, b.platform.Report(t.Context(), ref, tt.report))
			require.Equal(t, pulse.StatusCompleted, b.status(t, id))
			task, _ := b.Task(id)
			summary := task.Metadata["parley_result"].(map[string]any)
			require.Equal(t, tt.report.Receipt.ExecutionID, summary["execution_id"])
			require.EqualValues(t, strconv.FormatInt(noon.Unix(), 10), summary["scheduled_for"])
			delete(summary, "execution_id")
			delete(summary, "scheduled_for")
			got, err := json.Marshal(summary)
			require.NoError(t, err)
			require.JSONEq(t, tt.want, string(got))
			require.Equal(t, tt.report.Receipt.Worker, task.Metadata["locked_by"], "the rest stays")
			if tt.metadata != nil {
				require.Equal(t, "ocean", task.Metadata["team"])
			}
		})
	}
	t.Run("Off", func(t *testing.T) {
		t.Parallel()
		b := setup(t, pulsetest.Config{}, func(c *pulse.Config) { c.ResultSummary = bytesOf(0) })
		b.Add(pulsetest.Schedule{})
		ref := b.due(t)
		require.NoError(t, b.platform.Report(t.Context(), ref, report(b.claim(t, ref, "w"))))
		require.Zero(t, b.Requests(pulsetest.OpPatch))
	})
	t.Run("ANoteMayFail", func(t *testing.T) {
		t.Parallel()
		b := setup(t, pulsetest.Config{}, func(c *pulse.Config) { c.ResultSummary = bytesOf(100) })
		id := b.Add(pulsetest.Schedule{})
		ref := b.due(t)
		b.Fail(pulsetest.Fault{Op: pulsetest.OpPatch, Status: 500})
		require.NoError(t, b.platform.Report(t.Context(), ref, report(b.claim(t, ref, "w"))))
		require.Equal(t, pulse.StatusCompleted, b.status(t, id))
	})
}
