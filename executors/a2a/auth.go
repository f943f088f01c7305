package a2a

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/secret"
)

// signer returns a function that puts on a request whatever proves who sent it.
// A function, so that no secret is in a field that fmt would print.
func signer(cfg Config) func(*http.Request) {
	headers, token := maps.Clone(cfg.Headers), cfg.BearerToken
	return func(req *http.Request) {
		for name, value := range headers {
			req.Header.Set(name, value.Reveal())
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token.Reveal())
		}
	}
}

// minQuerySecret is the length from which a value in a URL's query may be a key:
// hiding every "1" or "true" would make texts unreadable.
const minQuerySecret = 8

// cleaner returns a function that makes the agent's words fit for an error.
func cleaner(cfg Config) func(string) string {
	secrets := make(map[string]secret.String)
	for name, value := range cfg.Headers {
		secrets[name] = value
		// Half of a header's value may be the secret: "Basic dXNlcjpwYXNz".
		if words := strings.Fields(value.Reveal()); len(words) > 1 {
			for i, word := range words[1:] {
				secrets[fmt.Sprintf("%s %d", name, i)] = secret.String(word)
			}
		}
	}
	for _, s := range []string{cfg.URL, cfg.Endpoint} {
		u, err := url.Parse(s)
		if err != nil {
			continue
		}
		for name, values := range u.Query() {
			for i, value := range values {
				if len(value) >= minQuerySecret {
					secrets[fmt.Sprintf("query %s %d", name, i)] = secret.String(value)
				}
			}
		}
	}
	return modelcall.NewCleaner(cfg.BearerToken, secrets)
}
