package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
)

// maxBody is far above the size of a message.
const maxBody = 8 << 20

// A fieldError is one entry of a 422's list, as the original's framework has it.
type fieldError struct {
	Type  string         `json:"type"`
	Loc   []any          `json:"loc"`
	Msg   string         `json:"msg"`
	Input any            `json:"input"`
	Ctx   map[string]any `json:"ctx,omitempty"`
}

// A form reads a request's parameters and body and collects validation errors.
type form struct {
	r     *http.Request
	query url.Values
	errs  []fieldError
}

func newForm(r *http.Request) *form { return &form{r: r, query: r.URL.Query()} }

func (f *form) err() error {
	if len(f.errs) == 0 {
		return nil
	}
	return &httpError{status: http.StatusUnprocessableEntity, detail: f.errs}
}

func (f *form) fail(kind, msg string, input any, loc ...any) {
	f.errs = append(f.errs, fieldError{Type: kind, Loc: loc, Msg: msg, Input: input})
}

func (f *form) missing(loc ...any) { f.fail("missing", "Field required", nil, loc...) }

// project is the required project_id.
func (f *form) project() string {
	if !f.query.Has("project_id") {
		f.missing("query", "project_id")
	}
	return f.query.Get("project_id")
}

type page struct{ limit, offset int }

func (f *form) page() page {
	return page{limit: f.number("limit", 10, 1, 100), offset: f.number("offset", 0, 0, math.MaxInt)}
}

func (f *form) number(name string, otherwise, least, most int) int {
	if !f.query.Has(name) {
		return otherwise
	}
	text := f.query.Get(name)
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		f.fail("int_parsing", "Input should be a valid integer, unable to parse string as an integer", text, "query", name)
	case n < least:
		f.fail("greater_than_equal", fmt.Sprintf("Input should be greater than or equal to %d", least), text, "query", name)
		f.errs[len(f.errs)-1].Ctx = map[string]any{"ge": least}
	case n > most:
		f.fail("less_than_equal", fmt.Sprintf("Input should be less than or equal to %d", most), text, "query", name)
		f.errs[len(f.errs)-1].Ctx = map[string]any{"le": most}
	}
	return n
}

// cut returns the page of rows.
func cut[T, U any](p page, rows []T, wire func(T) U) list[U] {
	from := min(p.offset, len(rows))
	to := from + min(p.limit, len(rows)-from)
	out := list[U]{Data: make([]U, 0, to-from), HasMore: to < len(rows)}
	for _, r := range rows[from:to] {
		out.Data = append(out.Data, wire(r))
	}
	return out
}

// body reads a required JSON object.
func (f *form) body() (map[string]any, error) {
	data, err := io.ReadAll(http.MaxBytesReader(nil, f.r.Body, maxBody))
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return nil, &httpError{status: http.StatusRequestEntityTooLarge, detail: "Request body too large"}
	}
	if err != nil {
		return nil, badRequest("There was an error reading the body")
	}
	if len(bytes.TrimSpace(data)) == 0 {
		f.missing("body")
		return nil, nil
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err = dec.Decode(&v); err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("extra data")
		}
	}
	if err != nil {
		f.fail("json_invalid", "JSON decode error", map[string]any{}, "body", dec.InputOffset())
		f.errs[len(f.errs)-1].Ctx = map[string]any{"error": err.Error()}
		return nil, nil
	}
	switch v := v.(type) {
	case map[string]any:
		return v, nil
	case nil:
		f.missing("body")
	default:
		f.fail("model_attributes_type", "Input should be a valid dictionary or object to extract fields from", v, "body")
	}
	return nil, nil
}

// The readers below do nothing if the body is not an object: body has reported that.

func (f *form) text(body map[string]any, name string) string {
	if body == nil {
		return ""
	}
	v, ok := body[name]
	if !ok {
		f.missing("body", name)
		return ""
	}
	return f.asText(v, "body", name)
}

