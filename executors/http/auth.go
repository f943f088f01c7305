package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// HMAC signs requests with a secret shared with the agent. The header's value is
// "t=<seconds since 1970>,v1=<signature>"; the signature is the HMAC-SHA256 of
// "<seconds>.<body>" in hexadecimal. A poll has an empty body.
type HMAC struct {
	// Secret is the key. Empty: requests are not signed.
	Secret secret.String `yaml:"secret"`
	// Header carries the signature. Default: DefaultSignatureHeader.
	Header string `yaml:"header"`
}

// minSecret is the shortest allowed key: shorter ones can be guessed.
const minSecret = 16

func (h HMAC) validate(f *settings.Faults, headers map[string]secret.String) {
	if h.Secret == "" {
		if h.Header != "" {
			f.Add("hmac.secret", "write the secret that signs requests, or leave hmac out", "is empty, but there is a header")
		}
		return
	}
	if len(h.Secret) < minSecret {
		f.Add("hmac.secret", fmt.Sprintf("use %d or more, chosen at random", minSecret), "has %d characters", len(h.Secret))
	}
	name := h.Header
	if name == "" {
		name = DefaultSignatureHeader
	} else {
		if !settings.IsHeaderName(name) {
			f.Add("hmac.header", "", "is %q, which is no name of a header", name)
		}
	}
	if written, ok := settings.Header(headers, name); ok {
		f.Add("headers."+written, "give one of the two", "is what hmac sets")
	}
}

// Sign returns the signature header's value for a body.
func (h HMAC) Sign(body []byte, now time.Time) string {
	t := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(h.Secret.Reveal()))
	_, _ = fmt.Fprintf(mac, "%s.%s", t, body) // a hash returns no error
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// signer returns a function that adds credentials and a signature to a request.
func signer(cfg Config) func(*http.Request, []byte) {
	send := modelcall.Sender(cfg.Headers, cfg.BearerToken)
	return func(req *http.Request, body []byte) {
		send(req)
		if cfg.HMAC.Secret != "" {
			req.Header.Set(cfg.HMAC.Header, cfg.HMAC.Sign(body, time.Now()))
		}
	}
}

// cleaner returns a function that prepares the agent's text for an error.
func cleaner(cfg Config) func(string) string {
	secrets := modelcall.Secrets(cfg.Headers, cfg.URL, cfg.Health)
	secrets["hmac secret"] = cfg.HMAC.Secret
	return modelcall.NewCleaner(cfg.BearerToken, secrets)
}
