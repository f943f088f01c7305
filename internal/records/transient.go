package records

import (
	"errors"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

// Transient reports whether an error of Temporal's server or client may pass without a
// change: a retry can succeed.
func Transient(err error) bool {
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
		errors.As(err, &aborted) || errors.As(err, &internal) || errors.As(err, &notReady) || errors.As(err, &late)
}
