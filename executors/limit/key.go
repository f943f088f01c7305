package limit

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/parley-run/parley/secret"
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

// NewKey names the quota of an API key at an endpoint. Without a key, the first
// of the named headers that is set is used instead. Of the endpoint's address only
// server and path count.
func NewKey(provider, endpoint string, key secret.String, headers map[string]secret.String, names ...string) Key {
	for _, name := range names {
		for have, value := range headers {
			if key == "" && strings.EqualFold(have, name) {
				key = value
			}
		}
	}
	k := Key{Provider: provider, Credential: Fingerprint(key.Reveal())}
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		k.Endpoint = strings.ToLower(u.Scheme+"://"+u.Host) + strings.TrimSuffix(u.Path, "/")
	}
	return k
}

// String is the key in logs and metrics. It holds no secret.
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

// Fingerprint distinguishes secrets without disclosing them. It is empty for an
// empty secret.
func Fingerprint(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("parley quota\x00" + secret))
	return hex.EncodeToString(sum[:4])
}
