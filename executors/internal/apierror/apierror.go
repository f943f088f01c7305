package apierror

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-run/parley/internal/httpclient"
)

// Bounds of what is read and kept.
const (
	maxBody    = 64 << 10
	maxParsed  = 8 * maxBody // in all texts within texts
	maxMessage = 2000
	maxCode    = 200
	maxDepth   = 8 // of objects, and of JSON texts within texts
	maxItems   = 5 // of a list of errors
	maxUnknown = 200
)

// An Error is what a body reports.
type Error struct {
	// Code and Type are the body's own, such as "context_length_exceeded" and
	// "invalid_request_error". A code that is an HTTP status is in Status.
	Code, Type string
	// Param names the parameter at fault.
	Param string
	// Words are further codes: Google's reasons and quotas, codes of inner errors.
	Words []string
	// Status is the HTTP status that the body names, or 0.
	Status int
	// Message is a bounded line of the peer's text. It may hold secrets and parts of the
	// conversation.
	Message string
	// RetryAfter is the wait that the body asks for.
	RetryAfter time.Duration

	// scheme is the shape that the code belongs to: vendors use the same numbers.
	scheme string
	// lasting means that a field of the body describes a quota for a day or longer.
	lasting bool
	// plain means that the body is a text.
	plain bool
	// listed means that a list of faults in parameters is the message.
	listed bool
}

// Read returns the error that the body of an error response reports. It reports false for
// a body of no known shape: then the message is the beginning of the body.
func Read(body []byte) (Error, bool) {
	r := &reader{budget: maxParsed}
	e, ok := r.body(cut(body), r.value)
	if !ok && e.Message == "" {
		e.Message = bounded(string(body[:min(len(body), 4*maxUnknown)]), maxUnknown)
	}
	return e.finished(r), ok
}

// Within returns the error in a body or an event that came with a status of success. It
// reports false if there is none, or if a usable answer stands beside it.
func Within(raw []byte) (Error, bool) {
	if !utf8.Valid(raw) {
		return Error{}, false
	}
	r := &reader{budget: maxParsed, whole: true}
	e, ok := r.body(cut(raw), r.within)
	return e.finished(r), ok
}

// Declared is [Within] for a format in which a message by itself is an answer: the error
// must be called one, or have a code.
func Declared(raw []byte) (Error, bool) {
	r := &reader{budget: maxParsed, whole: true}
	v, ok := r.parse(trimmed(cut(raw)))
	m, isObject := v.(map[string]any)
	if !ok || !isObject || object(m).usable() || !object(m).declares() {
		return Error{}, false
	}
	e := r.own(m, 0)
	return e.finished(r), e.Message != "" || e.Code != ""
}

// OfText is the error of a message without a body around it, which may itself hold a body.
func OfText(message string) Error {
	r := &reader{budget: maxParsed}
	if len(message) > maxBody {
		message = message[:maxBody]
	}
	return r.text(message, 0).finished(r)
}

// failure is an Error as one of Go's.
type failure struct{ report Error }

func (f *failure) Error() string { return f.report.Message }

// Err returns the error as one of Go's, for packages whose exported names must not have
// an internal type. [Of] returns it again.
func (e Error) Err() error { return &failure{e} }

// Of returns the Error in err's chain, or else that of its text.
func Of(err error) Error {
	var f *failure
	if errors.As(err, &f) {
		return f.report
	}
	return OfText(err.Error())
}

func cut(body []byte) []byte { return body[:min(len(body), maxBody)] }

// finished bounds the texts and reads what the message says in words.
func (e Error) finished(r *reader) Error {
	e.Message = bounded(e.Message, maxMessage)
	e.Code, e.Type, e.Param = bounded(e.Code, maxCode), bounded(e.Type, maxCode), bounded(e.Param, maxCode)
	if len(e.Words) > maxItems {
		e.Words = e.Words[:maxItems]
	}
	for i, word := range e.Words {
		e.Words[i] = bounded(word, maxCode)
	}
	e.RetryAfter = httpclient.WaitOf(r.wait, e.Message)
	if e.Param == "" {
		e.Param = paramIn(e.Message)
	}
	return e
}

// HasCodes reports whether the body says more than the message.
func (e Error) HasCodes() bool {
	return e.Code != "" || e.Type != "" || e.Status != 0 || len(e.Words) > 0 || e.Param != ""
}

// IsPlain reports whether the body was a plain text.
func (e Error) IsPlain() bool { return e.plain }

// codes are all of the error's codes, lower case.
func (e Error) codes() []string {
	var out []string
	for _, code := range append([]string{e.Code, e.Type}, e.Words...) {
		if code != "" {
			out = append(out, strings.ToLower(code))
		}
	}
	return out
}

// Is reports whether one of the error's codes is the given one, in any case.
func (e Error) Is(code string) bool {
	for _, have := range e.codes() {
		if strings.EqualFold(have, code) {
			return true
		}
	}
	return false
}
