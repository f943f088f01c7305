package pulse

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

// maxBody is the longest answer that is read.
const maxBody = 16 << 20

var (
	errWebPage  = errors.New("the answer is a web page")
	errNotJSON  = errors.New("the answer is not JSON")
	errEmpty    = errors.New("the answer is empty")
	errEndless  = errors.New("the list does not end")
	errTooLarge = fmt.Errorf("the answer is longer than %d MiB", maxBody>>20)
)

// A request is one call of the API.
type request struct {
	op     string  // what it does, for errors
	id     *string // the task's, if the path has one
	method string
	path   string
	query  url.Values
	body   any // nil: none
	// writes means that the request changes something, so that a failure may have
	// landed.
	writes bool
}

// call makes the request and decodes its answer into out, unless that is nil.
func (c *Client) call(ctx context.Context, r request, out any) (answer, error) {
	if r.id != nil && (*r.id == "" || *r.id == "." || *r.id == "..") {
		return answer{}, c.fail(r, &conversation.Error{Kind: conversation.Invalid, Err: fmt.Errorf("%q is no id", *r.id)})
	}
	if err := ctx.Err(); err != nil {
		return answer{}, c.fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: err})
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()

	a, sent, err := c.roundTrip(limited, r)
	if err != nil {
		return a, c.fail(r, &conversation.Error{
			Kind:          conversation.Unavailable,
			Err:           c.networkCause(ctx, limited, err),
			Remedy:        networkRemedy(err, sent),
			MayHaveLanded: r.writes && sent,
		})
	}
	if a.status < 200 || a.status > 299 {
		return a, c.fail(r, c.statusError(r, a))
	}
	if err := a.decode(out); err != nil {
		e := &conversation.Error{
			Kind: conversation.Unavailable, Err: err,
			MayHaveLanded: r.writes, Answered: !a.tooLarge,
		}
		if a.isPage() {
			e.Remedy = c.pageRemedy()
		}
		return a, c.fail(r, e)
	}
	return a, nil
}

// An answer is what came back, whatever its status.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	cut      bool // the connection was lost on the way
	tooLarge bool // there is more than maxBody
}

// serverTime is the time by the server's clock, or by ours if it does not show.
func (a answer) serverTime() time.Time {
	if t, err := http.ParseTime(a.header.Get("Date")); err == nil {
		return t.UTC()
	}
	return time.Now().UTC()
}

// roundTrip sends the request and reads the answer. An error means that there is
// no answer; sent, that the server may have got the request.
func (c *Client) roundTrip(ctx context.Context, r request) (a answer, sent bool, err error) {
	var dialling, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { dialling.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := c.newRequest(ctx, r)
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

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
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
	return req, nil
}

// decode reads a successful answer.
func (a answer) decode(out any) error {
	switch {
	case a.tooLarge:
		return errTooLarge
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
	return nil
}

// isPage reports whether the answer is HTML.
func (a answer) isPage() bool {
	return strings.HasPrefix(a.header.Get("Content-Type"), "text/html") ||
		bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<"))
}

// networkCause is why there is no answer. The caller's own end is told from a
// time-out of the client's.
func (c *Client) networkCause(ctx, limited context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if limited.Err() != nil {
		return fmt.Errorf("no answer within %s", c.timeout)
	}
	// The URL that net/http puts in front says nothing new.
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return &redacted{text: c.redact(err.Error()), err: err}
}

func networkRemedy(err error, sent bool) string {
	if sent {
		return ""
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "url says https, the server speaks http"
	}
	if u := (*tls.CertificateVerificationError)(nil); errors.As(err, &u) {
		return "the server's certificate is not trusted: check url and the certificates of this machine"
	}
	return ""
}

// pageRemedy helps those who are somewhere else.
func (c *Client) pageRemedy() string {
	return fmt.Sprintf("%s answers with a web page: set url to where Pulse is, in the stock set-up port 8000", c.base)
}
