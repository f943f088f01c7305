package httpclient

import (
	"errors"
	"io"
	"net"
	"net/url"
	"os"
)

// errHungUp replaces net/http's "EOF".
var errHungUp = errors.New("the server closed the connection without an answer")

// Reason is why a request got no answer, without its URL and address: callers name the
// target, and a URL may hold a secret. It wraps err.
func Reason(err error) error {
	cause := err
	if u := (*url.Error)(nil); errors.As(err, &u) {
		cause = u.Err
	}
	var (
		dns *net.DNSError
		op  *net.OpError
	)
	switch {
	case errors.As(cause, &dns) && dns.Err != "":
		return &reason{dns.Err, err}
	case errors.As(cause, &op) && op.Err != nil:
		cause = op.Err
	case errors.Is(cause, io.EOF):
		return &reason{errHungUp.Error(), err}
	}
	if call := (*os.SyscallError)(nil); errors.As(cause, &call) && cause == error(call) { //nolint:errorlint // not what is further in
		cause = call.Err
	}
	return &reason{cause.Error(), err}
}

type reason struct {
	text string
	err  error
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.err }
