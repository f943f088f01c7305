package apierror

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// object is a decoded JSON object.
type object map[string]any

// value reads a decoded JSON value.
func (r *reader) value(v any, depth int) (Error, bool) {
	if depth > maxDepth {
		return Error{}, false
	}
	switch v := v.(type) {
	case map[string]any:
		return r.object(v, depth)
	case []any:
		return r.list(v, depth)
	case string:
		if strings.TrimSpace(v) == "" {
			return Error{}, false
		}
		if e, ok := r.nested(strings.TrimSpace(v), depth+1); ok {
			return e, true
		}
		return r.text(v, depth+1), true
	}
	return Error{}, false
}

// list reads a list of errors: the first with its message, and the messages of others.
func (r *reader) list(list []any, depth int) (Error, bool) {
	var (
		out   Error
		found bool
	)
	for _, v := range list[:min(len(list), maxItems)] {
		e, ok := r.value(v, depth+1)
		switch {
		case !ok:
		case !found:
			out, found = e, true
		case e.Message != "" && !strings.Contains(out.Message, e.Message):
			out.Message = joined(out.Message, "; ", e.Message)
			out.listed = true
		}
	}
	return out, found
}

func joined(a, between, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + between + b
}

// envelopes are members that hold an error in an object of their own, in the order in
// which they are tried.
var envelopes = []string{"error", "Error", "errors", "base_resp", "fault", "Fault", "ResponseMetadata", "Response", "header"}

// object reads an object: the error within it, its own members, or what another object
// wraps.
func (r *reader) object(m object, depth int) (Error, bool) {
	if depth > maxDepth {
		return Error{}, false
	}
	own := r.own(m, depth)
	if inner, ok := r.enveloped(m, depth); ok {
		return inner.with(own), true
	}
	if own.Message != "" || own.Code != "" {
		return own, true
	}
	for _, name := range []string{"response", "data", "result", "body"} { // an error that a gateway wraps
		if inner, ok := r.wrapped(m[name], depth); ok {
			return inner.with(own), true
		}
	}
	return own, false
}

// enveloped reads the error in one of the envelopes.
func (r *reader) enveloped(m object, depth int) (Error, bool) {
	for _, name := range envelopes {
		if inner, ok := r.envelope(m, name, depth); ok {
			return inner, true
		}
	}
	return Error{}, false
}

// wrapped reads an error within an object that may also be an answer.
func (r *reader) wrapped(v any, depth int) (Error, bool) {
	m, ok := v.(map[string]any)
	if !ok || m["error"] == nil && m["Error"] == nil {
		return Error{}, false
	}
	return r.object(m, depth+1)
}

// envelope reads a member that holds an error.
func (r *reader) envelope(m object, name string, depth int) (Error, bool) {
	switch v := m[name].(type) {
	case map[string]any:
		return r.inner(m, name, v, depth)
	case []any:
		return r.list(v, depth+1)
	case string:
		return r.named(m, name, v, depth)
	case json.Number:
		if name == "error" && !isZero(v) && m.message() != "" { // the message stands beside it
			return Error{Code: v.String()}.withStatus(v.String()), true
		}
	}
	return Error{}, false
}

// inner reads an object that describes an error. One without content is none.
func (r *reader) inner(m object, name string, v object, depth int) (Error, bool) {
	switch name {
	case "base_resp", "header":
		code := v.text("status_code", "code")
		if code == "" || code == "0" {
			return Error{}, false
		}
		return Error{Code: code, Message: v.text("status_msg", "message", "msg"), scheme: name}, true
	case "Response", "ResponseMetadata":
		if _, ok := v["Error"].(map[string]any); !ok {
			return Error{}, false
		}
	}
	e, ok := r.object(v, depth+1)
	if ok || len(v) == 0 {
		return e, ok
	}
	if faults := faultsOfFields(v); name == "errors" && faults != "" {
		return Error{Message: joined(m.message(), ": ", faults)}, true
	}
	if m.message() != "" || e.Code != "" || e.Type != "" { // the message stands beside it
		return e, true
	}
	raw, err := json.Marshal(v)
	return Error{Message: string(raw)}, err == nil && !allZero(v)
}

