// Package modelcall holds what executors that call a model over HTTP share:
// validation of settings, the window of the conversation to send, timers of a call,
// bounds on answers, and errors of the transport. Each executor reads its
// provider's own errors and answers.
package modelcall

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/parley-run/parley/internal/httpclient"
)

// Client returns the client for a provider's requests. If given is not nil, its
// copy sends them.
func Client(given *http.Client) *http.Client {
	return httpclient.New(httpclient.Config{Client: given})
}

// IdempotencyKey returns the value of the Idempotency-Key header, for servers and
// gateways that honour it; the providers document no guarantee. The hash hides the
// conversation's name from the provider.
func IdempotencyKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}
