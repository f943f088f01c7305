package pulse_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
)

// always is a client of a server that answers every request alike.
func always(t testing.TB, status int, header map[string]string, body string) *pulse.Client {
	t.Helper()
	return newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})))
}

func newClient(t testing.TB, url string) *pulse.Client {
	t.Helper()
	c, err := pulse.NewClient(pulse.ClientConfig{URL: url, Key: key(testKey), Timeout: 10 * time.Second})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// TestErrors: the kind of every answer, for something read and something written.
func TestErrors(t *testing.T) {
	t.Parallel()
	type outcome struct {
		kind             conversation.Kind
		landed, answered bool // of something written
		after            time.Duration
		want             string
	}
	for _, tt := range []struct {
		name   string
		status int
		header map[string]string
		body   string
		outcome
	}{
		{"BadRequest", 400, nil, `{"detail":"could not parse"}`, outcome{kind: conversation.Invalid, want: "400 Bad Request: “could not parse”"}},
		{"Unauthorized", 401, nil, `{"detail":"Wrong API key"}`, outcome{kind: conversation.Unauthorized, want: "Wrong API key"}},
		{"Forbidden", 403, nil, `{"detail":"Not allowed"}`, outcome{kind: conversation.Unauthorized, want: "PULSE_API_KEY"}},
		{"ForbiddenByAnother", 403, nil, `{}`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "not Pulse's own answer"}},
		{"KeyOfAProxy", 401, nil, `{"error":"login required"}`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "not Pulse's own answer"}},
		{"KeyAskedForByAPage", 401, map[string]string{"Content-Type": "text/html"}, `<html>login</html>`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "a web page"}},
		{"NotFoundText", 404, map[string]string{"Content-Type": "text/plain"}, `404 page not found`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "not Pulse's own answer"}},
		{"NotFoundPage", 404, map[string]string{"Content-Type": "text/html"}, `<html>nginx</html>`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "a web page"}},
		{"NotFoundEmpty", 404, nil, ``, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "not Pulse's own answer"}},
		{"NotFoundByAnother", 404, nil, `{"detail":"Not Found"}`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "not Pulse's own answer"}},
		{"NotFoundInAnotherShape", 404, nil, `{"message":"no route","detail":"x"}`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "not Pulse's own answer"}},
		{"BadRequestByAnother", 400, nil, `Bad Request`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "not Pulse's own answer"}},
		{"ConflictByAnother", 409, nil, `[]`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "not Pulse's own answer"}},
		{"Null", 200, nil, `null`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "null"}},
		{"NoFields", 200, nil, `{}`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "the answer"}},
		{"AnErrorWithSuccess", 200, nil, `{"error":"try later"}`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "the answer lacks"}},
		{"NullFields", 200, nil, `{"tasks":null,"id":null,"status":null,"history":null}`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "the answer"}},
		{"NotFound", 404, nil, `{"detail":"Task not found"}`, outcome{kind: conversation.NotFound, want: "Task not found"}},
		{"Timeout", 408, nil, ``, outcome{kind: conversation.Unavailable, landed: true, want: "408"}},
		{"Conflict", 409, nil, `{"detail":"locked"}`, outcome{kind: conversation.Invalid, want: "409 Conflict: “locked”"}},
		{"Validation", 422, nil, `{"detail":[{"loc":["query","limit"],"msg":"too large","type":"x","input":"hush"},{"loc":[],"msg":"odd"}]}`,
			outcome{kind: conversation.Invalid, want: "query.limit: too large; odd"}},
		{"TooMany", 429, map[string]string{"Retry-After": "3"}, ``, outcome{kind: conversation.RateLimited, after: 3 * time.Second, want: "429"}},
		{"TooManyUntil", 429, map[string]string{"Date": "Tue, 06 May 2031 12:00:00 GMT", "Retry-After": "Tue, 06 May 2031 12:00:09 GMT"}, ``,
			outcome{kind: conversation.RateLimited, after: 9 * time.Second, want: "429"}},
		{"Internal", 500, nil, `{"detail":"Internal error: x"}`,
			outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "Internal error: x"}},
		{"InternalText", 500, map[string]string{"Content-Type": "text/plain"}, `Internal Server Error`,
			outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "500 Internal Server Error"}},
		{"Gateway", 502, map[string]string{"Content-Type": "text/html"}, `<html>nginx</html>`,
			outcome{kind: conversation.Unavailable, landed: true, want: "502 Bad Gateway: “a web page”"}},
		{"Down", 503, map[string]string{"Retry-After": "1.5"}, ``,
			outcome{kind: conversation.Unavailable, landed: true, after: 1500 * time.Millisecond, want: "503"}},
		{"DetailIsAnObject", 400, nil, `{"detail":{"a":1}}`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: `{"a":1}`}},
		{"KeyInTheAnswer", 400, nil, `{"detail":"not ` + testKey + `"}`, outcome{kind: conversation.Invalid, want: "not [redacted]"}},
		{"Moved", 307, map[string]string{"Location": "/login"}, ``, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "the server redirects"}},
		{"Long", 400, nil, `{"detail":"` + strings.Repeat("x", 5000) + `"}`, outcome{kind: conversation.Invalid, want: "…"}},
		{"Empty", 200, nil, ``, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "the answer is empty"}},
		{"Page", 200, map[string]string{"Content-Type": "text/html"}, `<html>`,
			outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "web page"}},
		{"NotJSON", 200, nil, `hello`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "not"}},
		{"NotUnderstood", 200, nil, `[1]`, outcome{kind: conversation.Unavailable, landed: true, answered: true, want: "a bare list"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := always(t, tt.status, tt.header, tt.body)
			_, readErr := c.Task(t.Context(), "t1")
			_, claimErr := c.Claim(t.Context(), "t1", "w")
			_, pollErr := c.Poll(t.Context(), pulse.DefaultTypes(), 10)
			_, historyErr := c.History(t.Context(), "t1", 10)
			var listErr error
			for _, err := range c.Tasks(t.Context(), pulse.Filter{}) {
				listErr = err
			}
			for _, err := range []error{readErr, claimErr, pollErr, historyErr, listErr} {
				e := isKind(t, tt.kind, err)
				require.ErrorContains(t, err, tt.want)
				require.NotContains(t, err.Error(), "hush")
				require.Equal(t, tt.after, e.RetryAfter)
				require.Less(t, len(err.Error()), 600)
			}
			require.False(t, isKind(t, tt.kind, readErr).Ambiguous)
			require.Equal(t, tt.landed, isKind(t, tt.kind, claimErr).Ambiguous)
			require.Equal(t, tt.answered, isKind(t, tt.kind, claimErr).Answered)
			require.ErrorContains(t, claimErr, `pulse: claim task "t1"`)
		})
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	_, err := newClient(t, "http://127.0.0.1:1").Claim(t.Context(), "t1", "w")
	require.False(t, isKind(t, conversation.Unavailable, err).Ambiguous, "it was not sent")
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	c := always(t, 200, nil, `"`+strings.Repeat("x", 17<<20)+`"`)
	_, err := c.Claim(t.Context(), "t1", "w")
	e := isKind(t, conversation.Unavailable, err)
	require.True(t, e.Ambiguous)
	require.ErrorContains(t, err, "longer than 16 MiB")
}