// faultsOfFields reads the lists of texts that ASP.NET and Rails give by the fields that
// they are about.
func faultsOfFields(v object) string {
	var all []string
	for _, field := range slices.Sorted(maps.Keys(v)) {
		list, ok := v[field].([]any)
		if !ok {
			continue
		}
		for _, item := range list {
			if text, ok := item.(string); ok && len(all) < maxItems {
				all = append(all, joined(field, ": ", text))
			}
		}
	}
	return strings.Join(all, "; ")
}

// named reads an error that is a text: a message, a code with the message beside it, or
// a JSON text.
func (r *reader) named(m object, name, text string, depth int) (Error, bool) {
	text = strings.TrimSpace(text)
	if text == "" || name != "error" && name != "Error" && name != "errors" && name != "fault" {
		return Error{}, false
	}
	if e, ok := r.nested(text, depth+1); ok {
		return e, true
	}
	more := m.text("error_description", "message", "detail", "msg", "description", "reason")
	if more != "" && isCode(text) {
		return Error{Code: text}, true
	}
	if isStatus(text) && (more != "" || m.message() != "") {
		return Error{}, true
	}
	return r.text(text, depth+1), true
}

// isCode reports whether a text is a code and not a sentence.
func isCode(s string) bool {
	return len(s) <= 64 && !strings.ContainsAny(s, " \t\n") && (strings.ContainsAny(s, "_.-") || strings.ToLower(s[1:]) != s[1:] || strings.ToLower(s) == s)
}

// isStatus reports whether a text is the name of an HTTP status.
func isStatus(s string) bool {
	for status := 400; status < 600; status++ {
		if name := http.StatusText(status); name != "" && strings.EqualFold(name, s) {
			return true
		}
	}
	return false
}

// with adds to an inner error what stands beside it.
func (e Error) with(outer Error) Error {
	switch {
	case e.Message == "":
		e.Message = outer.Message
	case outer.Message != "" && !strings.Contains(e.Message, outer.Message) && !strings.Contains(outer.Message, e.Message):
		e.Message = joined(outer.Message, ": ", e.Message)
	}
	for _, code := range append([]string{outer.Code, outer.Type}, outer.Words...) {
		switch {
		case code == "" || code == "error" || strings.EqualFold(code, e.Code) || strings.EqualFold(code, e.Type):
		case e.Code == "" && code == outer.Code:
			e.Code = code
		case e.Type == "" && code == outer.Type:
			e.Type = code
		default:
			e.Words = append(e.Words, code)
		}
	}
	e.Status, e.Param = cmp.Or(e.Status, outer.Status), cmp.Or(e.Param, outer.Param)
	e.RetryAfter = cmp.Or(e.RetryAfter, outer.RetryAfter)
	e.scheme = cmp.Or(e.scheme, outer.scheme)
	e.lasting = e.lasting || outer.lasting
	e.listed = e.listed || outer.listed
	return e
}

// withStatus moves a code that is an HTTP status to Status.
func (e Error) withStatus(code string) Error {
	if n, err := strconv.Atoi(code); err == nil && n >= 400 && n <= 599 {
		e.Status = cmp.Or(e.Status, n)
		if e.Code == code {
			e.Code = ""
		}
	}
	return e
}

// text is the first member with a text or a number that is not empty.
func (m object) text(names ...string) string {
	for _, name := range names {
		switch v := m[name].(type) {
		case string:
			if v = strings.TrimSpace(v); v != "" {
				return v
			}
		case json.Number:
			return v.String()
		}
	}
	return ""
}

func isZero(n json.Number) bool {
	f, err := n.Float64()
	return err == nil && f == 0
}

// allZero reports whether every member is null, empty, false or zero.
func allZero(m object) bool {
	for _, v := range m {
		switch v := v.(type) {
		case nil:
		case string:
			if v != "" {
				return false
			}
		case bool:
			if v {
				return false
			}
		case json.Number:
			if !isZero(v) {
				return false
			}
		case map[string]any:
			if !allZero(v) {
				return false
			}
		case []any:
			if len(v) > 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// place is the path of a fault, as FastAPI gives it: ["body", "messages", 0].
func place(v any) (path, last string) {
	list, _ := v.([]any)
	var words []string
	for i, part := range list[:min(len(list), 2*maxDepth)] {
		word := fmt.Sprint(part)
		if i == 0 && (word == "body" || word == "query") {
			continue
		}
		words = append(words, word)
		if _, isText := part.(string); isText && last == "" {
			last = word
		}
	}
	return strings.Join(words, "."), last
}
