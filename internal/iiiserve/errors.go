package iiiserve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
)

// The codes of our errors.
const (
	codeInvalid     = "invalid_input"          // the request makes no sense: it would not the next time either
	codeUnknown     = "unknown_agent"          // no such agent is served here
	codeNotFound    = "conversation_not_found" // no such conversation
	codeOver        = "conversation_over"      // it has ended and takes no message, or the reply is too old
	codeRejected    = "rejected"               // the conversation cannot do that now
	codeRefused     = "refused"                // the agent's guard, or a list of what is allowed, refuses it
	codeAttention   = "needs_attention"        // the conversation waits for a person: the reply is to be had later
	codeOverloaded  = "overloaded"             // too many calls are under way: ask again a little later
	codeTimeout     = "timeout"                // no reply yet: ask again with the same messageId
	codeUnavailable = "unavailable"            // Temporal or its worker does not answer: ask again
	codeFailed      = "failed"                 // anything else
)

func invalid(format string, args ...any) error { return iii.Errorf(codeInvalid, format, args...) }

// coded is the error as callers see it.
func coded(err error) error {
	var (
		said  *iii.Error
		fault *operate.Fault
	)
	text := printable.Text(strings.TrimPrefix(err.Error(), "launch: "))
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(err, launch.ErrOver), errors.Is(err, launch.ErrForgotten):
		return iii.Errorf(codeOver, "%s", text)
	case errors.Is(err, launch.ErrUnknown):
		return iii.Errorf(codeNotFound, "%s", text)
	case errors.As(err, &fault):
		return iii.Errorf(ofFault(fault.Kind), "%s", text)
	case errors.Is(err, context.DeadlineExceeded):
		return iii.Errorf(codeTimeout, "no reply yet: ask again with the same messageId")
	case passing(err):
		return iii.Errorf(codeUnavailable, "%s: ask again with the same messageId", text)
	}
	return iii.Errorf(codeFailed, "%s", text)
}

func ofFault(kind operate.FaultKind) string {
	switch kind {
	case operate.NotFound:
		return codeNotFound
	case operate.Ended:
		return codeOver
	case operate.Rejected:
		return codeRejected
	case operate.Malformed, operate.NotUnique:
		return codeInvalid
	case operate.NoWorker, operate.Unreachable:
		return codeUnavailable
	}
	return codeFailed
}

// passing tells what goes wrong for a while.
func passing(err error) bool {
	var (
		unavailable *serviceerror.Unavailable
		deadline    *serviceerror.DeadlineExceeded
		canceled    *serviceerror.Canceled
		exhausted   *serviceerror.ResourceExhausted
		aborted     *serviceerror.Aborted
		internal    *serviceerror.Internal
		notReady    *serviceerror.WorkflowNotReady
		late        *client.WorkflowUpdateServiceTimeoutOrCanceledError
	)
	return errors.As(err, &unavailable) || errors.As(err, &deadline) || errors.As(err, &canceled) || errors.As(err, &exhausted) ||
		errors.As(err, &aborted) || errors.As(err, &internal) || errors.As(err, &notReady) || errors.As(err, &late) ||
		errors.Is(err, context.Canceled)
}

// decode reads a request. Keys that are not known are let pass: engines add some.
func decode(data json.RawMessage, into any) error {
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return invalid("the request must be an object")
	}
	if err := json.Unmarshal(data, into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return invalid("%s is a %s: it must be a %s", wrong.Field, wrong.Value, wrong.Type)
		}
		return invalid("the request: %v", err)
	}
	return nil
}

// missing names the first field that is empty.
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
