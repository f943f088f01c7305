package rest

import (
	"bytes"
	"cmp"
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
	"github.com/parley-run/parley/internal/httpclient"
)

// A Request is one call of the API.
type Request struct {
	Op     string   // what it does, for errors
	IDs    []string // what its path is made of
	Method string
	Path   string
	Query  url.Values
	Body   any // nil: none
	// IdempotencyKey goes out as the header of that name. Empty: none does.
	IdempotencyKey string
	Timeout        time.Duration // zero: the client's
	// Writes means that the request changes something, so that a failure may have
	// landed.
	Writes bool
	// Conflict is what 409 means. Empty: Invalid.
	Conflict conversation.Kind
	// Requires are the fields that an answer of success has, and that are not null. An
	// answer without one of them comes from something else than the service: it is
	// Unavailable.
	Requires []string
}

// Call makes the request and decodes its answer into out, unless that is nil. The
// answer's header is there whenever a server has answered.
func (c *Client) Call(ctx context.Context, r Request, out any) (Answer, error) {
	return c.do(ctx, r, func(a *Answer, body io.Reader) error {
		a.read(body)
		return a.decode(r, out)
	})
}

// do makes the request and has an answer of success read.
func (c *Client) do(ctx context.Context, r Request, read func(*Answer, io.Reader) error) (Answer, error) {
	for _, id := range r.IDs {
		if id == "" || id == "." || id == ".." {
			return Answer{}, c.Fail(r, &conversation.Error{Kind: conversation.Invalid, Err: fmt.Errorf("%q is no id", id)})
		}
	}
	if err := ctx.Err(); err != nil {
		return Answer{}, c.Fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: err})
	}
	timeout := cmp.Or(r.Timeout, c.Timeout)
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	res, sent, err := c.send(limited, r)
	if err != nil {
		if unsent := httpclient.Unsent("", err); unsent != nil {
			return Answer{}, c.Fail(r, unsent)
		}
		return Answer{}, c.Fail(r, &conversation.Error{
			Kind:      conversation.Unavailable,
			Err:       c.networkCause(ctx, limited, timeout, err, sent),
			Remedy:    c.networkRemedy(err, sent),
			Ambiguous: r.Writes && sent,
		})
	}
	defer func() { _ = res.Body.Close() }()
	a := Answer{Status: res.StatusCode, Header: res.Header}
	if a.Status < 200 || a.Status > 299 {
		a.read(res.Body)
		return a, c.Fail(r, c.refused(r, a))
	}
	body := &watched{in: res.Body}
	err = read(&a, body)
	if err == nil {
		return a, nil
	}
	if stopped := (*stopError)(nil); errors.As(err, &stopped) {
		return a, stopped.error
	}
	// A whole answer that says success comes when the work is done, or instead of it.
	e := &conversation.Error{Kind: conversation.Unavailable, Err: err, Ambiguous: r.Writes, Answered: r.Writes && body.err == nil}
	if body.err != nil {
		e.Err = fmt.Errorf("the answer broke off: %w", c.networkCause(ctx, limited, timeout, body.err, true))
	}
	if errors.Is(err, ErrWebPage) {
		e.Remedy = c.PageRemedy()
	}
	return a, c.Fail(r, e)
}

// watched keeps the error that ended a body before its end.
type watched struct {
	in  io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		w.err = err
	}
	return n, err
}

// send sends the request. An error means that there is no answer; sent, that the
// server may have got the request.
func (c *Client) send(ctx context.Context, r Request) (res *http.Response, sent bool, err error) {
	address := c.Base + r.Path
	if len(r.Query) > 0 {
		address += "?" + r.Query.Encode()
	}
	if !r.Writes {
		ctx = httpclient.Read(ctx)
	}
	var dialling, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { dialling.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := c.newRequest(ctx, r, address)
	if err != nil {
		return nil, false, err
	}
	res, err = c.HTTP.Do(req)
	// Transports that do not say where they are get the benefit of the doubt.
	return res, connected.Load() || !dialling.Load(), err
}

func (c *Client) newRequest(ctx context.Context, r Request, address string) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		data, err := json.Marshal(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, address, body)
	if err != nil {
		return nil, err
	}
	req.Header = c.Header.Clone()
	req.Header.Set("Accept", "application/json")
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.IdempotencyKey != "" {
		req.Header.Set("Idempotency-Key", headerValue(r.IdempotencyKey))
	}
	return req, nil
}

// headerValue is the key as a header can carry it.
func headerValue(key string) string {
	if HeaderSafe(key) && strings.TrimSpace(key) == key && !strings.ContainsFunc(key, func(r rune) bool { return r > '~' }) {
		return key
	}
	return url.QueryEscape(key)
}

// networkCause is why there is no answer. The caller's own end is distinguished from a
// time-out of the client's.
func (c *Client) networkCause(ctx, limited context.Context, timeout time.Duration, err error, sent bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if limited.Err() != nil {
		return &timeoutError{after: timeout}
	}
	text := httpclient.Reason(err).Error()
	if !sent {
		text = "no connection to " + strings.TrimPrefix(strings.TrimPrefix(c.Base, "http://"), "https://") + ": " + text
	}
	return &redacted{text: c.redact(text), err: err}
}

// A timeoutError is a request that the client has given up waiting for.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("no answer within %s", e.after) }

// Timeout is as in [net.Error]: see platforms.TimedOut.
func (*timeoutError) Timeout() bool { return true }

func (c *Client) networkRemedy(err error, sent bool) string {
	if sent {
		return ""
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return c.Words.Setting + " says https, the server speaks http"
	}
	if u := (*tls.CertificateVerificationError)(nil); errors.As(err, &u) {
		return fmt.Sprintf("the server's certificate is not trusted: check %s and the certificates of this machine", c.Words.Setting)
	}
	return ""
}

// redacted is an error whose text has been cleaned.
type redacted struct {
	text string
	err  error
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.err }
