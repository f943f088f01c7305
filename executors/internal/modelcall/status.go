package modelcall

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
)

// StatusKind is what an HTTP status means where nothing else says; 0 stands for
// none.
func StatusKind(status int, retryAfter time.Duration) conversation.Kind {
	switch {
	case status == http.StatusPaymentRequired && retryAfter > 0:
		return conversation.RateLimited // the header beats the status: it is temporary
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

// Status is an HTTP status as errors show it, or for 0 what stands in its place.
func Status(status int) string {
	switch status {
	case 0:
		return "error in the answer"
	case 529:
		return "529 Overloaded" // a name that Go does not know
	}
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// Said puts together what a provider said instead of an answer: a status, codes if
// there are any, and a message if there is one.
func Said(status int, message string, codes ...string) string {
	out := Status(status)
	for _, code := range codes {
		if code != "" {
			out += ", " + code
		}
	}
	if message != "" {
		out += ": " + message
	}
	return out
}
