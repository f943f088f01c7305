package modelcall

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"syscall"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/plainjson"
)

// Failure returns the error of a call without a usable response: a timer or the
// caller ended it, the connection failed, or the answer is too large or unreadable.
// Text from a server in err passes through clean.
func Failure(ctx context.Context, op string, err error, clean func(string) string) *conversation.Error {
	if unsent := httpclient.Unsent(op, err); unsent != nil {
		return unsent
	}
	out := &conversation.Error{Kind: conversation.Unavailable, Op: op}
	var timeout *TimeoutError
	notOwn, isForeign := IsForeign(err)
	switch {
	case errors.As(context.Cause(ctx), &timeout):
		out.Err = timeout
	case ctx.Err() != nil:
		out.Err = ctx.Err()
	case isForeign:
		return foreignAnswer(op, notOwn, clean)
	case errors.Is(err, ErrTooLarge):
		out.Kind, out.Err, out.Remedy = conversation.Invalid, ErrTooLarge, remedyTooLarge
	default:
		var cause error
		out.Kind, out.Remedy, cause = Unreached(err, "base_url", "the server")
		out.Err = errors.New(clean(plainjson.Error(cause).Error()))
	}
	return out
}

// Unreached reports why an HTTP client did not reach the server: it is another
// server, or none listens. The remedy, if any, names the setting with the address
// and who has to run there. The cause leaves out the URL, which may hold a secret.
func Unreached(err error, setting, who string) (kind conversation.Kind, remedy string, cause error) {
	var (
		untrusted *tls.CertificateVerificationError
		dns       *net.DNSError
		urlErr    *url.Error
	)
	if errors.As(err, &untrusted) {
		return conversation.Invalid, "check " + setting + ", and that this machine trusts the server's certificate", untrusted
	}
	if errors.As(err, &dns) && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED) {
		remedy = "check " + setting + ", and that " + who + " is running"
	}
	if errors.As(err, &urlErr) {
		err = Unanswered(urlErr)
	}
	return conversation.Unavailable, remedy, err
}

// Stopped returns the error of a context that was done before the call.
func Stopped(ctx context.Context, op string) error {
	return &conversation.Error{Kind: conversation.Unavailable, Op: op, Err: ctx.Err()}
}

// MissingKey returns the error for a vendor's own API without a key. No request is
// sent.
func MissingKey(op, remedy string) error {
	return &conversation.Error{Kind: conversation.Unauthorized, Op: op, Err: errors.New("there is no API key"), Remedy: remedy}
}

// Remedies that name settings of every vendor's executor.
const (
	RemedyTooLong  = apierror.RemedyTooLong
	RemedySettings = apierror.RemedySettings
)
