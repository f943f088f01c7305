package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
)

// DefaultWait is how long a worker that starts waits for a Temporal server that
// does not answer: as long as one takes to be restarted, moved or upgraded.
const DefaultWait = 5 * time.Minute

const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Await calls f again while Temporal does not answer it, for at most wait. waiting
// is told the first error, once. It returns the last error of f.
func Await(ctx context.Context, wait time.Duration, waiting func(error), f func(context.Context) error) error {
	deadline := time.Now().Add(wait)
	for delay := firstRetry; ; delay = min(2*delay, lastRetry) {
		err := f(ctx)
		left := time.Until(deadline)
		if !Unanswered(err) || left <= 0 || ctx.Err() != nil {
			return err
		}
		if waiting != nil {
			waiting(err)
			waiting = nil
		}
		timer := time.NewTimer(min(delay, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// Unanswered reports whether err means that Temporal does not answer for now, so
// that the same call may succeed later.
func Unanswered(err error) bool {
	var (
		unavailable *serviceerror.Unavailable
		late        *serviceerror.DeadlineExceeded
		busy        *serviceerror.ResourceExhausted
	)
	switch {
	case errors.Is(err, ErrInsecure):
		return false
	case errors.Is(err, ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		return true
	}
	return errors.As(err, &unavailable) || errors.As(err, &late) || errors.As(err, &busy)
}

// isInsecure reports that the two sides cannot agree on TLS, whenever they try.
func isInsecure(err error, text string) bool {
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		header      tls.RecordHeaderError
	)
	return errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &header) ||
		strings.Contains(text, "x509: ") || strings.Contains(text, "tls: first record does not look like a TLS handshake")
}
