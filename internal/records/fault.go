package records

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/workflows"
)

// A FaultKind says what a caller can do about a Fault.
type FaultKind string

// The kinds.
const (
	NotFound    FaultKind = "not_found"   // no such conversation
	NotUnique   FaultKind = "not_unique"  // several conversations have that name
	Malformed   FaultKind = "malformed"   // an invalid filter or query
	Ended       FaultKind = "ended"       // the workflow has closed
	Rejected    FaultKind = "rejected"    // the workflow refused the request
	NoWorker    FaultKind = "no_worker"   // no worker answers on the task queue
	Unreachable FaultKind = "unreachable" // Temporal does not answer
	Failed      FaultKind = "failed"      // anything else
)

// A Fault is an error in one line, for operators. Act on Kind, never on the text.
type Fault struct {
	Kind FaultKind
	Text string
	// Err is the cause, or nil. It is not part of the text.
	Err error
}

func (f *Fault) Error() string { return f.Text }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// KindOf is the kind of the first Fault in err's chain, Failed if there is none,
// and empty for nil.
func KindOf(err error) FaultKind {
	if err == nil {
		return ""
	}
	var f *Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	return Failed
}

// Faultf makes a Fault. cause may be nil, and is not part of the text.
func Faultf(kind FaultKind, cause error, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Text: fmt.Sprintf(format, args...), Err: cause}
}

// Explain turns an error of the server or the SDK into a Fault. op is the operation:
// "list conversations".
func (r *Reader) Explain(op string, err error) error {
	if err == nil {
		return nil
	}
	var (
		known       *Fault
		namespace   *serviceerror.NamespaceNotFound
		notFound    *serviceerror.NotFound
		unavailable *serviceerror.Unavailable
		deadline    *serviceerror.DeadlineExceeded
		canceled    *serviceerror.Canceled
		invalid     *serviceerror.InvalidArgument
		denied      *serviceerror.PermissionDenied
		late        *client.WorkflowUpdateServiceTimeoutOrCanceledError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.Canceled), errors.As(err, &canceled):
		return Faultf(Failed, context.Canceled, "%s: interrupted", op)
	case errors.As(err, &namespace):
		return Faultf(Failed, err, "%s: Temporal at %s has no namespace %q: create it, or give another with --namespace", op, r.Address, r.Namespace)
	case errors.As(err, &late):
		return Faultf(NoWorker, err, "%s: no worker answered in time: check that one runs on task queue %q", op, r.TaskQueue)
	case errors.As(err, &unavailable):
		return Faultf(Unreachable, err, "%s: Temporal at %s does not answer: check that it runs, and the address", op, r.Address)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &deadline):
		return Faultf(Unreachable, err, "%s: Temporal at %s did not answer in time", op, r.Address)
	case errors.As(err, &denied):
		return Faultf(Failed, err, "%s: Temporal at %s does not permit it: %s", op, r.Address, FirstLine(err))
	case errors.As(err, &invalid) && unknownAttribute(err):
		return Faultf(Failed, err, "%s: %s: run `starter setup` once to register the search attributes", op, FirstLine(err))
	case errors.As(err, &invalid):
		return Faultf(Malformed, err, "%s: %s", op, FirstLine(err))
	case errors.As(err, &notFound):
		return Faultf(NotFound, err, "%s: %s", op, FirstLine(err))
	}
	return Faultf(Failed, err, "%s: %s", op, FirstLine(err))
}

// unknownAttribute recognizes a namespace without our search attributes, the usual state
// of a new one.
func unknownAttribute(err error) bool {
	text := err.Error()
	for _, key := range workflows.SearchAttributes() { // the wording differs between servers
		if strings.Contains(text, key.GetName()) {
			lower := strings.ToLower(text)
			return strings.Contains(lower, "search attribute") || strings.Contains(lower, "column")
		}
	}
	return false
}

// FirstLine keeps texts of many lines out of a terminal.
func FirstLine(err error) string {
	var app *temporal.ApplicationError
	text := err.Error()
	if errors.As(err, &app) {
		text = app.Message() // Error() would add the type and whether it is retryable
	}
	text = strings.TrimPrefix(text, "rpc error: ")
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return printable.ClipLetters(line, 300)
}
