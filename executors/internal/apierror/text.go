package apierror

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
)

// A reader reads one body.
type reader struct {
	budget int // bytes that may still be parsed
	// whole: JSON that breaks off is none, since it is an answer more often than an error.
	whole bool
	// wait is the longest one in the fields of what was parsed.
	wait time.Duration
}

// body reads a body of any format, and JSON in it with read.
func (r *reader) body(body []byte, read func(any, int) (Error, bool)) (Error, bool) {
	body = trimmed(body)
	if len(body) == 0 {
		return Error{}, false
	}
	if body[0] == '<' {
		return markup(body)
	}
	if data := eventData(body); data != nil {
		body = data
	}
	if v, ok := r.parse(body); ok {
		e, ok := read(v, 0)
		_, e.plain = v.(string)
		return e, ok
	}
	if !isText(body) || !speaks(string(body)) {
		return Error{}, false
	}
	e := r.text(string(body), 0)
	e.plain = true
	return e, true
}

// trimmed is a body without white space around it and without a byte order mark.
func trimmed(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\xef\xbb\xbf")))
}

// markup reads a web page or an XML document.
func markup(body []byte) (Error, bool) {
	if foreign.IsXML(body) {
		e := Error{Code: element(body, "code", "errorcode", "faultcode", "resultcode"), Message: element(body, "message", "faultstring", "detail", "description", "error")}
		return e.withStatus(e.Code), e.Message != "" || e.Code != ""
	}
	return Error{Message: foreign.Title(body)}, true
}

// element is the text of the first element with one of the names, in the order of the
// names.
func element(body []byte, names ...string) string {
	for _, name := range names {
		if text := foreign.Element(body, name); text != "" {
			return text
		}
	}
	return ""
}

// eventData is the data of server-sent events, nil if the body has none.
func eventData(body []byte) []byte {
	if !bytes.HasPrefix(body, []byte("data:")) && !bytes.HasPrefix(body, []byte("event:")) {
		return nil
	}
	var out []byte
	for line := range bytes.FieldsFuncSeq(body, func(c rune) bool { return c == '\n' || c == '\r' }) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok && len(out) == 0 {
			out = bytes.TrimSpace(data)
		}
	}
	return out
}

// parse decodes the JSON value at the beginning of a body, which may break off, or be
// one that Python has printed.
func (r *reader) parse(body []byte) (any, bool) {
	if r.budget -= len(body); r.budget < 0 || len(body) == 0 {
		return nil, false
	}
	v, ok := decode(body)
	if !ok && !r.whole {
		v, ok = mended(body)
	}
	if d, found := httpclient.WaitIn(v); ok && found {
		r.wait = max(r.wait, d)
	}
	return v, ok
}

// mended decodes JSON that breaks off, and what Python has printed.
func mended(body []byte) (any, bool) {
	if body[0] != '{' && body[0] != '[' {
		return nil, false
	}
	if whole := completed(body); whole != nil {
		if v, ok := decode(whole); ok {
			return v, true
		}
	}
	return literal(string(body))
}

// decode decodes the first JSON value. Numbers keep their digits.
func decode(body []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	switch v.(type) {
	case map[string]any, []any, string:
		return v, true
	}
	return nil, false // a number or a word at the beginning of a text
}

// text reads a text, which may hold a JSON object or its form in Python: clients of
// models pass errors on so.
func (r *reader) text(text string, depth int) Error {
	text = strings.TrimSpace(text)
	if depth >= maxDepth {
		return Error{Message: text}
	}
	from := 0
	for range 3 {
		at := strings.IndexAny(text[from:], "{[")
		if at < 0 {
			break
		}
		at += from
		if inner, ok := r.nested(text[at:], depth+1); ok {
			if before := strings.TrimRight(text[:at], " -:=,([\"'`\n\t"); before != "" && !strings.Contains(inner.Message, before) {
				inner.Message = before + ": " + inner.Message
			}
			return inner
		}
		from = at + 1
	}
	return Error{Message: text}
}

// nested reads the error in an object or a list at the beginning of a text.
func (r *reader) nested(text string, depth int) (Error, bool) {
	if text == "" || text[0] != '{' && text[0] != '[' {
		return Error{}, false
	}
	v, ok := r.parse([]byte(text))
	if !ok {
		return Error{}, false
	}
	e, ok := r.value(v, depth)
	return e, ok && e.Message != ""
}

// speaks reports whether a text is one that people read: an answer that is cut off or not
// JSON is none.
func speaks(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	switch {
	case !unicode.IsLetter(first) && !unicode.IsDigit(first):
		return false
	case strings.HasPrefix(text, "true"), strings.HasPrefix(text, "false"), strings.HasPrefix(text, "null"):
		return false
	}
	return strings.ContainsFunc(text, unicode.IsLetter)
}

// isText reports whether a body is text and not the beginning of JSON or binary data.
func isText(body []byte) bool {
	return utf8.Valid(body[:len(body)-partial(body)]) && bytes.IndexByte(body, 0) < 0 && body[0] != '{' && body[0] != '['
}

// partial is how many bytes at the end are the beginning of a character.
func partial(body []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(body); n++ {
		if tail := body[len(body)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// bounded is a text on one line of at most limit bytes.
func bounded(s string, limit int) string {
	if len(s) > 2*limit {
		s = s[:2*limit]
	}
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	s = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return -1
	}, s)
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
