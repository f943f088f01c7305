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

// DefaultWait is how long a worker waits at its start for a Temporal server that does
// not answer: long enough for a restart, a move or an upgrade.
const DefaultWait = 5 * time.Minute

const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Await repeats f while Temporal does not answer, for at most wait. It calls waiting with
// the first error, once, and returns the last error of f.
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

// Unanswered reports whether err means that Temporal does not answer at the moment, so
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

// isInsecure reports that the two sides disagree about TLS, which waiting does not change.
func isInsecure(err error, text string) bool {
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		header      tls.RecordHeaderError
	)
	return errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &header) ||
		strings.Contains(text, "x509: ") || strings.Contains(text, "tls: first record does not look like a TLS handshake")
}
