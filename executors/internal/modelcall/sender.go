package modelcall

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/parley-run/parley/secret"
)

// Sender returns a function that adds headers and a bearer token to a request. No
// field holds the secrets, because fmt would print it.
func Sender(headers map[string]secret.String, token secret.String) func(*http.Request) {
	headers = maps.Clone(headers)
	return func(req *http.Request) {
		for name, value := range headers {
			req.Header.Set(name, value.Reveal())
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token.Reveal())
		}
	}
}

// SameServer reports whether secrets for one address may be sent to the other.
func SameServer(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && Port(a) == Port(b)
}

// Port returns the port of an address, or the one of its scheme.
func Port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}
