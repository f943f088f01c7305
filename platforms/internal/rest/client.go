// Package rest is what clients of platforms have in common that speak JSON over
// HTTP: one request at a time, never repeated and never redirected to another server;
// bounded answers; and for each failure a [conversation.Error] that says
// whether the request may have taken effect and whether the server has done with it.
// What a platform's routes, words and odd statuses are stays with the platform.
package rest

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
)

// A Client makes requests of one service. Its fields are not to change once it is
// in use; its methods are safe for concurrent use.
type Client struct {
	// Words are the service's own.
	Words Words
	// Base is the address of the service, without a slash at its end.
	Base string
	// HTTP sends the requests: see [NewHTTPClient].
	HTTP *http.Client
	// Header goes out with every request.
	Header http.Header
	// Secrets are what must not show up in an error.
	Secrets []string
	// Timeout bounds every request that has none of its own.
	Timeout time.Duration

	// Own reports whether an answer of failure is in the service's own shape, such as
	// [FastAPI]. What is not comes from something in front of the service: it is
	// Unavailable, may have taken effect, and says nothing final. Nil: every answer is its own.
	Own func(Answer) bool
	// Judge gives an answer that says failure another meaning, where the service
	// has one of its own. Nil: there is none.
	Judge func(Answer, *conversation.Error)
	// PageRemedy helps those to whom a web page answers.
	PageRemedy func() string
}

// Words are what errors and remedies call a service and its settings.
type Words struct {
	Platform string // begins every error, such as "onerun"
	Service  string // who checks the key, such as "OneRun"
	API      string // what the address is of, such as "OneRun's API"
	Place    string // where a redirect should lead, such as "the API"
	Setting  string // of the address, such as "base_url"
	Variable string // of the environment, with the address
	Example  string // of an address
	Key      string // what to do about a key that is turned down
}

// idleTimeout is shorter than the five seconds after which uvicorn, on which such
// services run, closes an unused connection. A request that meets the closing is one
// that may have taken effect.
const idleTimeout = 4 * time.Second

// NewHTTPClient returns the client that [Client].HTTP needs. It has no Timeout: each
// request has its own.
func NewHTTPClient(cfg httpclient.Config) *http.Client {
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, idleTimeout)
	h := httpclient.New(cfg)
	h.Timeout = 0
	return h
}

// Path joins segments, each escaped.
func Path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// Fail completes e with what was tried.
func (c *Client) Fail(r Request, e *conversation.Error) error {
	e.Op = c.Words.Platform + ": " + c.redact(r.Op)
	return e
}

// redact takes the secrets out of s.
func (c *Client) redact(s string) string {
	for _, secret := range c.Secrets {
		s = strings.ReplaceAll(s, secret, "[redacted]")
	}
	return s
}
