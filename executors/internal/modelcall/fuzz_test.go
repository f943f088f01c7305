package modelcall_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// Events never give more than came in, in bytes and in number, and are valid UTF-8. The
// same body in one-byte reads gives the same events.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		"data: {\"a\":1}\n\ndata: [DONE]\n\n", "\xef\xbb\xbfdata:{\"a\":1}\r\rdata: {\"a\":\r\rdata: 2}\r\r", ": hi\n\nevent: x\nid: 1\ndata: {\"t\":\"\\ud83d\"}\n\ndata: {\"t\":\"\\ude00\"}\n\n",
		"[{\"a\":1},\n{\"a\":2}]", "{\"a\":1}\n{\"a\":2}\n[DONE]\n", "data: [{\"a\":1},[]]\ndata: x\n\n", "data: {\"t\":\"\xf0\x9f\"}\n\ndata: {\"t\":\"\x99\x82\"}\n\n",
		"<html>", "junk\ndata: data: 1\n\n", "{\"a\":\"\\\\\\\"}\"}", "data: \"[done]\"", "[D", "[", "data: [[[[[[", "\r\n\r\n:\r",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		const max = 64
		all := func(r io.Reader) (out []string, size int, err error) {
			e := modelcall.NewEvents(&http.Response{Body: io.NopCloser(r)}, max)
			for {
				ev, err := e.Next()
				if err != nil {
					require.LessOrEqual(t, len(e.Stray()), 600)
					return out, size, err
				}
				require.True(t, utf8.Valid(ev.Data))
				require.LessOrEqual(t, len(ev.Name), 256)
				require.LessOrEqual(t, len(ev.Data), 6*max+64<<10+64)
				out, size = append(out, ev.Name+" "+string(ev.Data)), size+len(ev.Data)
			}
		}
		events, size, err := all(strings.NewReader(body))
		// A half of a character may stand once more as U+FFFD.
		require.LessOrEqual(t, size, 3*len(body)+16)
		require.LessOrEqual(t, len(events), len(body)+1)
		slow, _, slowErr := all(oneByte{strings.NewReader(body)})
		require.Equal(t, events, slow)
		require.Equal(t, err, slowErr)
		if errors.Is(err, io.EOF) {
			data, err := io.ReadAll(modelcall.NewEvents(&http.Response{Body: io.NopCloser(strings.NewReader(body))}, max).Body())
			require.NoError(t, err)
			again, _, err := all(strings.NewReader(string(data)))
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, objects(events), objects(again), "SDKs read as many events: %q", data)
		}
	})
}

// objects counts the events that are JSON objects.
func objects(events []string) int {
	n := 0
	for _, ev := range events {
		if _, data, _ := strings.Cut(ev, " "); strings.HasPrefix(data, "{") && json.Valid([]byte(data)) {
			n++
		}
	}
	return n
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

// Calls hold no more than came in, and each has an id of its own, a name, and arguments
// that are JSON.
func FuzzCalls(f *testing.F) {
	for _, seed := range []string{
		"0|a|f|{\"x\"\n0|||:1}", "|||\n||f|\n||f|", "0||f|{\"x\":1}\n0||f|{\"x\":2}", "0|a|f|{}\n0|a|f|{}", "1|a|f|\"{\\\"x\\\":1}\"", "0|a|find_|\n0||order|{}",
		"0|a|f|```json\n0|||{}\n0|||```", "9223372036854775807|a|f|[{}]", "-1|a|f|{\"x\":9007199254740993}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a := modelcall.Answer{Key: "k", Offered: func(name string) bool { return strings.HasPrefix(name, "f") }}
		pieces := 0
		for line := range strings.SplitSeq(text, "\n") {
			fields := strings.SplitN(line, "|", 4)
			if len(fields) < 4 {
				continue
			}
			p := modelcall.Piece{ID: fields[1], Name: fields[2], Arguments: fields[3]}
			var n int64
			if json.Unmarshal([]byte(fields[0]), &n) == nil {
				p.Index = &n
			}
			a.AddCall(p)
			pieces++
		}
		require.LessOrEqual(t, len(a.Calls), pieces)
		require.LessOrEqual(t, a.Size(), len(text)+64*pieces)
		res, err := a.Result("op", "p", "m", 1<<20)
		if err != nil {
			return
		}
		ids := map[string]bool{}
		for _, c := range res.Message.ToolCalls() {
			require.False(t, ids[c.ID], "ids differ")
			ids[c.ID] = true
			require.NotEmpty(t, c.ID)
			require.NotEmpty(t, strings.TrimSpace(c.Name))
			require.True(t, json.Valid(c.Arguments))
		}
	})
}

// What is mended is an object, holds no more than came in, and is stable.
func FuzzMend(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `"{\"a\":1}"`, "```json\n{}\n```", `{}{"a":1}`, `[{"a":1}]`, `{"a":1,}`, "{\"a\":\"\n\"}", `{"a":1}}`, `"\"\""`, "\ufeff{}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := modelcall.Mend(text)
		if !ok {
			return
		}
		require.True(t, json.Valid(got))
		require.Equal(t, byte('{'), got[0])
		require.LessOrEqual(t, len(got), 6*len(text)+2)
		again, ok := modelcall.Mend(string(got))
		require.True(t, ok)
		require.Equal(t, string(got), string(again))
	})
}

// Where a text is divided does not change what is said, and nothing is added to it.
func FuzzThoughts(f *testing.F) {
	for _, row := range thoughtRows {
		if len(row.text) < 1000 {
			f.Add(row.text, 3)
		}
	}
	f.Fuzz(func(t *testing.T, text string, at int) {
		said := func(pieces ...string) string {
			var filter modelcall.Thoughts
			out := ""
			for _, p := range pieces {
				out += filter.Add(p)
			}
			return out + filter.Rest()
		}
		whole := said(text)
		require.True(t, strings.HasSuffix(text, whole))
		if at > 0 && at < len(text) {
			require.Equal(t, whole, said(text[:at], text[at:]))
		}
		rest, _ := modelcall.WithoutOpening(whole)
		require.True(t, strings.HasSuffix(whole, rest))
	})
}
