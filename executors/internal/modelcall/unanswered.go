package modelcall

import (
	"net/url"

	"github.com/parley-run/parley/internal/httpclient"
)

// Unanswered is why an HTTP request got no answer, without its URL and address: the
// caller has named the server, and a URL may hold a secret.
func Unanswered(err *url.Error) error { return httpclient.Reason(err) }
