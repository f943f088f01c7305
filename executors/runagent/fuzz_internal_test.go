package runagent

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// FuzzAnswer reads any body as the answer to a run: what comes of it is JSON, or a text,
// and no longer than what came.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"success":true,"data":{"result_data":{"data":"{\"type\":\"string\",\"payload\":\"\\\"Hi\\\"\"}"}}}`, `{"data":{"data":1}}`, `{"payload":null}`, `"{\"type\":\"null\",\"payload\":\"x\"}"`,
		`{"success":false,"error":{"code":"NOT_FOUND","message":{"a":1}},"detail":[{"loc":["a",1],"msg":"m"}]}`, `Good day`, `{"a":`, " ", "\xff", `12345678901234567890`, `{"output_data":[1, 2]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := readAnswer(body)
		if err != nil {
			return
		}
		require.True(t, v.isNull() || json.Valid(v.raw), "%q", v.raw)
		require.LessOrEqual(t, len(v.raw), 6*len(body)+8)
		for _, talk := range []bool{true, false} {
			c := &call{Executor: &Executor{cfg: Config{MaxReplyBytes: 64, ReplyPath: "a"}}, run: run{talk: talk}}
			message, err := c.reply(v)
			if err != nil {
				continue
			}
			require.LessOrEqual(t, message.Size(), 64+2*96)
			_, err = json.Marshal(message)
			require.NoError(t, err)
		}
	})
}

// FuzzStream reads lines as the frames of a stream: the reply is bounded whatever they
// are, and what was said as it came is its text.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		`{"type":"data","content":"Hel"}` + "\n" + `{"type":"data","content":"{\"type\":\"string\",\"payload\":\"\\\"lo\\\"\"}"}`, `{"type":"data","content":1}` + "\n" + `{"type":"data","data":null}` + "\n" + `{"type":"data"}`,
		`{"type":"data","content":{"a":"x"}}` + "\n" + `{"type":"data","content":{"b":"x"}}`, `{"type":"error","error":{"message":"no","code":"TIMEOUT"}}`, `{"type":"error","detail":[]}`, "[]", "\xff", `{"type":"data","content":"\u0001\u0001"}`,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, lines string, talk bool) {
		const limit = 64
		said := ""
		c := &chunks{call: &call{Executor: &Executor{cfg: Config{MaxReplyBytes: limit, ReplyPath: "a"}}, run: run{talk: talk}, onDelta: func(s string) { said += s }}}
		for line := range strings.Lines(lines) {
			frame, err := parseFrame(websocket.MessageText, []byte(line))
			if err != nil {
				return
			}
			if frame.Type == "error" {
				require.NotEmpty(t, frame.reported(true).text)
				continue
			}
			if _, err = c.add(frame); err != nil {
				return
			}
			require.LessOrEqual(t, len(said), limit)
			if talk {
				require.Empty(t, c.list)
			}
		}
		message, err := c.message()
		if err != nil {
			return
		}
		require.Equal(t, said, message.Text())
		require.LessOrEqual(t, message.Size(), 2*limit+3*96)
		_, err = json.Marshal(message)
		require.NoError(t, err)
	})
}