// optionalText is nil if the field is absent or null.
func (f *form) optionalText(body map[string]any, name string) *string {
	if v, ok := body[name]; ok && v != nil {
		text := f.asText(v, "body", name)
		return &text
	}
	return nil
}

func (f *form) asText(v any, loc ...any) string {
	text, ok := v.(string)
	if !ok {
		f.fail("string_type", "Input should be a valid string", v, loc...)
	}
	return text
}

func (f *form) optionalObject(body map[string]any, name string) map[string]any {
	v, ok := body[name]
	if !ok || v == nil {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		f.fail("dict_type", "Input should be a valid dictionary", v, "body", name)
	}
	return m
}

func (f *form) flag(body map[string]any, name string) bool {
	v, ok := body[name]
	if !ok {
		return false
	}
	on, ok := v.(bool)
	if !ok {
		f.fail("bool_type", "Input should be a valid boolean", v, "body", name)
	}
	return on
}

// count reads a number. OneRun sets no upper limit; most keeps a mistyped number from
// filling the memory.
func (f *form) count(body map[string]any, name string, otherwise *int, most int) int {
	if body == nil {
		return 0
	}
	v, ok := body[name]
	if !ok && otherwise != nil {
		return *otherwise
	}
	if !ok {
		f.missing("body", name)
		return 0
	}
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	x, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		f.fail("int_type", "Input should be a valid integer", v, "body", name)
	case x != math.Trunc(x) || math.IsInf(x, 0):
		f.fail("int_from_float", "Input should be a valid integer, got a number with a fractional part", v, "body", name)
	case x > float64(most):
		f.fail("less_than_equal", fmt.Sprintf("Input should be less than or equal to %d", most), v, "body", name)
	default:
		return int(max(x, math.MinInt32))
	}
	return 0
}

func (f *form) texts(body map[string]any, name string) []string {
	v, ok := body[name]
	if !ok {
		return nil
	}
	entries, ok := v.([]any)
	if !ok {
		f.fail("list_type", "Input should be a valid list", v, "body", name)
	}
	var out []string
	for i, e := range entries {
		out = append(out, f.asText(e, "body", name, i))
	}
	return out
}

// input reads the messages of a responses call: the texts of each.
func (f *form) input(body map[string]any) [][]string {
	v := body["input"]
	if v == nil {
		return nil
	}
	entries, ok := v.([]any)
	if !ok {
		f.fail("list_type", "Input should be a valid list", v, "body", "input")
	}
	var out [][]string
	for i, e := range entries {
		out = append(out, f.message(e, i))
	}
	return out
}

func (f *form) message(v any, i int) []string {
	m, ok := v.(map[string]any)
	if !ok {
		f.fail("model_attributes_type", "Input should be a valid dictionary or object to extract fields from", v, "body", "input", i)
		return nil
	}
	f.literal(m, "message", "body", "input", i)
	parts, present := m["content"]
	if !present {
		f.missing("body", "input", i, "content")
		return nil
	}
	entries, ok := parts.([]any)
	if !ok {
		f.fail("list_type", "Input should be a valid list", parts, "body", "input", i, "content")
	}
	texts := []string{}
	for j, e := range entries {
		block, ok := e.(map[string]any)
		if !ok {
			f.fail("model_attributes_type", "Input should be a valid dictionary or object to extract fields from", e, "body", "input", i, "content", j)
			continue
		}
		f.literal(block, "text", "body", "input", i, "content", j)
		if text, ok := block["text"]; ok {
			texts = append(texts, f.asText(text, "body", "input", i, "content", j, "text"))
		} else {
			f.missing("body", "input", i, "content", j, "text")
		}
	}
	return texts
}

// literal checks that the object's type is want.
func (f *form) literal(m map[string]any, want string, loc ...any) {
	loc = path(loc, "type")
	if v, ok := m["type"]; !ok {
		f.missing(loc...)
	} else if v != want {
		f.fail("literal_error", fmt.Sprintf("Input should be '%s'", want), v, loc...)
	}
}
