package modelcall

import (
	"net/url"

	"github.com/parley-run/parley/internal/httpclient"
)

// Unanswered returns why an HTTP request got no response, without its URL and
// address: the caller names the server, and a URL may hold a secret.
func Unanswered(err *url.Error) error { return httpclient.Reason(err) }
