package pulsetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms/pulse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)

func setup(cfg pulsetest.Config) (*pulsetest.Server, *pulsetest.Clock) {
	clock := pulsetest.NewClock(noon)
	cfg.Clock = clock
	return pulsetest.New(cfg), clock
}

// call makes a request without a network.
func call(t testing.TB, h http.Handler, method, path, body string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func field(t testing.TB, object, name string) any {
	t.Helper()
	var all map[string]any
	require.NoError(t, json.Unmarshal([]byte(object), &all), object)
	return all[name]
}

// TestKey: the prefix is checked exactly, and some routes need no key.
func TestKey(t *testing.T) {
	t.Parallel()
	s, _ := setup(pulsetest.Config{Key: "k"})
	for header, want := range map[string]int{
		"Bearer k": 200, "bearer k": 401, "Bearer  k": 401, "k": 401, "Bearer wrong": 401, "": 401,
	} {
		status, _ := call(t, s, "GET", "/tasks", "", "Authorization", header)
		require.Equal(t, want, status, header)
	}
	for _, path := range []string{"/health", "/openapi.json"} {
		status, _ := call(t, s, "GET", path, "")
		require.Equal(t, 200, status)
	}
	free, _ := setup(pulsetest.Config{})
	status, _ := call(t, free, "GET", "/tasks", "", "Authorization", "nonsense")
	require.Equal(t, 200, status)
}

func TestScheduleRoute(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, when, more string
		status           int
		next             string
	}{
		{name: "Time", when: `{"type":"once","time":"2031-05-06T12:00:09Z"}`, status: 200, next: "2031-05-06T12:00:09Z"},
		{name: "NaiveTime", when: `{"type":"once","time":"2031-05-06T12:00:09"}`, status: 200, next: "2031-05-06T12:00:09Z"},
		{name: "Delay", when: `{"type":"once","delay":"90s"}`, status: 200, next: "2031-05-06T12:01:30Z"},
		{name: "Weeks", when: `{"type":"once","delay":"1w"}`, status: 200, next: "2031-05-13T12:00:00Z"},
		{name: "Recurring", when: `{"type":"recurring","delay":"5m","repeat":{"interval":"1h","times":5}}`, status: 200, next: "2031-05-06T12:05:00Z"},
		{name: "RecurringNow", when: `{"type":"recurring"}`, more: `,"repeat":{"interval":"1d"}`, status: 200, next: "2031-05-06T12:00:00Z"},
		{name: "Cron", when: `{"type":"cron","cron":"30 9 * * *"}`, status: 200, next: "2031-05-07T09:30:00Z"},
		{name: "Webhook", when: `{"type":"once","delay":"1s"}`, more: `,"webhook_url":"http://h.example","webhook_retries":0`, status: 200, next: "2031-05-06T12:00:01Z"},
		{name: "BadCron", when: `{"type":"cron","cron":"daily"}`, status: 400},
		{name: "Natural", when: `{"type":"once","natural":"in 5 minutes"}`, status: 200, next: "2031-05-06T12:05:00Z"},
		{name: "NaturalThatIsNotRead", when: `{"type":"once","natural":"daily at 9am"}`, status: 400},
		{name: "BadDelay", when: `{"type":"once","delay":"5 minutes"}`, status: 400},
		{name: "LongDelay", when: `{"type":"once","delay":"999999999999999w"}`, status: 400},
		{name: "BadTime", when: `{"type":"once","time":"noon"}`, status: 400},
		{name: "NoRepeat", when: `{"type":"recurring","delay":"1s"}`, status: 400},
		{name: "NoInterval", when: `{"type":"recurring","repeat":{"interval":"0s"}}`, status: 400},
		{name: "BadInterval", when: `{"type":"recurring","repeat":{"interval":"x"}}`, status: 400},
		{name: "UnknownType", when: `{"type":"never"}`, status: 400},
		{name: "BadTimeout", when: `{"type":"once","delay":"1s"}`, more: `,"webhook_timeout":0`, status: 400},
		{name: "BadRetries", when: `{"type":"once","delay":"1s"}`, more: `,"webhook_retries":-1`, status: 400},
		{name: "BadWebhook", when: `{"type":"once","delay":"1s"}`, more: `,"webhook_url":"ftp://h"`, status: 422},
		{name: "WhenIsText", when: `"in 5 minutes"`, status: 422},
		{name: "NoWhen", when: `null`, status: 422},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := setup(pulsetest.Config{})
			status, body := call(t, s, "POST", "/tasks/schedule", `{"schedule_type":"run_agent","payload":{"agent_id":"a"},"when":`+tt.when+tt.more+`}`)
			require.Equal(t, tt.status, status, body)
			if status != 200 {
				require.NotNil(t, field(t, body, "detail"))
				return
			}
			require.Equal(t, tt.next, field(t, body, "next_execution"))
			task, ok := s.Task(field(t, body, "task_id").(string))
			require.True(t, ok)
			require.Equal(t, pulse.StatusActive, task.Status)
			if tt.name == "Webhook" {
				require.Equal(t, map[string]any{
					"webhook_url": "http://h.example", "is_webhook": true, "webhook_timeout": 30, "webhook_retries": 3, "webhook_attempts": 0,
				}, task.Metadata)
			}
		})
	}
}

