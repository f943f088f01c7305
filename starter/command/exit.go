package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/interrupt"
	"github.com/parley-run/parley/internal/records"
)

// Exit codes. Scripts rely on them: see docs/starter.md.
const (
	codeOK            = 0
	codeFailed        = 1 // a failure: no Temporal, no worker, a refusal by a platform
	codeUsage         = 2 // a fault in the command line or the configuration
	codeNeedsOperator = 3 // a conversation failed, was cut off, or needs an operator
	codeNotFound      = 4 // no such conversation or schedule
	codeCondition     = 5 // a condition of report --fail-on holds
)

// An exitError ends the command with a code. Without an error it writes nothing more:
// the output says it.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(err error) error { return &exitError{codeUsage, err} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// exit ends the command with a code after the output has given the reason.
func exit(code int) error {
	if code == codeOK {
		return nil
	}
	return &exitError{code: code}
}

func exitCode(ctx context.Context, err error) int {
	var e *exitError
	switch {
	case err == nil:
		return codeOK
	case ctx.Err() != nil:
		return interrupt.Code(ctx)
	case errors.As(err, &e):
		return e.code
	}
	switch records.KindOf(err) {
	case records.NotFound:
		return codeNotFound
	case records.NotUnique, records.Malformed:
		return codeUsage
	}
	return codeFailed
}

// message is one line, or one for each fault of the configuration.
func message(err error) []string {
	if err == nil || err.Error() == "" {
		return nil
	}
	var faults config.Faults
	if errors.As(err, &faults) {
		lines := make([]string, len(faults))
		for i, f := range faults {
			lines[i] = f.Error()
		}
		return lines
	}
	if err == context.DeadlineExceeded { // nolint:errorlint // one that is not wrapped has no text of its own
		return []string{"--timeout has passed"}
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if strings.HasPrefix(text, "unknown command") { // cobra has no type for it
		text += ": `starter --help` lists the commands"
	}
	return []string{text}
}
