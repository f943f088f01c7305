package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"

	"go.opentelemetry.io/otel/propagation"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
)

// A NotSentError is a request of which no byte was sent, because its attempt has lost
// its right to act. It wraps the error of [lease.Check], and so has its kind.
type NotSentError struct{ Err error }

func (e *NotSentError) Error() string { return "nothing was sent: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *NotSentError) Unwrap() error { return e.Err }

// NotSent reports whether err means that the request cannot have reached a server:
// the attempt had lost the right to act, or the guard refused the address.
func NotSent(err error) bool {
	var lost *NotSentError
	var refused *RefusedError
	return errors.As(err, &lost) || errors.As(err, &refused)
}

// Unsent is the error to report if [NotSent] is true of err, else nil: its kind is that
// of the lost right, or Invalid for a refused address. It omits the request's address,
// which may hold a secret.
func Unsent(op string, err error) *conversation.Error {
	var lost *NotSentError
	var refused *RefusedError
	switch {
	case errors.As(err, &lost):
		return &conversation.Error{Kind: conversation.KindOf(lost.Err), Op: op, Err: lost}
	case errors.As(err, &refused):
		return &conversation.Error{Kind: conversation.Invalid, Op: op, Err: refused}
	}
	return nil
}

type readKey struct{}

// Read marks requests under the returned context as reads, whatever their method:
// they need no right to act.
func Read(ctx context.Context) context.Context { return context.WithValue(ctx, readKey{}, true) }

// harmless reports whether the request has no effect.
func harmless(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return req.Context().Value(readKey{}) != nil
}

// transport is the outermost part of every client's transport.
type transport struct {
	base     http.RoundTripper
	maxBody  int64
	untraced bool
}

// Unwrap is the inner transport.
func (t *transport) Unwrap() http.RoundTripper { return t.base }

// CloseIdleConnections closes connections that no request is using.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip sends the request at most once.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if harmless(req) {
		res, err := t.base.RoundTrip(t.once(req, req.Context()))
		return t.bound(res), err
	}
	ctx, cancel := context.WithCancel(req.Context())
	r := &right{ctx: req.Context(), cancel: cancel}
	if err := r.check(); err != nil {
		cancel()
		closeBody(req)
		return nil, err
	}
	res, err := t.base.RoundTrip(t.once(req, httptrace.WithClientTrace(ctx, r.trace())))
	if lost := r.lost(); lost != nil {
		cancel()
		if res != nil {
			_ = res.Body.Close()
		}
		return nil, lost
	}
	if err != nil {
		cancel()
		return nil, err
	}
	release(res, req.Context(), cancel)
	return t.bound(res), nil
}

// once is the request as it is sent: with the trace context of the span that it belongs to,
// if there is one, and in a form that net/http does not repeat. net/http repeats a
// request with a GetBody, or without a body, and with a header "Idempotency-Key" in this
// spelling. Header names have no case on the wire.
func (t *transport) once(req *http.Request, ctx context.Context) *http.Request {
	out := req.Clone(ctx)
	out.GetBody = nil
	if out.Header == nil {
		out.Header = http.Header{}
	}
	if !t.untraced && out.Header.Get("traceparent") == "" {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(out.Header))
	}
	for name, spelled := range map[string]string{"Idempotency-Key": "idempotency-key", "X-Idempotency-Key": "x-idempotency-key"} {
		if values, ok := out.Header[name]; ok {
			delete(out.Header, name)
			out.Header[spelled] = values
		}
	}
	return out
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// A right is one request's right to its effect.
type right struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu  sync.Mutex
	err error // why it is lost
}

// check returns a [NotSentError] if the attempt may not act.
func (r *right) check() error {
	err := lease.Check(r.ctx)
	if err == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = &NotSentError{Err: err}
	return r.err
}

func (r *right) lost() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// trace checks again when there is a connection, right before the request is written:
// connecting may have taken long.
func (r *right) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if r.check() == nil {
			return
		}
		r.cancel()
		// HTTP/2 checks the context before it writes; HTTP/1 does not, but has the
		// connection to itself.
		if t, ok := info.Conn.(*tls.Conn); !ok || t.ConnectionState().NegotiatedProtocol != "h2" {
			_ = info.Conn.Close()
		}
	}}
}

// release cancels the request's context once its answer has been read or closed.
func release(res *http.Response, whole context.Context, cancel context.CancelFunc) {
	if res.StatusCode == http.StatusSwitchingProtocols || res.Body == nil {
		context.AfterFunc(whole, cancel)
		return
	}
	res.Body = &releasing{ReadCloser: res.Body, cancel: cancel}
}

type releasing struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *releasing) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.cancel()
	}
	return n, err
}

func (b *releasing) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// A TooLargeError is an answer with more bytes than are read.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer is longer than %d bytes", e.Limit)
}

// bound limits the body of an answer. A connection that has changed its protocol has no
// body.
func (t *transport) bound(res *http.Response) *http.Response {
	if res == nil || res.Body == nil || t.maxBody <= 0 || res.StatusCode == http.StatusSwitchingProtocols {
		return res
	}
	res.Body = &bounded{ReadCloser: res.Body, left: t.maxBody, limit: t.maxBody}
	return res
}

type bounded struct {
	io.ReadCloser
	left, limit int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), &TooLargeError{Limit: b.limit}
	}
	b.left -= int64(n)
	return n, err
}
