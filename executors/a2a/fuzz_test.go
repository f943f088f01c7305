package a2a_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/wire"
)

// FuzzAnswer has an agent stream anything, and answer anything when its task is
// polled. Whatever it is, the call ends with few requests, and what is kept of it is
// bounded and can be recorded.
func FuzzAnswer(f *testing.F) {
	stream := func(events ...string) string {
		out := ""
		for _, ev := range events {
			out += "data: " + result(ev) + "\n\n"
		}
		return out
	}
	for _, seed := range [][2]string{
		{stream(task("working", ""), piece("a", "Hel", false), piece("a", "lo", true), status("completed", "Done.")), ""},
		{stream(task("working", ""), piece("a", "Hel", false)), result(task("completed", "", "Hello"))},
		{stream(`{"task": {"id": "t1", "status": {"state": "TASK_STATE_WORKING"}}}`, `{"artifactUpdate": {"artifact": {"artifactId": "a", "parts": [{"text": "<think>"}, {"data": [1]}, {"raw": "AA", "filename": "f"}]}}}`), result(`{"id": "t2", "status": {"state": 6, "timestamp": "T"}}`)},
		{"\xef\xbb\xbf:\r\rdata:" + result(said10(`{"text": "Hello"}`)), ""},
		{result(reply("Hello")), ""},
		{"event: error\ndata: " + fault(-32009, "no", `[{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "VERSION_NOT_SUPPORTED"}]`) + "\n\n", ""},
		{stream(status("input-required", "Which?")), fault(-32001, "no", "")},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]), true)
		f.Add([]byte(seed[0]), []byte(seed[1]), false)
	}
	const limit = 1 << 10
	f.Fuzz(func(t *testing.T, answer, polled []byte, later bool) {
		requests := 0
		agent := modeltest.RoundTrip(func(r *http.Request) *http.Response {
			body, media := v03.card("http://agent/rpc", true), "application/json"
			if later {
				body = v10.card("http://agent/rpc", true)
			}
			if r.Method == http.MethodPost {
				requests++
				asked, _ := io.ReadAll(r.Body)
				switch {
				case requests > 6:
					body = fault(-32001, "no", "")
				case strings.Contains(string(asked), `/get"`) || strings.Contains(string(asked), `"GetTask"`):
					body = string(polled)
				default:
					body, media = string(answer), "text/event-stream"
				}
			}
			return &http.Response{
				StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {media}},
				Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
			}
		})
		e, err := a2a.New(a2a.Config{URL: "http://agent", MaxReplyBytes: limit, PollInterval: time.Microsecond, HTTPClient: &http.Client{Transport: agent}})
		require.NoError(t, err)
		req := executortest.Request("c1", "Hi")
		streamed, tokens := 0, 0
		req.OnDelta = func(text string) { streamed += len(text) }
		req.OnAttach = func(token json.RawMessage) {
			tokens++
			require.LessOrEqual(t, len(token), wire.MaxToken)
		}
		res, err := e.Execute(t.Context(), req)
		require.LessOrEqual(t, requests, 16)
		require.LessOrEqual(t, tokens, 8)
		require.LessOrEqual(t, streamed, 2*limit)
		if err != nil {
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.NotEmpty(t, ce.Kind)
			require.LessOrEqual(t, len(err.Error()), 4<<10)
			return
		}
		require.LessOrEqual(t, len(res.Message.Text()), limit)
		require.True(t, utf8.ValidString(res.Message.Text()))
		require.LessOrEqual(t, len(res.State), wire.MaxToken)
		require.True(t, res.State == nil || json.Valid(res.State))
		for _, p := range res.Message.Parts {
			require.True(t, p.Data == nil || json.Valid(p.Data))
		}
	})
}
