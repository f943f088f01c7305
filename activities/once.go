package activities

import (
	"errors"
	"fmt"

	"github.com/parley-run/parley/conversation"
)

var errMayHaveRun = errors.New("it may have run, and is set to run at most once")

// mayHaveRun reports whether a failed request may have taken effect. An error without a
// kind may.
func mayHaveRun(err error) bool {
	if err == nil {
		return false
	}
	e := asError(err)
	return e == nil || e.Ambiguous
}

// notAgain is final: an operator decides what happens next.
func notAgain(name string, cause error) error {
	e := &conversation.Error{
		Kind:      conversation.Invalid,
		Op:        fmt.Sprintf("executor %q", name),
		Err:       fmt.Errorf("%w: %w", errMayHaveRun, cause),
		Remedy:    "find out there whether it has run; set at_most_once to false where running twice does no harm",
		Ambiguous: true,
	}
	if known := asError(cause); known != nil {
		e.Usage = known.Usage
	}
	return e
}
