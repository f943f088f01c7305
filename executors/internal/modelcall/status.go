package modelcall

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
)

// StatusKind returns the kind of an HTTP status without an error code; status 0
// means an error inside an answer.
func StatusKind(status int, retryAfter time.Duration) conversation.Kind {
	switch {
	case status == http.StatusPaymentRequired && retryAfter > 0:
		return conversation.RateLimited // with a delay the refusal is temporary
	case status == http.StatusPaymentRequired:
		return conversation.QuotaExhausted
	case status == http.StatusTooManyRequests:
		return conversation.RateLimited
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return conversation.Unauthorized
	case status == http.StatusRequestEntityTooLarge:
		return conversation.ContextTooLong
	case status == 0, status >= 500, status == http.StatusRequestTimeout, status == http.StatusConflict,
		status == http.StatusTooEarly:
		return conversation.Unavailable
	}
	return conversation.Invalid
}

// Status returns an HTTP status as errors show it; status 0 means an error
// inside an answer.
func Status(status int) string {
	switch status {
	case 0:
		return "error in the answer"
	case 529:
		return "529 Overloaded" // net/http has no name for it
	}
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// code matches an error code. Anything else is a message.
var code = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,64}$`)

// ErrorText returns the text of a provider's error: the status, codes and message. It
// quotes the message, which may repeat the conversation.
func ErrorText(status int, message string, codes ...string) string {
	out := Status(status)
	for _, c := range codes {
		switch {
		case code.MatchString(c):
			out += ", " + c
		default:
			message = strings.TrimSuffix(c+": "+message, ": ")
		}
	}
	message = strings.TrimPrefix(message, ": ")
	if message != "" {
		out += ": " + conversation.Quote(message)
	}
	return out
}
