package modelcall_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

func read(t *testing.T, r io.Reader) ([]string, error) {
	t.Helper()
	e := modelcall.NewEvents(&http.Response{Body: io.NopCloser(r)}, 1000)
	var got []string
	for {
		ev, err := e.Next()
		if err != nil {
			return got, err
		}
		if ev.Done() {
			ev.Data = []byte("DONE")
		}
		if ev.Name != "" {
			ev.Name += " "
		}
		got = append(got, ev.Name+string(ev.Data))
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	const bom = "\xef\xbb\xbf"
	for name, c := range map[string]struct {
		text string
		want string // events, divided by |
		err  error  // nil: io.EOF
	}{
		"LF":                {"data: {\"a\":1}\n\ndata: [DONE]\n\n", `{"a":1}|DONE`, nil},
		"CRLF":              {"data: {\"a\":1}\r\n\r\ndata: [DONE]\r\n\r\n", `{"a":1}|DONE`, nil},
		"CR":                {"data: {\"a\":1}\r\rdata: [DONE]\r\r", `{"a":1}|DONE`, nil},
		"NoSpace":           {"data:{\"a\":1}\n\ndata:[DONE]\n\n", `{"a":1}|DONE`, nil},
		"BOM":               {bom + "data: {\"a\":1}\n\n", `{"a":1}`, nil},
		"BOMBeforeJSON":     {bom + "{\"a\":1}", `{"a":1}`, nil},
		"NoBlankLineAtEnd":  {"data: {\"a\":1}\n", `{"a":1}`, nil},
		"NoLineEndAtEnd":    {"data: {\"a\":1}", `{"a":1}`, nil},
		"DoneWithoutEnd":    {"data: {\"a\":1}\n\ndata: [DONE]", `{"a":1}|DONE`, nil},
		"NoBlankLines":      {"data: {\"a\":1}\ndata: {\"a\":2}\ndata: [DONE]\n\n", `{"a":1}|{"a":2}|DONE`, nil},
		"PrettyPrinted":     {"data: {\ndata:   \"a\": 1\ndata: }\n\n", "{\n  \"a\": 1\n}", nil},
		"BrokenLine":        {"data: {\"a\":\"x\ndata: y\"}\n\n", `{"a":"xy"}`, nil},
		"Comments":          {": hello\n\n:\n\n: OPENROUTER PROCESSING\ndata: {\"a\":1}\n\n", `{"a":1}`, nil},
		"Names":             {"event: message\nid: 1\nretry: 10\ndata: {\"a\":1}\n\n", `message {"a":1}`, nil},
		"NameOnly":          {"event: ping\n\ndata: {\"a\":1}\n\n", `{"a":1}`, nil},
		"EmptyData":         {"data:\n\ndata: \n\ndata: {\"a\":1}\n\n", `{"a":1}`, nil},
		"Spaces":            {"  data : {\"a\":1}\n\n", `{"a":1}`, nil},
		"UpperCase":         {"Data: {\"a\":1}\n\n", `{"a":1}`, nil},
		"DataTwice":         {"data: data: {\"a\":1}\n\ndata: data: [DONE]\n\n", `{"a":1}|DONE`, nil},
		"DoneQuoted":        {"data: \"[DONE]\"\n\n", `DONE`, nil},
		"DoneLowerCase":     {"data: [done]\n\n", `DONE`, nil},
		"Lines":             {"{\"a\":1}\n{\"a\":2}\n", `{"a":1}|{"a":2}`, nil},
		"LinesAndDone":      {"{\"a\":1}\n\n[DONE]\n", `{"a":1}|DONE`, nil},
		"List":              {"[{\"a\":1}\n,\r\n{\"a\":[{\"b\":\"}\"}]}\n]", `{"a":1}|{"a":[{"b":"}"}]}`, nil},
		"ListInOneLine":     {`[{"a":1},{"a":2}]`, `{"a":1}|{"a":2}`, nil},
		"NoLineEnds":        {`{"a":1}{"a":2}`, `{"a":1}|{"a":2}`, nil},
		"PrettyBody":        {"{\n  \"a\": {\n    \"b\": 1\n  }\n}\n", "{\n  \"a\": {\n    \"b\": 1\n  }\n}", nil},
		"ListAsData":        {"data: [{\"a\":1},{\"a\":2}]\n\n", `{"a":1}|{"a":2}`, nil},
		"EventsThenJSON":    {"data: {\"a\":1}\n\n{\"error\":1}\n", `{"a":1}|{"error":1}`, nil},
		"CutOff":            {"data: {\"a\":1}\n\ndata: {\"a\":", `{"a":1}`, modelcall.ErrCutOff},
		"CutOffInAList":     {`[{"a":1},{"a":`, `{"a":1}`, modelcall.ErrCutOff},
		"CutOffAfterAnItem": {`[{"a":1}`, `{"a":1}`, modelcall.ErrCutOff},
		"NotJSON":           {"data: hello\n\n", `hello`, nil},
		"Page":              {"\n\n<html>", "", modelcall.ErrWebPage},
		"Nothing":           {"", "", nil},
		"BlankLines":        {"\n\n\n", "", nil},
		"PlainText":         {"upstream connect error\n", "", nil},
		"Unreadable":        {"data: {\"a\":\"x\xffy\"}\n\n", "", modelcall.ErrInvalidUTF8},
		"Pair":              {`data: {"d":{"t":"a\ud83d"}}` + "\n\n" + `data: {"d":{"t":"\ude00b"}}` + "\n\n", `{"d":{"t":"a"}}|{"d":{"t":"\ud83d\ude00b"}}`, nil},
		"PairUpperCase":     {`{"t":"\uD83D"}` + "\n" + `{"t":"\uDE00"}`, `{"t":""}|{"t":"\uD83D\uDE00"}`, nil},
		"PairWithPauses":    {`{"t":"\ud83d"}{"t":""}{"u":"x"}{}{"t":"\ude00"}`, `{"t":""}|{"t":""}|{"u":"x"}|{}|{"t":"\ud83d\ude00"}`, nil},
		"PairsInTwoPlaces":  {`{"t":"\ud83d","u":"\ud83c"}{"u":"\udf89","t":"\ude00"}`, `{"t":"","u":""}|{"u":"\ud83c\udf89","t":"\ud83d\ude00"}`, nil},
		"PairInAList":       {`{"c":[{"t":"\ud83d"},{"t":"x"}]}{"c":[{"t":"\ude00"},{"t":"y"}]}`, `{"c":[{"t":""},{"t":"x"}]}|{"c":[{"t":"\ud83d\ude00"},{"t":"y"}]}`, nil},
		"Whole":             {`{"t":"\ud83d\ude00"}{"t":"\ude00"}`, `{"t":"\ud83d\ude00"}|{"t":"\ude00"}`, nil},
		"HalfWithoutOther":  {`{"t":"\ud83d"}{"t":"x"}`, `{"t":""}|{"t":"\ufffdx"}`, nil},
		"EscapedBackslash":  {`{"t":"\\ud83d"}{"t":"x"}`, `{"t":"\\ud83d"}|{"t":"x"}`, nil},
		"BytesOfUTF8":       {"{\"t\":\"a\xf0\x9f\"}{\"t\":\"\x99\x82b\"}", "{\"t\":\"a\"}|{\"t\":\"🙂b\"}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []io.Reader{strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text)), iotest.DataErrReader(strings.NewReader(c.text))} {
				got, err := read(t, r)
				want := c.err
				if want == nil {
					want = io.EOF
				}
				require.ErrorIs(t, err, want)
				require.Equal(t, c.want, strings.Join(got, "|"))
			}
		})
	}
}

