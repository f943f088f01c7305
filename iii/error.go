package iii

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Codes that come with an [*Error]. A function may answer with any other.
const (
	CodeInvocationFailed  = "invocation_failed"      // the handler returned an error or panicked
	CodeFunctionNotFound  = "function_not_found"     // nobody serves the function at the moment
	CodeNotInvokable      = "function_not_invokable" // the engine runs the function itself, see [Function.HTTP]
	CodeInvocationStopped = "invocation_stopped"     // the worker that ran the function disconnected; it may have run
	CodeInvalidRequest    = "invalid_request"        // the data is not what the handler takes
	CodeEnqueue           = "enqueue_error"          // the queue is unknown, or the engine has no queue worker
	CodeForbidden         = "FORBIDDEN"              // the engine's access rules refuse it
	CodeAuth              = "AUTH_ERROR"             // the engine refuses this worker's credentials
	CodeFunctionConflict  = "FUNCTION_NAMESPACE_CONFLICT"
	CodeWorkerConflict    = "WORKER_NAMESPACE_CONFLICT"
)

// An Error is a failure that the other side reports: a function, or the engine.
// A [Handler] returns one to choose the code its caller sees.
type Error struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Stacktrace string `json:"stacktrace,omitempty"` // engines from 0.9
}

// Error is code and message, without characters that control a terminal: both come
// from whoever answers. The fields have them unchanged.
func (e *Error) Error() string { return printable(e.Code + ": " + e.Message) }

// printable replaces what is not to be printed: line breaks by spaces; escapes, other
// control characters and those that change the direction of writing by U+FFFD.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.Is(unicode.C, r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Errorf makes an [*Error] with this code.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// HasCode reports whether err holds an [*Error] with this code.
func HasCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

var (
	// ErrConnectionLost: the connection broke after the call had been handed to it.
	// The function may have run, or may still be running; nobody can say. Call again
	// only what may run twice. It is also the cause with which the context of a
	// handler ends whose caller can no longer be answered.
	ErrConnectionLost = errors.New("the connection to the iii engine broke")
	// ErrNotSent: the call never reached the engine, so that the function has not
	// run. The errors below that say so wrap it.
	ErrNotSent = errors.New("not sent")
	// ErrQueueFull: as many calls as [Options.QueueLimit] wait for a connection
	// already. It wraps ErrNotSent.
	ErrQueueFull = fmt.Errorf("%w: too many calls wait for a connection to the iii engine", ErrNotSent)
	// ErrTimeout: no answer in time. Unless the error is ErrNotSent as well, the
	// function may have run or may still be running: the protocol has no way to
	// stop it.
	ErrTimeout = errors.New("timeout")
	// ErrClosed: the worker has been shut down.
	ErrClosed = errors.New("the iii worker is closed")
	// ErrRejected: the engine does not let this worker stay, see [Failed].
	ErrRejected = errors.New("the iii engine rejects this worker")
	// ErrNotFound: there is no value under the key, or no such channel.
	ErrNotFound = errors.New("not found")
	// ErrUnsupported: the engine has no such feature, or nothing that it lists
	// tells. [Options.Era] decides in place of detection.
	ErrUnsupported = errors.New("not supported by this iii engine")
)
