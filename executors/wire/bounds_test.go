package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// Frames that repeat end an answer, whatever they say.
func TestAnswerTotalsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		frame string // %d counts
		want  error
	}{
		"Deltas":      {`{"delta": "x"}`, modelcall.ErrTooLarge},
		"EmptyDeltas": {`{"delta": ""}`, modelcall.ErrFlood},
		"Nothing":     {`{}`, modelcall.ErrFlood},
		"OtherFields": {`{"progress": %d}`, modelcall.ErrFlood},
		"Usage":       {`{"usage": {"input_tokens": %d}}`, modelcall.ErrFlood},
		"States":      {`{"state": %d}`, modelcall.ErrFlood},
		"LargeStates": {`{"state": "` + strings.Repeat("x", 50<<10) + `"}`, modelcall.ErrFlood},
		"SameToken":   {`{"attach": "run"}`, modelcall.ErrFlood},
		"OtherTokens": {`{"attach": "run%d"}`, wire.ErrOffContract},
		"LongTokens":  {`{"attach": "` + strings.Repeat("x", wire.MaxToken) + `"}`, wire.ErrOffContract},
		"Names":       {`{"model": "m%d", "provider": "p"}`, modelcall.ErrFlood},
		"Ready":       {`{"ready": true}`, modelcall.ErrFlood},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tokens := 0
			a := &wire.Answer{MaxReplyBytes: 1000, OnAttach: func(json.RawMessage) { tokens++ }}
			for n := range 10 << 20 {
				text := c.frame
				if strings.Contains(text, "%d") {
					text = fmt.Sprintf(text, n)
				}
				f, err := wire.ParseFrame([]byte(text))
				require.NoError(t, err)
				if err := a.Add(f); err != nil {
					require.ErrorIs(t, err, c.want)
					require.LessOrEqual(t, tokens, 100)
					return
				}
			}
			require.Fail(t, "it does not end")
		})
	}
}

// endless repeats a piece.
type endless struct{ piece, rest string }

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if e.rest == "" {
			e.rest = e.piece
		}
		m := copy(p[n:], e.rest)
		e.rest, n = e.rest[m:], n+m
	}
	return n, nil
}

// Events that do not end are bounded, and so is one event and one line.
func TestEventTotalsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		piece string
		want  error
	}{
		"Comments":     {":\n\n", modelcall.ErrFlood},
		"LongComments": {": " + strings.Repeat("x", 900) + "\n", modelcall.ErrFlood},
		"BlankLines":   {"\n", modelcall.ErrFlood},
		"Returns":      {"\r", modelcall.ErrFlood},
		"Names":        {"event: ping\n\n", modelcall.ErrFlood},
		"Ids":          {"id: 1\n", modelcall.ErrFlood},
		"Junk":         {"junk\n", modelcall.ErrFlood},
		"EmptyData":    {"data:\n\n", modelcall.ErrFlood},
		"OneLine":      {"x", modelcall.ErrTooLarge},
		"OneEvent":     {"data: x\n", modelcall.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := wire.NewEvents(&endless{piece: c.piece}, max(1000, len(c.piece)))
			for {
				if _, err := events.Next(); err != nil {
					require.ErrorIs(t, err, c.want)
					return
				}
			}
		})
	}
}

// Servers end lines in three ways, and leave out the last blank line.
func TestEventsInEveryForm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want string // names and data, divided by |
		err  error  // nil: io.EOF
	}{
		"LF":           {"data: {\"a\":1}\n\ndata: [DONE]\n\n", `{"a":1}|[DONE]`, nil},
		"CRLF":         {"event: x\r\ndata: {\"a\":1}\r\n\r\n", `x {"a":1}`, nil},
		"CR":           {"event: x\rdata:{\"a\":1}\r\rdata: 2\r\r", `x {"a":1}|2`, nil},
		"BOM":          {"\xef\xbb\xbfdata: 1\n\n", `1`, nil},
		"TwoLines":     {"data: a\ndata: b\n\n", "a\nb", nil},
		"NoBlankLine":  {"data: {\"a\":1}\n", `{"a":1}`, nil},
		"NoEnd":        {"data: {\"a\":1}", `{"a":1}`, nil},
		"Marker":       {"data: 1\n\ndata: [DONE]", `1|[DONE]`, nil},
		"OwnMarker":    {"data: 1\n\ndata: END", `1|END`, nil},
		"NameAlone":    {"data: 1\n\nevent: done\n\n", `1|done `, nil},
		"CommentsOnly": {": a\n\n:\n\n", "", nil},
		"CutOff":       {"data: 1\n\ndata: {\"a\":", `1`, modelcall.ErrCutOff},
		"CutOffInList": {"data: [1,", ``, modelcall.ErrCutOff},
		"Unreadable":   {"data: \xff\n\n", "", modelcall.ErrInvalidUTF8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := all(strings.NewReader(c.text), 1000)
			if c.err == nil {
				c.err = io.EOF
			}
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, strings.Join(got, "|"))
		})
	}
}

