package onerun_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/onerun"
)

type anything func(*http.Request) *http.Response

func (a anything) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

// FuzzLists has a server answer every request with the same, however little it is what was
// asked for. A listing ends after few pages, an error has a kind and is short, and what is
// read of a conversation can be recorded.
func FuzzLists(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"id":"a","status":"in_progress","name":"n"},{"id":"b","end_reason":"e"}],"has_more":true}`, `{"data":[],"has_more":true}`, `{"data":[{"id":1},7,null],"has_more":false}`, `{"ended":true,"output":[{"type":"message","role":"r","content":[{"type":"text","text":"Hi"},{"type":"image"}]}]}`,
		`{"data":[{"id":"a","type":"message","role":"user","content":[{"type":"text","text":"Hi"}],"created_at":"2026-01-01T00:00:00Z"}]}`, `{"detail":[{"loc":["a"],"msg":"m"}]}`, "<html>", `{"data":{}}`, `[]`, `{"data":[{"id":"a"`,
	} {
		f.Add([]byte(seed), uint16(200))
		f.Add([]byte(seed), uint16(422))
	}
	f.Fuzz(func(t *testing.T, body []byte, status uint16) {
		requests := 0
		client, err := onerun.NewClient(onerun.ClientConfig{
			BaseURL: "http://onerun", APIKey: "k",
			HTTPClient: &http.Client{Transport: anything(func(r *http.Request) *http.Response {
				requests++
				return &http.Response{
					StatusCode: 200 + int(status)%400, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
					Body: io.NopCloser(strings.NewReader(string(body))), ContentLength: int64(len(body)),
				}
			})},
		})
		require.NoError(t, err)
		check := func(err error) {
			if err == nil {
				return
			}
			require.LessOrEqual(t, len(err.Error()), 4<<10)
			var ce *conversation.Error
			if errors.As(err, &ce) {
				require.NotEmpty(t, ce.Kind)
				require.GreaterOrEqual(t, ce.RetryAfter.Seconds(), 0.0)
			}
		}
		rows := 0
		for _, err := range client.Simulations(t.Context(), "p", "", "") {
			rows++
			check(err)
		}
		for _, err := range client.Conversations(t.Context(), "p", "s", "") {
			rows++
			check(err)
		}
		require.LessOrEqual(t, rows, len(body)+8)
		require.LessOrEqual(t, requests, 16)
		at := onerun.Location{Project: "p", Simulation: "s", Conversation: "c"}
		items, err := client.Items(t.Context(), at)
		check(err)
		require.LessOrEqual(t, len(items), len(body))
		response, err := client.Respond(t.Context(), at, []onerun.WireMessage{onerun.TextMessage("Hi")}, "k")
		check(err)
		require.LessOrEqual(t, len(response.Output), len(body))
		_, err = json.Marshal(response)
		require.NoError(t, err)
	})
}
