package iiiserve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
)

// The codes of the errors that callers receive.
const (
	codeInvalid     = "invalid_input"          // the request is invalid; a retry does not help
	codeUnknown     = "unknown_agent"          // no such agent is served here
	codeNotFound    = "conversation_not_found" // no such conversation
	codeOver        = "conversation_over"      // it has ended and takes no message, or the reply is too old
	codeRejected    = "rejected"               // the conversation cannot do that now
	codeRefused     = "refused"                // the agent's guard, or the list of personas, refuses it
	codeAttention   = "needs_attention"        // the conversation is parked: retry once it is resumed
	codeOverloaded  = "overloaded"             // too many calls run: retry after a second
	codeTimeout     = "timeout"                // no reply yet: retry with the same messageId
	codeUnavailable = "unavailable"            // Temporal or its worker does not answer: retry
	codeFailed      = "failed"                 // anything else
)

func invalid(format string, args ...any) error { return iii.Errorf(codeInvalid, format, args...) }

// coded is the error that the caller receives.
func coded(err error) error {
	var (
		given *iii.Error
		fault *records.Fault
	)
	text := printable.Text(err.Error())
	switch {
	case errors.As(err, &given):
		return given
	case errors.Is(err, launch.ErrOver), errors.Is(err, launch.ErrForgotten):
		return iii.Errorf(codeOver, "%s", text)
	case errors.Is(err, launch.ErrUnknown):
		return iii.Errorf(codeNotFound, "%s", text)
	case errors.As(err, &fault):
		return iii.Errorf(faultCode(fault.Kind), "%s", text)
	case errors.Is(err, context.DeadlineExceeded):
		return iii.Errorf(codeTimeout, "no reply yet: retry with the same messageId")
	case transient(err):
		return iii.Errorf(codeUnavailable, "%s: retry with the same messageId", text)
	}
	return iii.Errorf(codeFailed, "%s", text)
}

func faultCode(kind records.FaultKind) string {
	switch kind {
	case records.NotFound:
		return codeNotFound
	case records.Ended:
		return codeOver
	case records.Rejected:
		return codeRejected
	case records.Malformed, records.NotUnique:
		return codeInvalid
	case records.NoWorker, records.Unreachable:
		return codeUnavailable
	}
	return codeFailed
}

// transient reports whether a retry may succeed. A call is cancelled when its connection
// breaks.
func transient(err error) bool { return records.Transient(err) || errors.Is(err, context.Canceled) }

// decode decodes a request. It accepts unknown keys, because engines add some.
func decode(data json.RawMessage, into any) error {
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return invalid("the request must be an object")
	}
	if err := json.Unmarshal(data, into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return invalid("%s is a %s, must be a %s", wrong.Field, wrong.Value, wrong.Type)
		}
		return invalid("the request: %v", err)
	}
	return nil
}

// missing returns an error for the first field, of name and value, that is empty.
func missing(fields ...[2]string) error {
	for _, f := range fields {
		if strings.TrimSpace(f[1]) == "" {
			return invalid("%s is missing", f[0])
		}
	}
	return nil
}

func quoted(values []string) string {
	for i, v := range values {
		values[i] = fmt.Sprintf("%q", v)
	}
	return strings.Join(values, ", ")
}