// all returns the events of a stream, without comments.
func all(r io.Reader, limit int) (got []string, err error) {
	events := wire.NewEvents(r, limit)
	for {
		e, err := events.Next()
		if err != nil {
			return got, err
		}
		if e.Comment() {
			continue
		}
		text := string(e.Data)
		if e.Name != "" {
			text = e.Name + " " + text
		}
		got = append(got, text)
	}
}

// FuzzEvents: nothing is made up, one event is bounded, and how the bytes arrive changes
// nothing.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		"data: {\"a\":1}\n\ndata: [DONE]\n\n", "\xef\xbb\xbfevent: x\r\rdata: a\rdata:b\r\n\r\n", ": hi\n\n:\n", "data", "event: e", "data: {\"a\":", "id: 1\nretry: 5\n\n", "\r\n\r", "data: \xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const limit = 64
		got, err := all(strings.NewReader(text), limit)
		require.Error(t, err)
		size := 0
		for _, e := range got {
			require.LessOrEqual(t, len(e), limit+257)
			size += len(e)
		}
		require.LessOrEqual(t, size, len(text))
		require.LessOrEqual(t, len(got), len(text))
		slow, slowErr := all(oneByte{strings.NewReader(text)}, limit)
		require.Equal(t, got, slow)
		require.Equal(t, err, slowErr)
	})
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

// FuzzAnswer: lines of frames make a bounded answer that can be recorded, or an error; what
// is said as it comes is the reply's beginning.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"delta":"Hel"}` + "\n" + `{"delta":"lo"}` + "\n" + `{"end":true}`, `{"message":"Hi","state":{"a":[1]},"usage":{"input_tokens":-1,"calls":9223372036854775807}}`,
		`{"message":{"parts":[{"type":"text","text":"a"},{"type":"data","data":{}},{"type":"tool_call","tool_call":{"id":"","name":"f","arguments":{}}}]}}`,
		`{"delta":"<think>a"}` + "\n" + `{"delta":"</think>b"}` + "\n" + `{"message":"<think>a</think>bc"}`, `{"error":{"error":{"message":"m","code":429}}}`, `{"error":"no"}`,
		`{"delta":"hm</think>b"}` + "\n" + `{"message":"hm</think>bc"}`, `{"attach":1}` + "\n" + `{"attach":2}` + "\n" + `{"finish_reason":"length"}`, `{"message":{"role":"user"}}`, `{"error":{"retry_after":1e300,"kind":"rate_limited"}}`, "[]", `{"a":`,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, lines string, drop bool) {
		const limit = 256
		said, tokens := "", 0
		a := &wire.Answer{
			MaxReplyBytes: limit, DropThoughts: drop, OnDelta: func(s string) { said += s },
			OnAttach: func(token json.RawMessage) {
				tokens++
				require.LessOrEqual(t, len(token), wire.MaxToken)
			},
		}
		failure := wire.Failure{Op: "op", Clean: modelcall.NewCleaner("", nil)}
		for line := range strings.Lines(lines) {
			frame, err := wire.ParseFrame([]byte(line))
			if err == nil {
				err = a.Add(frame)
			}
			if err != nil {
				var reported *wire.Error
				out := failure.Broken(err)
				if errors.As(err, &reported) {
					out = failure.Reported(reported, 0, 0)
				}
				require.NotEmpty(t, out.Kind)
				require.LessOrEqual(t, len(out.Error()), 4<<10)
				require.GreaterOrEqual(t, out.RetryAfter, time.Duration(0))
				break
			}
		}
		require.LessOrEqual(t, tokens, 100)
		require.LessOrEqual(t, len(said), limit)
		u := a.Usage()
		require.True(t, u.InputTokens >= 0 && u.OutputTokens >= 0 && u.Calls >= 0 && u.CachedInputTokens <= u.InputTokens)
		res, err := a.Result()
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(res.Message.Text()), 4*limit+200*len(res.Message.Parts))
		require.LessOrEqual(t, len(res.State), wire.MaxToken)
		if drop { // OnDelta has received thoughts that only their end shows to be some
			said, _ = modelcall.WithoutOpening(said)
		}
		require.True(t, strings.HasPrefix(res.Message.Text(), said) || res.End)
		_, err = json.Marshal(res)
		require.NoError(t, err)
	})
}
