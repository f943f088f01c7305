package modelcall

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/internal/httpclient"
)

// ErrWebPage is a web page with a status of success.
var ErrWebPage error = &foreign.Error{Status: http.StatusOK, What: foreign.Page}

// maxMarkup bounds how much of a page is read for its title.
const maxMarkup = 4 << 10

// markup returns the error of a body with a status of success that begins like markup: a
// web page, with its title, or a [*Refusal] for an error in XML.
func markup(begin []byte, rest io.Reader) error {
	page, _ := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(begin), rest), maxMarkup)) // what there is suffices
	if report, ok := apierror.Within(page); ok && foreign.IsXML(page) {
		return &Refusal{Report: report}
	}
	return foreign.PageError(http.StatusOK, page)
}

// Page returns the error of an answer with a status of success that is a web page, or an
// error in XML as a [*Refusal].
func Page(body io.Reader) error { return markup(nil, body) }

// Remedies for answers that come from another server. Executors may append to
// RemedyAPI how base_url must end.
const (
	RemedyRedirect = "set base_url to where the server redirects"
	RemedyAPI      = "check that base_url leads to the API"
	RemedyTooLarge = "raise the proxy's limit on bodies, such as client_max_body_size of nginx"
)

// Foreign returns an error if the response comes from something between us and the
// provider, such as a proxy, and nil otherwise. Own reports whether the body has
// the provider's shape.
func Foreign(res *http.Response, body []byte, own func() bool) error {
	e := foreign.Find(res.StatusCode, res.Header, body, own)
	if e == nil {
		return nil
	}
	e.RetryAfter = httpclient.RetryAfterOf(res.StatusCode, res.Header)
	return e
}

// IsForeign finds an error of [Foreign] in err.
func IsForeign(err error) (*foreign.Error, bool) {
	var e *foreign.Error
	return e, errors.As(err, &e)
}

// ForeignStatus returns the HTTP status of such an error, or 0 if err is none.
func ForeignStatus(err error) int {
	if e, ok := IsForeign(err); ok {
		return e.Status
	}
	return 0
}

// foreignAnswer returns the executor's error for it.
func foreignAnswer(op string, e *foreign.Error, clean func(string) string) *conversation.Error {
	out := &conversation.Error{
		Kind: conversation.Unavailable, Op: op, Err: e.Clean(clean), RetryAfter: e.RetryAfter, Remedy: RemedyAPI,
	}
	switch {
	case e.Redirects():
		out.Remedy = RemedyRedirect
	case e.What == foreign.TooLarge:
		out.Remedy = RemedyTooLarge
	}
	return out
}
