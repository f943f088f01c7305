package http_test

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
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/wire"
)

// FuzzAnswer has an agent answer anything, in one piece or as events, at once or when it
// is polled. Whatever it is, the call ends with few requests, and what is kept is bounded
// and can be recorded.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"message":"Hello","state":{"n":1}}`, `{"out":{"text":"Hello"},"usage":{"in":1e300}}`, `{"attach":"run1"}`, `{"error":{"message":"no","type":"rate_limit","retry_after":1e300}}`, "<html><title>Sign in</title>", "Internal error", `{"message":`, "",
		"data: {\"delta\":\"Hel\"}\n\ndata: {\"delta\":\"lo\"}\n\ndata: {\"end\":true}\n\n", "data: {\"d\":\"Hel\"}\r\rdata: {\"d\":\"lo\"}\r\rdata: [DONE]", "event: error\ndata: {\"code\":500}\n\n", ": hi\n\ndata: {\"message\":{\"parts\":[{\"type\":\"data\",\"data\":[1]}]}}\n\n", "\xef\xbb\xbfdata: \xff\n\n",
	} {
		for mode := range uint8(8) {
			f.Add(seed, mode)
		}
	}
	const limit = 256
	f.Fuzz(func(t *testing.T, body string, mode uint8) {
		requests := 0
		client := &http.Client{Transport: modeltest.RoundTrip(func(r *http.Request) *http.Response {
			requests++
			res := &http.Response{
				StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
			}
			if mode&1 != 0 {
				res.Header.Set("Content-Type", "text/event-stream")
			}
			if mode&4 != 0 && requests < 5 {
				res.StatusCode, res.Header = http.StatusAccepted, http.Header{"Location": {body}}
			}
			return res
		})}
		cfg := agent.Config{URL: "http://agent/reply", HTTPClient: client, MaxReplyBytes: limit, Stream: mode&1 != 0, PollInterval: time.Microsecond}
		if mode&2 != 0 {
			cfg.Response.Text, cfg.Response.InputTokens, cfg.Response.Stream.Delta = "out.text", "usage.in", "d"
		}
		e, err := agent.New(cfg)
		require.NoError(t, err)
		req := executortest.Request("c1", "Hi")
		said, tokens := "", 0
		req.OnDelta = func(s string) { said += s }
		req.OnAttach = func(token json.RawMessage) {
			tokens++
			require.LessOrEqual(t, len(token), wire.MaxToken+64)
			require.True(t, json.Valid(token))
		}
		res, err := e.Execute(t.Context(), req)
		require.LessOrEqual(t, requests, 5)
		require.LessOrEqual(t, tokens, 105)
		require.LessOrEqual(t, len(said), limit)
		if err != nil {
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.NotEmpty(t, ce.Kind)
			require.LessOrEqual(t, len(err.Error()), 4<<10)
			require.GreaterOrEqual(t, ce.RetryAfter, time.Duration(0))
			return
		}
		text := res.Message.Text()
		require.True(t, utf8.ValidString(text))
		require.True(t, strings.HasPrefix(text, said) || res.End)
		require.LessOrEqual(t, len(text), 4*limit+200*len(res.Message.Parts))
		require.LessOrEqual(t, len(res.State), wire.MaxToken)
		_, err = json.Marshal(res)
		require.NoError(t, err)
	})
}
