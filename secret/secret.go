// Package secret holds values that must not be printed.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what is shown in place of a secret.
const redacted = "[redacted]"

// A String is a key or a password. fmt, log/slog, encoding/json and YAML show
// "[redacted]" in its place, and nothing where it is empty; only [String.Reveal]
// gives the value away. It decodes like any string.
//
// Two things it cannot do. fmt does not call methods on unexported struct
// fields, so keep a String in an exported field, or do not keep it. And JSON
// writes map keys as they are, so it is no key of a map.
type String string

// Reveal returns the value.
func (s String) Reveal() string { return string(s) }

// String is "[redacted]", or empty.
func (s String) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format redacts under every verb: fmt would print a String under a wrong verb
// such as %d as it is.
func (s String) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'q' || verb == 'v' && f.Flag('#'):
		_, _ = fmt.Fprintf(f, "%q", s.String())
	default:
		_, _ = io.WriteString(f, s.String())
	}
}

// LogValue redacts for log/slog.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText redacts for encoding/json and everything else that asks.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML redacts for YAML.
func (s String) MarshalYAML() (any, error) { return s.String(), nil }
