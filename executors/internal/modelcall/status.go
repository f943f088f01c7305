package modelcall

import "github.com/parley-run/parley/executors/internal/apierror"

// ErrorText returns the text of an error: the status and message. It quotes the message,
// which may repeat the conversation.
func ErrorText(status int, message string) string {
	return apierror.Error{Message: message}.Text(status)
}