// TestEndless: a list whose pages are always full ends some time.
func TestEndless(t *testing.T) {
	t.Parallel()
	page := `{"tasks":[` + strings.Repeat(`{"id":"t"},`, 99) + `{"id":"t"}]}`
	c := always(t, 200, nil, page)
	n := 0
	for _, err := range c.Tasks(t.Context(), pulse.Filter{}) {
		if n++; err != nil {
			isKind(t, conversation.Unavailable, err)
			require.ErrorContains(t, err, "the list does not end")
		}
	}
	require.Equal(t, 100_001, n)
}

// TestRequests: what goes over the wire.
func TestRequests(t *testing.T) {
	t.Parallel()
	var got []string
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), body))
		if r.Header.Get("Authorization") != "Bearer "+testKey || r.Header.Get("User-Agent") != "parley" || r.Header.Get("ETag") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(w, `{"status":"claimed","execution_id":"e1","tasks":[],"history":[],"next_execution":null}`)
	}))
	c := newClient(t, url+"/base/")
	ctx := t.Context()
	id, err := c.Claim(ctx, "a/b c", "parley-w")
	require.NoError(t, err)
	require.Equal(t, "e1", id)
	require.NoError(t, c.Ack(ctx, "t", pulse.Ack{Status: pulse.AckFailed, WorkerID: "w", ExecutionID: "e", ExecutionTimeMS: 5, Error: "no"}))
	_, err = c.Poll(ctx, []string{"run_agent", "my own"}, 100)
	require.NoError(t, err)
	for task, err := range c.Tasks(ctx, pulse.Filter{Status: "active", Type: "run_agent", Until: time.Unix(99, 0)}) {
		t.Errorf("no task is expected: %v, %v", task, err)
	}
	_, err = c.History(ctx, "t", 7)
	require.NoError(t, err)
	require.NoError(t, c.SetMetadata(ctx, "t", []byte(`{"a":1}`)))
	require.NoError(t, c.Health(ctx))
	require.Equal(t, []string{
		`POST /base/tasks/a%2Fb%20c/claim {"worker_id":"parley-w"}`,
		`POST /base/tasks/t/ack {"status":"failed","worker_id":"w","execution_id":"e","execution_time_ms":5,"error":"no"}`,
		`GET /base/tasks/poll?limit=100&types=run_agent%2Cmy+own `,
		`GET /base/tasks?end_time=99&limit=100&offset=0&schedule_type=run_agent&status=active `,
		`GET /base/tasks/t/history?limit=7 `,
		`PATCH /base/tasks/t {"metadata":{"a":1}}`,
		`GET /base/health `,
	}, got)
}

