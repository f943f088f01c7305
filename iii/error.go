package iii

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Codes of an [*Error]. A function may answer with any other.
const (
	CodeInvocationFailed  = "invocation_failed"      // the handler returned an error or panicked
	CodeFunctionNotFound  = "function_not_found"     // no worker serves the function at the moment
	CodeNotInvokable      = "function_not_invokable" // the engine runs the function itself, see [Function.HTTP]
	CodeInvocationStopped = "invocation_stopped"     // the worker that ran the function disconnected; the function may have run
	CodeInvalidRequest    = "invalid_request"        // the handler does not accept the data
	CodeEnqueue           = "enqueue_error"          // the queue is unknown, or the engine has no queue worker
	CodeForbidden         = "FORBIDDEN"              // the engine's access rules forbid the call
	CodeAuth              = "AUTH_ERROR"             // the engine refuses this worker's credentials
	CodeFunctionConflict  = "FUNCTION_NAMESPACE_CONFLICT"
	CodeWorkerConflict    = "WORKER_NAMESPACE_CONFLICT"
)

// An Error is an error that a function or the engine answered with. A [Handler] returns
// one to choose the code that its caller receives.
type Error struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Stacktrace string `json:"stacktrace,omitempty"` // engines from 0.9
}

// Error returns code and message without characters that control a terminal, because
// both come from the peer. The fields have them unchanged.
func (e *Error) Error() string { return printable(e.Code + ": " + e.Message) }

// printable replaces line breaks by spaces, and escapes, other control characters and
// those that change the direction of writing by U+FFFD. The result has at most maxLogText
// bytes.
func printable(s string) string {
	return clip(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.Is(unicode.C, r):
			return unicode.ReplacementChar
		}
		return r
	}, clip(s, maxLogText)), maxLogText)
}

// clip cuts a text to at most limit bytes, between characters.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// Errorf returns an [*Error] with this code and a formatted message.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// HasCode reports whether err holds an [*Error] with this code.
func HasCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

var (
	// ErrConnectionLost: the connection broke after the call had been handed to it. The
	// call is ambiguous: the function may have run, or may still be running. Retry only
	// functions that may run twice. It is also the cause of the context of a handler
	// whose caller can no longer be answered.
	ErrConnectionLost = errors.New("the connection to the iii engine broke")
	// ErrNotSent: the call never reached the engine, so the function has not run. A
	// retry is safe.
	ErrNotSent = errors.New("not sent")
	// ErrQueueFull: [Options.QueueLimit] calls wait for a connection already. It wraps
	// ErrNotSent.
	ErrQueueFull = fmt.Errorf("%w: too many calls wait for a connection to the iii engine", ErrNotSent)
	// ErrTimeout: no answer in time. Unless the error wraps ErrNotSent too, the call is
	// ambiguous: the function may have run or may still be running, because the protocol
	// cannot stop it.
	ErrTimeout = errors.New("timeout")
	// ErrClosed: the worker is shut down or closed.
	ErrClosed = errors.New("the iii worker is closed")
	// ErrRejected: the engine rejects this worker for good, see [Failed].
	ErrRejected = errors.New("the iii engine rejects this worker")
	// ErrNotFound: the state has no value under the key, or there is no such channel.
	ErrNotFound = errors.New("not found")
	// ErrUnsupported: the engine does not have the feature, or it cannot be detected.
	// [Options.Era] replaces the detection.
	ErrUnsupported = errors.New("not supported by this iii engine")
)
