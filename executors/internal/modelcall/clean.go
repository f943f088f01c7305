package modelcall

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/secret"
)

// maxMessage bounds how much of a provider's own words an error repeats.
const maxMessage = 300

// minToken is the length from which a part of a header's value may be a secret:
// hiding every short word would make errors unreadable.
const minToken = 6

// anyKey is what the vendors' keys look like, whole or with their middle
// starred out.
var anyKey = regexp.MustCompile(`\b(sk|sess|Bearer)[-_ ][A-Za-z0-9_*.-]{6,}|\bAIza[A-Za-z0-9_*.-]{6,}|\b(ya29|AQ)\.[A-Za-z0-9_*.-]{6,}`)

// NewCleaner returns a function that makes a provider's words fit for an error:
// one line, not long, and without keys, which some servers echo.
func NewCleaner(key secret.String, headers map[string]secret.String) func(string) string {
	secrets := []secret.String{key}
	for _, value := range headers {
		secrets = append(secrets, value)
		// The half of a header's value that is the secret: "Basic dXNlcjpwYXNz".
		for i, word := range strings.Fields(value.Reveal()) {
			if i > 0 && len(word) >= minToken {
				secrets = append(secrets, secret.String(word))
			}
		}
	}
	// The longest first: one may be part of another.
	slices.SortFunc(secrets, func(a, b secret.String) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		if s != "" {
			pairs = append(pairs, s.Reveal(), s.String())
		}
	}
	known := strings.NewReplacer(pairs...)
	return func(s string) string {
		s = printable.Name(s, maxErrorBody) // whole, for a key must not be cut in two
		return conversation.EndQuote(printable.Clip(anyKey.ReplaceAllString(known.Replace(s), "[redacted]"), maxMessage))
	}
}

// minQuerySecret is the length from which a value in a URL's query may be a key:
// hiding every "1" or "true" would make texts unreadable.
const minQuerySecret = 8

// Secrets are those in headers, and in the queries of URLs, for [NewCleaner].
func Secrets(headers map[string]secret.String, urls ...string) map[string]secret.String {
	out := make(map[string]secret.String, len(headers))
	maps.Copy(out, headers)
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil {
			continue
		}
		for name, values := range u.Query() {
			for i, value := range values {
				if len(value) >= minQuerySecret {
					out[fmt.Sprintf("query %s %d", name, i)] = secret.String(value)
				}
			}
		}
	}
	return out
}
