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

// maxMessage bounds how many characters of a provider's message an error repeats.
const maxMessage = 300

// minToken is the shortest part of a header's value that counts as a secret:
// redacting shorter words would make errors unreadable.
const minToken = 6

// anyKey matches the vendors' keys, whole or with their middle replaced by stars.
var anyKey = regexp.MustCompile(`\b(sk|sess|Bearer)[-_ ][A-Za-z0-9_*.-]{6,}|\bAIza[A-Za-z0-9_*.-]{6,}|\b(ya29|AQ)\.[A-Za-z0-9_*.-]{6,}`)

// NewCleaner returns a function that prepares a provider's text for an error: one
// bounded line without keys, which some servers echo.
func NewCleaner(key secret.String, headers map[string]secret.String) func(string) string {
	secrets := []secret.String{key}
	for _, value := range headers {
		secrets = append(secrets, value)
		// The secret may be one word of a header's value, as in "Basic
		// dXNlcjpwYXNz".
		for i, word := range strings.Fields(value.Reveal()) {
			if i > 0 && len(word) >= minToken {
				secrets = append(secrets, secret.String(word))
			}
		}
	}
	// Longest first: one secret may contain another.
	slices.SortFunc(secrets, func(a, b secret.String) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		if s != "" {
			pairs = append(pairs, s.Reveal(), s.String())
		}
	}
	known := strings.NewReplacer(pairs...)
	return func(s string) string {
		s = printable.Name(s, maxErrorBody) // not cut yet: half a key would not be found
		return conversation.EndQuote(printable.Clip(anyKey.ReplaceAllString(known.Replace(s), "[redacted]"), maxMessage))
	}
}

// minQuerySecret is the shortest value of a URL query that may be a key: redacting
// "1" or "true" would make errors unreadable.
const minQuerySecret = 8

// Secrets returns the secrets in headers and in the queries of URLs, for
// [NewCleaner].
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