func TestFaultsOfRequests(t *testing.T) {
	t.Parallel()
	s, _ := setup(pulsetest.Config{})
	id := s.Add(pulsetest.Schedule{})
	for _, tt := range []struct {
		method, path, body string
		status             int
		header             []string
	}{
		{"GET", "/tasks/poll", "", 422, nil},
		{"GET", "/tasks/poll?types=a&limit=101", "", 422, nil},
		{"GET", "/tasks/poll?types=a", "", 500, []string{"ETag", "x"}},
		{"GET", "/tasks?limit=0", "", 422, nil},
		{"GET", "/tasks?limit=1001", "", 422, nil},
		{"GET", "/tasks/nobody", "", 404, nil},
		{"DELETE", "/tasks/nobody", "", 404, nil},
		{"POST", "/tasks/nobody/claim", `{"worker_id":"w"}`, 500, nil},
		{"POST", "/tasks/" + id + "/claim", `{}`, 422, nil},
		{"POST", "/tasks/" + id + "/claim", `{`, 422, nil},
		{"POST", "/tasks/" + id + "/ack", `{"status":"success"}`, 422, nil},
		{"POST", "/tasks/" + id + "/ack", `{"worker_id":"w"}`, 422, nil},
		{"POST", "/tasks/nobody/ack", `{"status":"success","worker_id":"w"}`, 404, nil},
		{"PATCH", "/tasks/" + id, `{"colour":"red"}`, 500, nil},
		{"PATCH", "/tasks/" + id, `{"status":5}`, 500, nil},
		{"GET", "/tasks/nobody/history", "", 200, nil},
		{"GET", "/dashboard", "", 404, nil},
	} {
		status, body := call(t, s, tt.method, tt.path, tt.body, tt.header...)
		require.Equal(t, tt.status, status, "%s %s: %s", tt.method, tt.path, body)
	}
	require.Empty(t, s.Claims(""))
}

