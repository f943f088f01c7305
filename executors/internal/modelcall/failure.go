package modelcall

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"syscall"

	"github.com/parley-run/parley/conversation"
)

// Failure is the error for a call that ended without a word from the provider,
// or with one that nobody understands: a timer or the caller ended it, the
// connection failed, the answer is too large or no answer at all. Whatever a
// server may have put into err goes through clean.
func Failure(ctx context.Context, op string, err error, clean func(string) string) *conversation.Error {
	out := &conversation.Error{Kind: conversation.Unavailable, Op: op}
	var (
		timeout   *timeoutError
		untrusted *tls.CertificateVerificationError
		dns       *net.DNSError
		urlErr    *url.Error
	)
	switch {
	case errors.As(context.Cause(ctx), &timeout):
		out.Err = timeout
	case ctx.Err() != nil:
		out.Err = ctx.Err()
	case errors.Is(err, ErrTooLarge):
		out.Kind, out.Err, out.Remedy = conversation.Invalid, ErrTooLarge, remedyTooLarge
	case errors.Is(err, ErrWebPage):
		out.Kind, out.Err, out.Remedy = conversation.Invalid, ErrWebPage, "check that base_url leads to the API"
	case errors.As(err, &untrusted):
		out.Kind, out.Err = conversation.Invalid, errors.New(clean(untrusted.Error()))
		out.Remedy = "check base_url, and that this machine trusts the server's certificate"
	default:
		if errors.As(err, &urlErr) {
			err = urlErr.Err // the URL is no news, and may hold a secret
		}
		if errors.As(err, &dns) && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED) {
			out.Remedy = "check base_url, and that the server is running"
		}
		out.Err = errors.New(clean(err.Error()))
	}
	return out
}