// An endless stream of what is no answer ends.
func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		piece string
		err   error
	}{
		"Comments":        {":\n", modelcall.ErrFlood},
		"BlankLines":      {"\n", modelcall.ErrFlood},
		"LongComments":    {": " + strings.Repeat("x", 1000) + "\n\n", modelcall.ErrFlood},
		"EmptyData":       {"data:\n\n", modelcall.ErrFlood},
		"NamesWithoutAny": {"event: ping\n\n", modelcall.ErrFlood},
		"EmptyObjects":    {"data: {}\n\n", modelcall.ErrFlood},
		"Ids":             {"id: 1\n", modelcall.ErrFlood},
		"OneLine":         {"x", modelcall.ErrTooLarge},
		"OneEvent":        {"data: x\n", modelcall.ErrTooLarge},
		"OneValue":        {`{"a":`, modelcall.ErrTooLarge},
		"Junk":            {"junk\n", modelcall.ErrFlood},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := modelcall.NewEvents(&http.Response{Body: io.NopCloser(&endless{piece: c.piece})}, 1000)
			for {
				if _, err := e.Next(); err != nil {
					require.ErrorIs(t, err, c.err)
					return
				}
			}
		})
	}
}

// A long answer may have a comment or a name for each of its events.
func TestLongStreams(t *testing.T) {
	t.Parallel()
	const n = 50_000
	got, err := read(t, strings.NewReader(strings.Repeat(": hi\n\nevent: delta\nid: 1\ndata: {}\n\n\n", n)))
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, got, n)
}

type endless struct {
	piece, rest string
}

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

// What the transport reports is passed on, after what came before.
func TestEventsFail(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	got, err := read(t, io.MultiReader(strings.NewReader("data: {\"a\":1}\n\ndata: {\"a\":2}\n"), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.Equal(t, []string{`{"a":1}`}, got)
}

func TestReceive(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		media  string
		stream bool
		text   string
		whole  bool
	}{
		"Whole":             {"application/json", false, ` {"a":1} `, true},
		"WholeUnmarked":     {"", false, `{"a":1}`, true},
		"WholeUnbidden":     {"application/json", true, `{"a":1}`, true},
		"EventsUnbidden":    {"application/json", false, "data: {\"a\":1}\n\n", false},
		"EventsMismarked":   {"application/json", true, ": hi\n\ndata: {\"a\":1}\n\n", false},
		"EventsWithNames":   {"text/event-stream", false, "event: x\ndata: {\"a\":1}\n\n", false},
		"Lines":             {"application/json", true, "{\"a\":1}\n{\"a\":2}\n", false},
		"List":              {"application/json", true, "[{\"a\":1}]", false},
		"WholeAsEvents":     {"text/event-stream", true, `{"a":1}`, false},
		"SpaceKeepsItAlive": {"application/json", false, strings.Repeat("\n", 1000) + `{"a":1}`, true},
		"Text":              {"text/plain", false, "no", true},
		"Null":              {"application/json", false, "null", true},
		"Empty":             {"application/json", false, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := &http.Response{Header: http.Header{"Content-Type": {c.media}}, Body: io.NopCloser(iotest.OneByteReader(strings.NewReader(c.text)))}
			whole, events, err := modelcall.Receive(res, c.stream, 1000)
			require.NoError(t, err)
			require.Equal(t, c.whole, events == nil)
			if c.whole {
				require.Equal(t, strings.TrimSpace(c.text), strings.TrimSpace(string(whole)))
				return
			}
			ev, err := events.Next()
			require.NoError(t, err)
			require.JSONEq(t, `{"a":1}`, string(ev.Data))
		})
	}
}