// TestClaims: what each stage permits on a claimed task.
func TestClaims(t *testing.T) {
	t.Parallel()
	claim := func(s *pulsetest.Server, id, worker string) (int, string) {
		return call(t, s, "POST", "/tasks/"+id+"/claim", `{"worker_id":"`+worker+`"}`)
	}
	s, clock := setup(pulsetest.Config{Stage: pulse.StageA})
	id := s.Add(pulsetest.Schedule{})
	status, body := claim(s, id, "w1")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"status":"claimed"}`, body)
	status, body = claim(s, id, "w2")
	require.Equal(t, 500, status)
	require.Contains(t, body, "Internal error: ")
	clock.Advance(301 * time.Second)
	status, _ = claim(s, id, "w2")
	require.Equal(t, 200, status, "the lease is over")
	status, _ = call(t, s, "POST", "/tasks/"+id+"/ack", `{"status":"success","worker_id":"w1"}`)
	require.Equal(t, 409, status)

	s, _ = setup(pulsetest.Config{})
	id = s.Add(pulsetest.Schedule{})
	_, first := claim(s, id, "w1")
	status, second := claim(s, id, "w2")
	require.Equal(t, 200, status)
	task, _ := s.Task(id)
	require.Equal(t, "w2", task.Metadata["locked_by"])
	require.Equal(t, field(t, second, "execution_id"), task.Metadata["current_execution_id"])
	require.Equal(t, []any{field(t, second, "execution_id")}, task.Metadata["execution_ids"])
	require.NotEqual(t, field(t, first, "execution_id"), field(t, second, "execution_id"))
	require.True(t, s.Claims(id)[1].Parallel)
	status, _ = call(t, s, "POST", "/tasks/"+id+"/ack", `{"status":"success","worker_id":"w3"}`)
	require.Equal(t, 200, status, "anybody may acknowledge")
	status, _ = claim(s, id, "w4")
	require.Equal(t, 500, status, "it is completed")
}

// TestAcks: a second acknowledgement of a recurring task counts as another run; an early
// one has no effect.
func TestAcks(t *testing.T) {
	t.Parallel()
	ack := func(s *pulsetest.Server, id string) any {
		status, body := call(t, s, "POST", "/tasks/"+id+"/ack", `{"status":"success","worker_id":"w","execution_id":"e"}`)
		require.Equal(t, 200, status)
		return field(t, body, "next_execution")
	}
	s, clock := setup(pulsetest.Config{})
	id := s.Add(pulsetest.Schedule{Every: time.Minute, Times: 3})
	s.ClaimAs(id, "w")
	clock.Advance(150 * time.Second)
	require.Equal(t, "2031-05-06T12:03:00Z", ack(s, id), "what was missed is skipped")
	require.Equal(t, "2031-05-06T12:04:00Z", ack(s, id))
	require.Nil(t, ack(s, id))
	task, _ := s.Task(id)
	require.Equal(t, pulse.StatusCompleted, task.Status)
	require.Nil(t, ack(s, id))
	require.Len(t, s.History(id), 3)
	require.Len(t, s.Acks(id), 4)

	mended, _ := setup(pulsetest.Config{Change: func(q *pulsetest.Quirks) { q.RepeatedAcks = false }})
	id = mended.Add(pulsetest.Schedule{Every: time.Minute})
	require.Equal(t, ack(mended, id), ack(mended, id))

	at := s.Add(pulsetest.Schedule{At: s.Now().Add(30 * time.Second)})
	s.ClaimAs(at, "w")
	require.NotNil(t, ack(s, at), "once, at a given time: it comes again")
	cron := s.Add(pulsetest.Schedule{Cron: "0 * * * *"})
	require.Equal(t, "2031-05-06T13:00:00Z", ack(s, cron))
	delayed := s.Add(pulsetest.Schedule{Delay: time.Minute})
	require.Nil(t, ack(s, delayed))
	status, body := call(t, s, "GET", "/tasks/"+delayed+"/history", "")
	require.Equal(t, 200, status)
	require.Len(t, field(t, body, "history"), 1)
}

// TestResults: what the built-in worker stores cannot be read.
func TestResults(t *testing.T) {
	t.Parallel()
	for stage, want := range map[pulse.Stage][2]int{
		pulse.StageA: {404, 404}, pulse.StageA2: {404, 404}, pulse.StageB: {500, 404}, pulse.StageC: {500, 500},
	} {
		s, _ := setup(pulsetest.Config{Stage: stage})
		mine, stored := s.Add(pulsetest.Schedule{Type: "mine"}), s.Add(pulsetest.Schedule{})
		s.BuiltIn()
		for i, route := range []string{"/result", "/results"} {
			status, _ := call(t, s, "GET", "/tasks/"+stored+route, "")
			require.Equal(t, want[i], status, "%s %s", stage, route)
		}
		if want[0] != 404 {
			_, body := call(t, s, "GET", "/tasks/"+mine+"/result", "")
			require.JSONEq(t, `{"status":"pending"}`, body)
			s.AckAs(mine, "w", "e")
			_, body = call(t, s, "GET", "/tasks/"+mine+"/result", "")
			require.JSONEq(t, `{"status":"success","error":null}`, body)
		}
		status, _ := call(t, s, "GET", "/tasks/"+stored+"/history", "")
		require.Equal(t, stage == pulse.StageA2 || stage == pulse.StageB, status == 500)
	}
}

// TestRequeue: two PATCHes postpone a task; one is invisible to polls.
func TestRequeue(t *testing.T) {
	t.Parallel()
	s, clock := setup(pulsetest.Config{})
	polled := func() int {
		_, body := call(t, s, "GET", "/tasks/poll?types=run_agent", "")
		return len(field(t, body, "tasks").([]any))
	}
	id := s.Add(pulsetest.Schedule{})
	require.Equal(t, 1, polled())
	s.ClaimAs(id, "w")
	later := noon.Add(10 * time.Minute).Unix()
	call(t, s, "PATCH", "/tasks/"+id, fmt.Sprintf(`{"status":"active","next_execution":%d}`, later))
	clock.Advance(10 * time.Minute)
	require.Zero(t, polled())
	_, body := call(t, s, "GET", fmt.Sprintf("/tasks?status=active&start_time=%d&end_time=%d", later, later), "")
	require.Len(t, field(t, body, "tasks"), 1)
	call(t, s, "PATCH", "/tasks/"+id, fmt.Sprintf(`{"status":"paused","next_execution":%d}`, later))
	call(t, s, "PATCH", "/tasks/"+id, `{"status":"active"}`)
	require.Equal(t, 1, polled())
}

func TestRestart(t *testing.T) {
	t.Parallel()
	s, _ := setup(pulsetest.Config{})
	delayed := s.Add(pulsetest.Schedule{Delay: time.Hour})
	past := s.Add(pulsetest.Schedule{At: noon})
	later := s.Add(pulsetest.Schedule{At: noon.Add(time.Hour)})
	again := s.Add(pulsetest.Schedule{Every: time.Hour})
	cron := s.Add(pulsetest.Schedule{Cron: "0 13 * * *"})
	claimed := s.Add(pulsetest.Schedule{})
	s.ClaimAs(claimed, "w")
	s.Restart()
	for id, want := range map[string]string{
		delayed: "completed", past: "completed", later: "active", again: "active", cron: "active", claimed: "processing",
	} {
		task, _ := s.Task(id)
		require.Equal(t, want, task.Status)
		if want == "active" {
			require.Equal(t, noon.Add(time.Hour), task.Next)
		}
	}
	s.Delete(cron)
	_, ok := s.Task(cron)
	require.False(t, ok)
	require.Nil(t, s.History(cron))
}

// TestFaultsInTurn: faults are skipped, counted and cleared.
func TestFaultsInTurn(t *testing.T) {
	t.Parallel()
	s, _ := setup(pulsetest.Config{})
	get := func() int {
		status, _ := call(t, s, "GET", "/tasks", "")
		return status
	}
	s.Fail(pulsetest.Fault{Op: pulsetest.OpList, Skip: 1, Times: 2, Status: 503})
	require.Equal(t, []int{200, 503, 503, 200}, []int{get(), get(), get(), get()})
	s.Fail(pulsetest.Fault{Status: 500})
	require.Equal(t, []int{500, 500}, []int{get(), get()})
	s.ClearFaults()
	require.Equal(t, 200, get())
	require.Equal(t, 7, s.Requests(pulsetest.OpList))
}

// TestLostAnswer: the connection is closed after the work or before it.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		s, _ := setup(pulsetest.Config{})
		server := httptest.NewServer(s)
		id := s.Add(pulsetest.Schedule{})
		s.Fail(pulsetest.Fault{Op: pulsetest.OpClaim, Lose: true, After: after})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/tasks/"+id+"/claim", strings.NewReader(`{"worker_id":"w"}`))
		require.NoError(t, err)
		res, err := server.Client().Do(req)
		require.ErrorIs(t, err, io.EOF)
		require.Nil(t, res)
		require.Equal(t, after, len(s.Claims(id)) == 1)
		server.Close()
	}
}

// TestRun: with real time, tasks expire and the built-in worker works by
// themselves.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := pulsetest.New(pulsetest.Config{BuiltIn: true})
		stock, own := s.Add(pulsetest.Schedule{Delay: 5 * time.Second}), s.Add(pulsetest.Schedule{Type: "mine"})
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		status := func(id string) string {
			task, _ := s.Task(id)
			return task.Status
		}
		time.Sleep(11 * time.Second) // the bubble's clock
		synctest.Wait()
		require.Equal(t, pulse.StatusCompleted, status(stock))
		require.Equal(t, pulse.StatusActive, status(own))
		time.Sleep(50 * time.Second)
		synctest.Wait()
		require.Equal(t, pulse.StatusExpired, status(own))
		cancel()
		<-done
	})
}

func TestAddPanics(t *testing.T) {
	t.Parallel()
	s, _ := setup(pulsetest.Config{})
	require.Panics(t, func() { s.Add(pulsetest.Schedule{Cron: "daily"}) })
	require.Panics(t, func() { s.Add(pulsetest.Schedule{Payload: func() {}}) })
}
