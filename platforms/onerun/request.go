package onerun

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-run/parley/conversation"
)

// maxBody is the longest answer that is read: far above any transcript.
const maxBody = 16 << 20

var (
	errNoEnded  = errors.New("the answer lacks \"ended\"")
	errWebPage  = errors.New("the answer is a web page")
	errNotJSON  = errors.New("the answer is not JSON")
	errEmpty    = errors.New("the answer is empty")
	errTooLarge = fmt.Errorf("the answer is longer than %d MiB", maxBody>>20)
)

// A request is one call of the API.
type request struct {
	op             string   // what it does, for errors
	ids            []string // what its path is made of
	method         string
	path           string
	query          url.Values
	body           any // nil: none
	idempotencyKey string
	timeout        time.Duration // zero: the client's
	// writes means that the request changes something, so that a failure may have
	// landed.
	writes bool
	// conflict is what 409 means. Empty: Invalid.
	conflict conversation.Kind
	// check looks at the decoded answer.
	check func() error
}

// call makes the request and decodes its answer into out, unless that is nil.
func (c *Client) call(ctx context.Context, r request, out any) error {
	for _, id := range r.ids {
		if id == "" || id == "." || id == ".." {
			return c.fail(r, &conversation.Error{Kind: conversation.Invalid, Err: fmt.Errorf("%q is no id", id)})
		}
	}
	if err := ctx.Err(); err != nil {
		return c.fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: err})
	}
	timeout := r.timeout
	if timeout == 0 {
		timeout = c.timeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	answer, sent, err := c.exchange(limited, r)
	if err != nil {
		e := &conversation.Error{
			Kind:          conversation.Unavailable,
			Err:           c.networkCause(ctx, limited, timeout, err),
			Remedy:        c.networkRemedy(err, sent),
			MayHaveLanded: r.writes && sent,
		}
		return c.fail(r, e)
	}
	if answer.status < 200 || answer.status > 299 {
		return c.fail(r, c.statusError(r, answer))
	}
	if err := answer.decode(r, out); err != nil {
		e := &conversation.Error{
			Kind: conversation.Unavailable, Err: err,
			MayHaveLanded: r.writes, Answered: !answer.tooLarge,
		}
		if answer.isPage() {
			e.Remedy = c.pageRemedy()
		}
		return c.fail(r, e)
	}
	return nil
}

// An answer is what came back, whatever its status.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	cut      bool // the connection was lost on the way
	tooLarge bool // there is more than maxBody
}

// exchange sends the request and reads the answer. An error means that there is
// no answer; sent, that the server may have got the request.
func (c *Client) exchange(ctx context.Context, r request) (a answer, sent bool, err error) {
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	a, sent, err = c.roundTrip(ctx, r, address)
	if err != nil {
		return a, sent, err
	}
	if next, ok := slashRedirect(address, a); ok {
		return c.roundTrip(ctx, r, next)
	}
	return a, sent, nil
}

func (c *Client) roundTrip(ctx context.Context, r request, address string) (a answer, sent bool, err error) {
	var dialling, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { dialling.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := c.newRequest(ctx, r, address)
	if err != nil {
		return a, false, err
	}
	res, err := c.http.Do(req)
	// Transports that do not say where they are get the benefit of the doubt.
	sent = connected.Load() || !dialling.Load()
	if err != nil {
		return a, sent, err
	}
	defer res.Body.Close()
	a = answer{status: res.StatusCode, header: res.Header}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	a.cut = err != nil
	a.tooLarge = len(a.body) > maxBody
	if a.cut && res.StatusCode < 300 {
		return a, sent, fmt.Errorf("the answer broke off: %w", err)
	}
	return a, sent, nil
}

func (c *Client) newRequest(ctx context.Context, r request, address string) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, err
	}
	req.Header = c.header.Clone()
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", headerValue(r.idempotencyKey))
		// With such a header the transport would send the request again by itself
		// when a connection breaks. Most servers ignore the key, so it must not.
		req.GetBody = nil
	}
	return req, nil
}

// headerValue is the key as a header can carry it.
func headerValue(key string) string {
	if headerSafe(key) && strings.TrimSpace(key) == key && !strings.ContainsFunc(key, func(r rune) bool { return r > '~' }) {
		return key
	}
	return url.QueryEscape(key)
}

// slashRedirect returns where to go when the server only wants the slash at the
// path's end there or gone. Any other redirect is the configuration's fault.
func slashRedirect(address string, a answer) (string, bool) {
	if a.status != http.StatusTemporaryRedirect && a.status != http.StatusPermanentRedirect {
		return "", false
	}
	from, err := url.Parse(address)
	if err != nil {
		return "", false
	}
	to, err := from.Parse(a.header.Get("Location"))
	if err != nil || to.Scheme != from.Scheme || to.Host != from.Host || to.User != nil || to.Path == from.Path ||
		strings.TrimSuffix(to.Path, "/") != strings.TrimSuffix(from.Path, "/") {
		return "", false
	}
	to.RawQuery = from.RawQuery
	return to.String(), true
}

// decode reads a successful answer.
func (a answer) decode(r request, out any) error {
	switch {
	case a.tooLarge:
		return errTooLarge
	case a.status == http.StatusNoContent && out == nil:
		return nil
	case len(bytes.TrimSpace(a.body)) == 0:
		return errEmpty
	case a.isPage():
		return errWebPage
	case !json.Valid(a.body):
		return errNotJSON
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("the answer is not understood: %s", clip(err.Error()))
	}
	if r.check != nil {
		return r.check()
	}
	return nil
}

// isPage reports whether the answer is HTML.
func (a answer) isPage() bool {
	return strings.HasPrefix(a.header.Get("Content-Type"), "text/html") ||
		bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<"))
}

// networkCause is why there is no answer. The caller's own end is told from a
// time-out of the client's.
func (c *Client) networkCause(ctx, limited context.Context, timeout time.Duration, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if limited.Err() != nil {
		return fmt.Errorf("no answer within %s", timeout)
	}
	// The URL that net/http puts in front says nothing new.
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return &redacted{text: c.redact(err.Error()), err: err}
}

func (c *Client) networkRemedy(err error, sent bool) string {
	if sent {
		return ""
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "base_url says https, the server speaks http"
	}
	if u := (*tls.CertificateVerificationError)(nil); errors.As(err, &u) {
		return "the server's certificate is not trusted: check base_url and the certificates of this machine"
	}
	return ""
}

// pageRemedy helps those who took the web app for the API.
func (c *Client) pageRemedy() string {
	u, err := url.Parse(c.base)
	if err != nil {
		return ""
	}
	if u.Port() == "3000" {
		u.Host = u.Hostname() + ":3001"
		return fmt.Sprintf("port 3000 is OneRun's web app: set base_url to the API, usually %s", u)
	}
	return fmt.Sprintf("%s may be OneRun's web app or a proxy's page: set base_url to the API, in the stock set-up port 3001", c.base)
}
