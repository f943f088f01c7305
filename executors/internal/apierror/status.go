package apierror

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
)

// StatusKind returns the kind of an HTTP status without more; status 0 means an error
// inside an answer.
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
	case status == http.StatusUnavailableForLegalReasons:
		return conversation.Refused
	case status == 0, status >= 500, status == http.StatusLocked, status == http.StatusRequestTimeout, status == http.StatusConflict,
		status == http.StatusTooEarly, status == statusClosed:
		return conversation.Unavailable
	}
	return conversation.Invalid
}

// statusClosed is the status of nginx and of Google's servers for a request that was
// cancelled.
const statusClosed = 499

// Status returns an HTTP status as errors show it; status 0 means an error inside an
// answer.
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

// Text returns the text of a provider's error: the status of the response, or 0 if that
// was a success, the codes and the message. It quotes the message, which may repeat the
// conversation.
func (e Error) Text(status int) string {
	out, message := Status(status), e.Message
	if message == http.StatusText(status) || message == out {
		message = "" // a page's title, or a text that repeats the status
	}
	var words []string
	if first := firstOf(e.Code, e.Type); first != "" {
		words = append(words, first)
	} else if status == 0 && e.Status != 0 {
		words = append(words, strconv.Itoa(e.Status))
	}
	for _, c := range append(words, e.Words...) {
		switch {
		case code.MatchString(c):
			out += ", " + c
		case !strings.Contains(message, c):
			message = strings.TrimSuffix(c+": "+message, ": ")
		}
	}
	if message != "" {
		out += ": " + conversation.Quote(message)
	}
	return out
}

func firstOf(words ...string) string {
	for _, word := range words {
		if word != "" {
			return word
		}
	}
	return ""
}
