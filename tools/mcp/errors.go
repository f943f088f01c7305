package mcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/plainjson"
)

// answerOf returns the server's own error for a call, or nil. The SDK uses the same
// type for a closed connection and for errors of the guard.
func answerOf(err error) *jsonrpc.Error {
	var (
		status *statusError
		lost   *lostError
		broken *errBroken
		said   *jsonrpc.Error
	)
	switch {
	case errors.As(err, &status):
		// With any other status the body is less precise than the status: some
		// servers send "session not found" as 404 with the code of invalid
		// arguments.
		if status.status == http.StatusBadRequest || status.status == http.StatusUnprocessableEntity {
			return status.answer
		}
		return nil
	case errors.As(err, &lost), errors.As(err, &broken), errors.Is(err, sdk.ErrConnectionClosed):
		return nil
	case errors.As(err, &said) && said.Code != codeRejected:
		return said
	}
	return nil
}

// codeRejected is the SDK's code for an error of the transport.
const codeRejected = -32005

// refuses reports whether the server refuses a request without fault of the session.
func refuses(err error) bool {
	said := answerOf(err)
	return said != nil && fault{code: said.Code}.refuses()
}

// breaks reports whether the next call needs a new connection: after every failure
// that the session may cause. Some servers answer an unknown session with 404, some
// with 400.
func breaks(err error) bool {
	var (
		status *statusError
		lost   *lostError
		broken *errBroken
	)
	switch {
	case err == nil, refuses(err), httpclient.NotSent(err):
		return false
	case errors.As(err, &status), errors.As(err, &lost), errors.As(err, &broken), errors.Is(err, sdk.ErrConnectionClosed):
		return true
	}
	said := answerOf(err)
	return said != nil && fault{code: said.Code}.renews()
}

// failed turns any failure into an error with a kind.
func (s *Set) failed(ctx context.Context, op string, err error) *conversation.Error {
	if unsent := httpclient.Unsent(op, err); unsent != nil {
		return unsent
	}
	out := &conversation.Error{Kind: conversation.Unavailable, Op: op, Ambiguous: true}
	var (
		status *statusError
		lost   *lostError
		broken *errBroken
		known  *conversation.Error
	)
	switch {
	case errors.Is(err, errClosed), s.ctx.Err() != nil:
		out.Err = errClosed
	case ctx.Err() != nil:
		out.Err = context.Cause(ctx)
	case errors.As(err, &known):
		*out = *known
		if out.Op == "" {
			out.Op = op
		}
	case errors.As(err, &status):
		s.refused(out, status)
	case errors.As(err, &lost):
		out.Ambiguous = !lost.unsent
		out.Err = errors.New(s.words.clean(httpclient.Reason(lost.reason).Error()))
		var untrusted *tls.CertificateVerificationError
		switch {
		case errors.As(err, &untrusted):
			out.Kind, out.Ambiguous = conversation.Invalid, false
			out.Remedy = "check url, and that this machine trusts the server's certificate"
		case lost.unsent:
			out.Remedy = "check url, and that the server is running"
		}
	case errors.As(err, &broken):
		out.Err = errors.New(s.words.clean(broken.Error()))
	case errors.Is(err, sdk.ErrConnectionClosed):
		// A server that answers with the SDK's own code is indistinguishable.
		out.Err = errors.New("the connection has ended")
	case errors.Is(err, errTooLarge):
		out.Kind, out.Err, out.Remedy = conversation.Invalid, errTooLarge, "have the server answer with less"
	default:
		out.Answered = answerOf(err) != nil
		text := plainjson.Error(httpclient.Reason(err)).Error()
		if said := (*jsonrpc.Error)(nil); errors.As(err, &said) {
			text = fmt.Sprintf("the server reports error %d: %s", said.Code, conversation.Quote(said.Message))
			out.RetryAfter = max(httpclient.BodyWait(said.Data), httpclient.WaitOf(0, said.Message))
		}
		out.Err = errors.New(s.words.clean(text))
	}
	return out
}

// refused handles a status.
func (s *Set) refused(out *conversation.Error, e *statusError) {
	out.Err, out.Ambiguous = errors.New(e.Error()), mayHaveActed(e.status) && !e.circle
	switch {
	case e.foreign != nil && e.status < 300:
		out.Remedy = "check url"
	case e.foreign != nil && (e.status == http.StatusUnauthorized || e.status == http.StatusForbidden):
		out.RetryAfter, out.Remedy = httpclient.RetryAfterOf(e.status, e.header), "check url"
	case e.status == http.StatusUnauthorized, e.status == http.StatusForbidden:
		out.Kind = conversation.Unauthorized
		out.Remedy = "check headers: the server turned us down with what it got there"
	case e.status == http.StatusTooManyRequests:
		out.Kind, out.RetryAfter = conversation.RateLimited, httpclient.RetryAfterOf(e.status, e.header)
	case e.status >= 500:
		out.Answered = true
		out.RetryAfter = httpclient.RetryAfterOf(e.status, e.header)
	case e.status >= 300 && e.status <= 399:
		out.Remedy = "set url to where the server is: redirects to another server are not followed, as they would take headers along"
	case e.status == http.StatusNotFound, e.status == http.StatusBadRequest:
		out.Err = fmt.Errorf("%w: the session may be lost, and the next call starts another", out.Err)
		out.Remedy = "check url if it stays so"
	default:
		out.Remedy = "check url"
	}
}
