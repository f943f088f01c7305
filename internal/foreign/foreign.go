// Package foreign tells an answer over HTTP of the service itself from one of something
// in front of it: a proxy, a login page, another server. Such an answer does not concern
// the request. It may be retried, and is never final.
package foreign

import (
	"bytes"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
)

// The What of a web page, and of a proxy's refusal to pass on a request of that size.
const (
	Page     = "a web page"
	TooLarge = "a proxy's limit on the size of requests"
)

// An Error is an answer that is not the service's own.
type Error struct {
	Status int
	// RetryAfter is the shortest wait. Zero: none is given.
	RetryAfter time.Duration
	// What describes the answer, such as "a web page". Empty: Said has its text.
	What string
	// Said is the answer's text, or the title of a page, as it came: see Clean.
	Said string
	// Of names the service. Empty: the agent.
	Of string
}

// Error is the status, what came, and that it is not the service's own.
func (e *Error) Error() string {
	s := strings.TrimSpace(strconv.Itoa(e.Status) + " " + http.StatusText(e.Status))
	said := conversation.Quote(e.Said)
	switch {
	case e.What != "" && said != "":
		s += ": " + e.What + " (" + said + ")"
	case e.What != "" || said != "":
		s += ": " + e.What + said
	}
	of := e.Of
	if of == "" {
		of = "agent"
	}
	return s + "; this is not the " + of + "'s own answer"
}

// Is reports whether both are web pages with the same status, whatever their titles.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error) //nolint:errorlint // the target itself
	return ok && e.What == Page && t.What == Page && e.Status == t.Status
}

// Redirects reports whether the answer was a redirect.
func (e *Error) Redirects() bool { return e.Status >= 300 && e.Status < 400 }

// Clean is the error with its text made fit to be shown.
func (e *Error) Clean(clean func(string) string) *Error {
	out := *e
	out.Said = clean(e.Said)
	return &out
}

// Find is the answer as an Error if it is not the service's own, and nil if it is, or if
// its status has the same meaning from any server. Own says whether a body that is no
// page, and not empty, is in the service's shape.
func Find(status int, header http.Header, body []byte, own func() bool) *Error {
	e := &Error{Status: status}
	switch {
	case status == http.StatusRequestEntityTooLarge && ofProxy(header, body) && (IsPage(header, body) || !own()):
		e.What, e.Said = TooLarge, Title(body)
	case status >= 500, meansTheSame(status):
		return nil
	case IsPage(header, body):
		e.What, e.Said = Page, Title(body)
	case status == http.StatusUnauthorized && asksForToken(header):
		return nil
	case status >= 300 && status < 400:
		e.What = "a redirect"
	case len(bytes.TrimSpace(body)) == 0:
		e.What = "an empty body"
	case status < 300 || !own():
		e.Said = strings.ToValidUTF8(string(body), "?")
	default:
		return nil
	}
	return e
}

// asksForToken reports whether the answer requests a token, which a service may do
// without a body, and a proxy does not.
func asksForToken(header http.Header) bool {
	return strings.HasPrefix(strings.ToLower(header.Get("WWW-Authenticate")), "bearer")
}

// ofProxy reports whether a refusal of a large request is a page or a plain text: the
// limit is a proxy's, in bytes.
func ofProxy(header http.Header, body []byte) bool {
	body = trimmed(body)
	if IsPage(header, body) {
		return true
	}
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return len(body) > 0 && body[0] != '{' && body[0] != '[' && body[0] != '<' && (media == "text/plain" || proxyText.Match(body[:min(len(body), maxTitle)]))
}

// proxyText matches the texts of common proxies.
var proxyText = regexp.MustCompile(`(?i)^(413|request entity too large|payload too large|content too large|client intended|http: request body too large|request body too large$)`)

// meansTheSame is for statuses that have the same meaning from any server.
func meansTheSame(status int) bool {
	switch status {
	case http.StatusPaymentRequired, http.StatusRequestTimeout, http.StatusConflict,
		http.StatusRequestEntityTooLarge, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return false
}
