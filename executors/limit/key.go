package limit

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// A Key names a quota by its true boundary: what the provider counts together.
type Key struct {
	Provider string
	Endpoint string
	// Credential is the [Fingerprint] of the key or account, never the key itself.
	Credential string
	// Quota is the name from the configuration, if one is given.
	Quota string
}

// String is the key as people read it. It holds no secret.
func (k Key) String() string {
	s := k.Provider
	for _, part := range []string{k.Endpoint, k.Quota} {
		if part != "" {
			s += " " + part
		}
	}
	if k.Credential != "" {
		s += " (key " + k.Credential + ")"
	}
	return strings.TrimSpace(s)
}

// Fingerprint tells secrets apart without giving them away. It is empty for an
// empty secret.
func Fingerprint(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("parley quota\x00" + secret))
	return hex.EncodeToString(sum[:4])
}
