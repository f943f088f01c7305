package mcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/plainjson"
)

// answerOf is what the server itself says is wrong with a call; nil: nothing. The
// SDK's own errors look the same: for a connection that is closed, and for
// whatever the guard turned down.
func answerOf(err error) *jsonrpc.Error {
	var (
		status *statusError
		lost   *lostError
		broken *errBroken
		said   *jsonrpc.Error
	)
	switch {
	case errors.As(err, &status):
		// With any other status a body says less than the status: "session not
		// found" comes as 404 with the code of bad arguments from some servers.
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

const (
	// codeRejected is the SDK's mark on an error of the transport.
	codeRejected = -32005
	// Codes from lowestReserved to highestReserved belong to the protocol, all
	// others to whoever wrote the server.
	lowestReserved, highestReserved = -32768, -32000
)

// complaintOf is what the model is to know of a call that the server did not
// make: there is no such tool, or the arguments do not fit. Nil: nothing.
func complaintOf(err error) *jsonrpc.Error {
	said := answerOf(err)
	if said == nil {
		return nil
	}
	switch said.Code {
	case jsonrpc.CodeInvalidParams, jsonrpc.CodeMethodNotFound, sdk.CodeURLElicitationRequired:
		return said
	}
	if said.Code >= lowestReserved && said.Code <= highestReserved {
		return nil
	}
	return said
}

// refuses puts a complaint into words.
func (s *Set) refuses(complaint *jsonrpc.Error) string {
	if complaint.Message == "" {
		return fmt.Sprintf("The tool server refuses the call with code %d.", complaint.Code)
	}
	return "The tool server refuses the call: " + s.words.redact(complaint.Message)
}

// breaks reports whether the next call should have a new connection. It is so
// after every failure of which the session may be the reason: some servers answer
// a session that they do not know with 404, some with 400.
func breaks(err error) bool {
	var (
		status *statusError
		lost   *lostError
		broken *errBroken
	)
	switch {
	case err == nil, complaintOf(err) != nil, httpclient.NotSent(err):
		return false
	case errors.As(err, &status), errors.As(err, &lost), errors.As(err, &broken), errors.Is(err, sdk.ErrConnectionClosed):
		return true
	}
	said := answerOf(err)
	return said != nil && said.Code != jsonrpc.CodeInternalError
}

// failed turns whatever went wrong into an error with a kind.
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
		// A server that answers with the SDK's own code looks the same.
		out.Err = errors.New("the connection has ended")
	case errors.Is(err, errTooLarge):
		out.Kind, out.Err, out.Remedy = conversation.Invalid, errTooLarge, "have the server say less"
	default:
		out.Answered = answerOf(err) != nil
		text := plainjson.Error(httpclient.Reason(err)).Error()
		if said := (*jsonrpc.Error)(nil); errors.As(err, &said) {
			text = fmt.Sprintf("the server reports error %d: %s", said.Code, conversation.Quote(said.Message))
		}
		out.Err = errors.New(s.words.clean(text))
	}
	return out
}

// refused explains a status.
func (s *Set) refused(out *conversation.Error, e *statusError) {
	out.Err, out.Ambiguous = errors.New(e.Error()), false
	switch {
	case e.foreign != nil && e.status < 300: // behind a page that says success, the tool may have run
		out.Ambiguous, out.Remedy = true, "check url"
	case e.foreign != nil && (e.status == http.StatusUnauthorized || e.status == http.StatusForbidden):
		out.RetryAfter, out.Remedy = retryAfter(e.header, time.Now()), "check url"
	case e.status == http.StatusUnauthorized, e.status == http.StatusForbidden:
		out.Kind = conversation.Unauthorized
		out.Remedy = "check headers: the server turned us down with what it got there"
	case e.status == http.StatusTooManyRequests:
		out.Kind, out.RetryAfter = conversation.RateLimited, retryAfter(e.header, time.Now())
	case e.status >= 500:
		out.Ambiguous, out.Answered = true, true
		out.RetryAfter = retryAfter(e.header, time.Now())
	case e.status >= 300 && e.status <= 399:
		out.Remedy = "set url to where the server is: redirects to another server are not followed, as they would take headers along"
	case e.status == http.StatusNotFound, e.status == http.StatusBadRequest:
		out.Err = fmt.Errorf("%w: the session may be lost, and the next call starts another", out.Err)
		out.Remedy = "check url if it stays so"
	default:
		out.Remedy = "check url"
	}
}

// longestRetryAfter bounds delays: a longer one makes no sense.
const longestRetryAfter = 7 * 24 * time.Hour

// retryAfter is how long the server asks to wait, in seconds or until a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, longestRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), longestRetryAfter)
	}
	return 0
}