func TestWire(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want string }{
		{"TimeIsText", `{"id":"t","status":"active","next_execution":"soon","tasks":[]}`, `its next_execution is "soon", which is not a number of seconds`},
		{"TypeIsANumber", `{"id":"t","status":"active","schedule_type":5,"tasks":[]}`, "its schedule_type is 5, which is not a string"},
		{"TimestampIsANumber", `{"id":"t","status":"active","tasks":[{"task_id":"u","scheduled_for":5}]}`, "its scheduled_for is 5, which is not a time"},
		{"TimestampIsNonsense", `{"id":"t","status":"active","tasks":[{"task_id":"u","scheduled_for":"soon"}]}`, "which is not a time in ISO 8601"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := always(t, 200, nil, tt.body)
			_, err := c.Task(t.Context(), "t")
			polled, pollErr := c.Poll(t.Context(), pulse.DefaultTypes(), 1)
			require.NoError(t, pollErr)
			for _, odd := range polled.Odd {
				require.Equal(t, "u", odd.ID)
				err = errors.Join(err, odd)
			}
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "json:")
		})
	}
	c := always(t, 200, map[string]string{"Date": ""}, `{"id":"t","status":"active","next_execution":1.9e9,"metadata":[1],"schedule_config":{"when":{"type":"cron"}},
		"tasks":[{"task_id":"t","scheduled_for":"2031-05-06T12:00:00"},{"task_id":"u","scheduled_for":""}]}`)
	task, err := c.Task(t.Context(), "t")
	require.NoError(t, err)
	require.Equal(t, time.Unix(1.9e9, 0).UTC(), task.NextExecution.Time)
	require.True(t, task.Recurring())
	polled, err := c.Poll(t.Context(), pulse.DefaultTypes(), 1)
	require.NoError(t, err)
	require.Equal(t, noon, polled.Tasks[0].ScheduledFor.Time)
	require.True(t, polled.Tasks[1].ScheduledFor.IsZero())
}

// TestOddTask: one task with nonsense in its fields holds up no other.
func TestOddTask(t *testing.T) {
	t.Parallel()
	const due = `"schedule_type":"run_agent","status":"active","next_execution":1.9e9`
	c := always(t, 200, nil, `{"tasks":[{"id":"odd","status":5,"next_execution":1.9e9},{"id":"own","schedule_config":{"when":"daily"},`+due+`},
		"no object",null,{"id":{"a":1},`+due+`},{`+due+`},{"id":"none","created_at":"long ago","schedule_config":"x",`+due+`},{"id":"good",`+due+`}],"count":4}`)
	var ids, odd []string
	for task, err := range c.Tasks(t.Context(), pulse.Filter{}) {
		if err == nil {
			ids = append(ids, task.ID)
			continue
		}
		rows, rest := platforms.RowErrors(err)
		require.NoError(t, rest)
		require.Len(t, rows, 1)
		odd = append(odd, rows[0].ID+": "+rows[0].Err.Error())
	}
	require.Equal(t, []string{"own", "none", "good"}, ids)
	require.Len(t, odd, 5)
	require.Contains(t, odd[0], "odd: its status is 5, which is not a string (correct the task on Pulse")
	require.Contains(t, odd[1], "it is not an object")
	require.Contains(t, odd[3], "its id is {")
	require.Contains(t, odd[4], "it has no id")
}

// TestOddExecutionID: what names a run becomes a header and a search attribute.
func TestOddExecutionID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{strings.Repeat("x", 300), "a\\nb", "größe"} {
		_, err := always(t, 200, nil, `{"status":"claimed","execution_id":"`+id+`"}`).Claim(t.Context(), "t", "w")
		require.True(t, isKind(t, conversation.Unavailable, err).Ambiguous)
		require.ErrorContains(t, err, "cannot be used")
		require.Less(t, len(err.Error()), 600)
	}
}
