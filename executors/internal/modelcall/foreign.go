package modelcall

import (
	"errors"
	"net/http"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/foreign"
)

// ErrWebPage is a web page under a status of success.
var ErrWebPage error = &foreign.Error{Status: http.StatusOK, What: foreign.Page}

// The remedies for answers that are not the model's own. Executors may add to
// RemedyAPI how base_url should end.
const (
	RemedyRedirect = "set base_url to where the server redirects"
	RemedyAPI      = "check that base_url leads to the API"
)

// Foreign is the response as an error if it comes from something in front of who was
// asked, and nil if it does not. Own says whether the body is in their own shape.
func Foreign(res *http.Response, body []byte, own func() bool) error {
	e := foreign.Find(res.StatusCode, res.Header, body, own)
	if e == nil {
		return nil
	}
	e.RetryAfter = RetryAfter(res.Header, time.Now())
	return e
}

// IsForeign finds an answer that comes from something in front of who was asked.
func IsForeign(err error) (*foreign.Error, bool) {
	var e *foreign.Error
	return e, errors.As(err, &e)
}

// ForeignStatus is the status of such an answer, or 0 if err is none.
func ForeignStatus(err error) int {
	if e, ok := IsForeign(err); ok {
		return e.Status
	}
	return 0
}

// foreignAnswer is the error for an answer of something in front of a model.
func foreignAnswer(op string, e *foreign.Error, clean func(string) string) *conversation.Error {
	out := &conversation.Error{
		Kind: conversation.Unavailable, Op: op, Err: e.Clean(clean), RetryAfter: e.RetryAfter, Remedy: RemedyAPI,
	}
	if e.Redirects() {
		out.Remedy = RemedyRedirect
	}
	return out
}
