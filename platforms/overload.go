package platforms

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/lease"
)

// Overloaded reports whether err, of a call on a platform, is a sign that the platform has
// too much to do: it asks to slow down (kind RateLimited), it answers 5xx, it breaks the
// connection, or it does not answer in time. Fewer conversations are then begun there for
// a time.
//
// Other answers are no such sign: they concern one conversation, a key, or something in
// front of the platform. Nor is a platform that does not run (a refused connection, an
// unknown name), or a call that was not made. An error of kind Unavailable counts if it
// wraps a net error, or one with a method HTTPStatus() int or Timeout() bool.
func Overloaded(err error) bool {
	switch conversation.KindOf(err) {
	case conversation.RateLimited:
		return true
	case conversation.Unavailable:
	default:
		return false
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, lease.ErrNotCurrent) || httpclient.NotSent(err) || absent(err) {
		return false
	}
	var answer interface{ HTTPStatus() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatus() >= http.StatusInternalServerError || answer.HTTPStatus() == http.StatusTooManyRequests
	}
	var op *net.OpError
	return TimedOut(err) || errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// TimedOut reports whether err means that no answer came in time.
func TimedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// absent reports whether there is no server to have too much to do.
func absent(err error) bool {
	var (
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
	)
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) ||
		errors.As(err, &name) || errors.As(err, &certificate) || errors.As(err, &record)
}
