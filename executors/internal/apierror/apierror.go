package apierror

import (
	"strings"
	"time"
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
	return e.finished(), ok
}

// Within returns the error in a body or an event that came with a status of success. It
// reports false if there is none, or if a usable answer stands beside it.
func Within(raw []byte) (Error, bool) {
	r := &reader{budget: maxParsed}
	e, ok := r.body(cut(raw), r.within)
	return e.finished(), ok
}

func cut(body []byte) []byte { return body[:min(len(body), maxBody)] }

// finished bounds the texts and reads what the message says in words.
func (e Error) finished() Error {
	e.Message = bounded(e.Message, maxMessage)
	e.Code, e.Type, e.Param = bounded(e.Code, maxCode), bounded(e.Type, maxCode), bounded(e.Param, maxCode)
	if len(e.Words) > maxItems {
		e.Words = e.Words[:maxItems]
	}
	for i, word := range e.Words {
		e.Words[i] = bounded(word, maxCode)
	}
	if e.RetryAfter == 0 {
		e.RetryAfter = waitIn(e.Message)
	}
	if e.Param == "" {
		e.Param = paramIn(e.Message)
	}
	return e
}

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
