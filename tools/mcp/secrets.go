package mcp

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/secret"
)

const (
	// minSecret is the shortest value that may be a secret: redacting "1" or "true"
	// would make texts unreadable.
	minSecret = 6
	// maxWords bounds how much of a server's text an error or a line of the log
	// repeats.
	maxWords = 300
)

// words prepare a server's text to be repeated: without the values of env, headers
// and the URL's query, which some servers echo.
type words struct {
	redact func(string) string
	// clean also makes it one bounded line, for errors and the log.
	clean func(string) string
}

func (c Config) words() words {
	var values []string
	for _, of := range []map[string]secret.String{c.Env, c.Headers} {
		for _, value := range of {
			s := value.Reveal()
			values = append(values, s)
			if _, token, ok := strings.Cut(s, " "); ok { // Bearer …
				values = append(values, token)
			}
		}
	}
	if u, err := url.Parse(c.URL); err == nil && u.RawQuery != "" {
		values = append(values, u.RawQuery)
		for _, of := range u.Query() {
			values = append(values, of...)
		}
	}
	// Longest first: one value may contain another.
	slices.SortFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, value := range values {
		if len(value) >= minSecret {
			pairs = append(pairs, value, secret.String(value).String())
		}
	}
	redact := strings.NewReplacer(pairs...).Replace
	return words{redact: redact, clean: func(s string) string {
		return conversation.EndQuote(printable.Name(redact(s), maxWords))
	}}
}
