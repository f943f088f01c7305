package pulse_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
)

type anything func(*http.Request) *http.Response

func (a anything) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

// FuzzTasks has a server answer every request with the same, however little it is what was
// asked for. A listing ends after few pages, with no more tasks than there are, each with
// an id that can be recorded; and errors are short.
func FuzzTasks(f *testing.F) {
	for _, seed := range []string{
		`{"tasks":[{"task_id":"t1","id":"t1","schedule_type":"run_agent","status":"active","scheduled_for":"2026-01-01T00:00:00Z","next_execution":1,"payload":{"agent_id":"a"}}],"total":1000000,"next_poll_at":1}`, `{"tasks":[]}`, `{"tasks":[7,null,{"id":1}]}`, `{"detail":"no"}`, "<html>", `[]`, `{"tasks":[{"id":"a"`,
	} {
		f.Add([]byte(seed), uint16(0))
		f.Add([]byte(seed), uint16(222))
	}
	f.Fuzz(func(t *testing.T, body []byte, status uint16) {
		requests := 0
		p, err := pulse.New(pulse.Config{
			URL: "http://pulse",
			HTTPClient: &http.Client{Transport: anything(func(r *http.Request) *http.Response {
				requests++
				return &http.Response{
					StatusCode: 200 + int(status)%400, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
					Body: io.NopCloser(strings.NewReader(string(body))), ContentLength: int64(len(body)),
				}
			})},
		})
		require.NoError(t, err)
		for _, list := range []func() (int, error){
			func() (int, error) { all, err := p.Assigned(t.Context(), "", ""); return tasks(t, all), err },
			func() (int, error) { all, err := p.Open(t.Context(), "", ""); return tasks(t, all), err },
		} {
			n, err := list()
			require.LessOrEqual(t, n, len(body))
			var ce *conversation.Error
			if errors.As(err, &ce) {
				require.NotEmpty(t, ce.Kind)
				require.LessOrEqual(t, len(ce.Error()), 4<<10)
				require.GreaterOrEqual(t, ce.RetryAfter.Seconds(), 0.0)
			}
		}
		require.LessOrEqual(t, requests, 64)
	})
}

func tasks(t *testing.T, all []platforms.Assignment) int {
	t.Helper()
	for _, a := range all {
		require.NoError(t, a.Ref.Validate())
		require.LessOrEqual(t, len(a.Ref.ID), 300)
		require.LessOrEqual(t, len(a.Persona), 400)
	}
	return len(all)
}
