package modelcall

import (
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
)

// StatusKind returns the kind of an HTTP status without an error code; status 0
// means an error inside an answer.
func StatusKind(status int, retryAfter time.Duration) conversation.Kind {
	return apierror.StatusKind(status, retryAfter)
}

// ErrorText returns the text of an error: the status and message. It quotes the message,
// which may repeat the conversation.
func ErrorText(status int, message string) string {
	return apierror.Error{Message: message}.Text(status)
}
