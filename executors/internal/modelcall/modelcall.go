// Package modelcall holds what the executors that ask a model over HTTP have in
// common: the checks of their settings, the window of the conversation they
// send, the timers of a call, the bounds of an answer, and what goes wrong on
// the way there. What a provider says, and what it means, is each executor's own.
package modelcall

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/parley-run/parley/internal/httpclient"
)

// The defaults of the settings that all have.
const (
	DefaultTimeout           = 4 * time.Minute
	DefaultFirstTokenTimeout = 90 * time.Second
	DefaultGapTimeout        = 30 * time.Second
	DefaultMaxReplyBytes     = 1 << 20
	DefaultOpening           = "Begin the conversation: greet the other person and offer your help."
)

// Client returns the client that a provider is asked with. Given, if not nil, is the
// caller's: it is copied and sends the requests.
func Client(given *http.Client) *http.Client {
	return httpclient.New(httpclient.Config{Client: given})
}

// IdempotencyKey is for servers and gateways that know the header; the providers'
// own APIs do not promise anything for it. The hash keeps what the key is made
// of, a conversation's name, from the provider.
func IdempotencyKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}
