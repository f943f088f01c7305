package modeltest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
)

// dataOf returns the data of events, without names and comments.
func dataOf(events []string) []string {
	var out []string
	for _, event := range events {
		for line := range strings.SplitSeq(event, "\n") {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				out = append(out, data)
			}
		}
	}
	return out
}

func lines(events []string) string { return strings.Join(events, "\n\n") + "\n\n" }

func replaced(events []string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(lines(events))
}

// objects are the data that are JSON objects.
func objects(events []string) []string {
	var out []string
	for _, data := range dataOf(events) {
		if strings.HasPrefix(data, "{") {
			out = append(out, data)
		}
	}
	return out
}

// forms are the ways in which servers write a stream of events.
var forms = map[string]func(events []string) string{
	"CRLF":             func(e []string) string { return replaced(e, "\n", "\r\n") },
	"CR":               func(e []string) string { return replaced(e, "\n", "\r") },
	"BOM":              func(e []string) string { return "\xef\xbb\xbf" + lines(e) },
	"NoSpace":          func(e []string) string { return replaced(e, "data: ", "data:", "event: ", "event:") },
	"NoNames":          func(e []string) string { return "data: " + strings.Join(dataOf(e), "\n\ndata: ") + "\n\n" },
	"NoBlankLineAtEnd": func(e []string) string { return strings.TrimRight(lines(e), "\n") },
	"BlankLines":       func(e []string) string { return "\n\n" + replaced(e, "\n\n", "\n\n\n\n") },
	"Comments":         func(e []string) string { return ": hello\n\n" + replaced(e, "\n\n", "\n\n:\n\n: keep-alive\n\n") },
	"CommentsWithin":   func(e []string) string { return replaced(e, "data: ", ": PROCESSING\ndata: ") },
	"EmptyEvents":      func(e []string) string { return "data:\n\nevent: ping\n\n" + replaced(e, "\n\n", "\n\ndata: \n\n") },
	"IDsAndRetry":      func(e []string) string { return "retry: 3000\n\n" + replaced(e, "data: ", "id: 7\ndata: ") },
	"DataTwice":        func(e []string) string { return replaced(e, "data: ", "data: data: ") },
	"SeveralDataLines": func(e []string) string {
		var out strings.Builder
		for _, data := range dataOf(e) {
			var pretty bytes.Buffer
			if json.Indent(&pretty, []byte(data), "data: ", "  ") != nil {
				pretty.WriteString(data)
			}
			out.WriteString("data: " + pretty.String() + "\n\n")
		}
		return out.String()
	},
	"JSONLines":  func(e []string) string { return strings.Join(objects(e), "\n") + "\n" },
	"NoLineEnds": func(e []string) string { return strings.Join(objects(e), "") },
	"List":       func(e []string) string { return "[" + strings.Join(objects(e), "\n,\r\n") + "]" },
	"ListInData": func(e []string) string { return "data: [" + strings.Join(objects(e), ",") + "]\n\n" },
}

// forms tests that the form of a stream does not change the reply, nor what the content
// type says.
func (v Vendor) forms(t *testing.T) {
	texts := []string{"Grüße ", "there.\n", "🙂"}
	for name, form := range forms {
		for _, media := range []string{"text/event-stream", "application/json", ""} {
			v.streamsForm(t, name+"/"+media, media, form(v.events(texts...)), strings.Join(texts, ""))
		}
	}
	// A character whose halves come in two pieces.
	first, second := v.Delta("good FIRST"), v.Delta("SECOND day")
	for name, halves := range map[string][2]string{
		"Escapes":          {`\ud83d`, `\ude42`},
		"UpperCaseEscapes": {`\uD83D`, `\uDE42`},
		"Bytes":            {"\xf0\x9f", "\x99\x82"},
	} {
		events := append(v.Begin[:len(v.Begin):len(v.Begin)], strings.Replace(first, "FIRST", halves[0], 1), v.Delta(""), strings.Replace(second, "SECOND", halves[1], 1))
		v.streamsForm(t, "HalfCharacters/"+name, "text/event-stream", lines(append(events, v.End...)), "good 🙂 day")
	}
	half := append(v.Begin[:len(v.Begin):len(v.Begin)], strings.Replace(first, "FIRST", `\ud83d`, 1), v.Delta(" day"))
	v.streamsForm(t, "HalfCharacters/Alone", "text/event-stream", lines(append(half, v.End...)), "good \ufffd day")
}

func (v Vendor) streamsForm(t *testing.T, name, media, body, want string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		for _, slow := range []bool{false, true} {
			s := via(RoundTrip(func(req *http.Request) *http.Response {
				var r io.Reader = strings.NewReader(body)
				if slow {
					r = OneByte{strings.NewReader(body)}
				}
				return &http.Response{
					StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {media}},
					ContentLength: -1, TransferEncoding: []string{"chunked"}, Body: io.NopCloser(r),
				}
			}))
			req := executortest.Request("c1", "Hi")
			var deltas strings.Builder
			req.OnDelta = func(text string) { deltas.WriteString(text) }
			res, err := v.create(t, s).Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, want, res.Message.Text())
			require.Equal(t, want, deltas.String())
			require.Equal(t, v.Known, res.Usage)
		}
	})
}

// streamsUnbidden tests a server that streams although it is asked for a whole answer.
func (v Vendor) streamsUnbidden(t *testing.T) {
	e := v.asking(t, true, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { WriteEvents(w, v.events("Hello ", "there.")...) }))
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, "Hello there.", res.Message.Text())
	require.Equal(t, v.Known, res.Usage)
}

// endlessStreams tests that a stream of what is no answer ends.
func (v Vendor) endlessStreams(t *testing.T) {
	for name, piece := range map[string]string{"Comments": ":\n", "BlankLines": "\n", "EmptyData": "data:\n\n", "Names": "event: ping\n\n", "Words": "data: ping\n\n", "EmptyObjects": "data: {}\n\n", "Pings": "event: ping\ndata: {\"type\": \"ping\"}\n\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := via(RoundTrip(func(req *http.Request) *http.Response {
				return &http.Response{
					StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {"text/event-stream"}},
					Body: io.NopCloser(io.MultiReader(strings.NewReader(lines(append(v.Begin[:len(v.Begin):len(v.Begin)], v.Delta("Hello")))), &Endless{Piece: piece})),
				}
			}))
			_, err := v.create(t, s).Execute(t.Context(), executortest.Request("c1", "Hi"))
			RequireError(t, err, conversation.Unavailable, "more than an answer can need")
		})
	}
}

// Endless is a body that repeats a piece without end.
type Endless struct {
	Piece string
	rest  string
}

// Read fills p.
func (e *Endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if e.rest == "" {
			e.rest = e.Piece
		}
		m := copy(p[n:], e.rest)
		e.rest, n = e.rest[m:], n+m
	}
	return n, nil
}
