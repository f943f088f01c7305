// Package joined takes joined errors apart.
package joined

import (
	"errors"
	"strings"
)

// Errors returns the errors that [errors.Join] has joined in err, those joined within
// them included: each is one fault, with a text of its own. An error that wraps several
// in a text of its own, as fmt.Errorf does, is one. Nil has none.
func Errors(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // what is joined, not what wraps it
	if !ok {
		return []error{err}
	}
	parts := joined.Unwrap()
	texts := make([]string, 0, len(parts))
	for _, part := range parts {
		texts = append(texts, part.Error())
	}
	if strings.Join(texts, "\n") != err.Error() {
		return []error{err}
	}
	var all []error
	for _, part := range parts {
		all = append(all, Errors(part)...)
	}
	return all
}

// As takes err apart, however its parts are wrapped, into errors of one type. A part that
// is and wraps none becomes what other makes of it. Nil has none.
func As[T error](err error, other func(error) T) []T {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if found, ok := inner.(T); ok {
			return []T{found}
		}
		if parts, ok := inner.(interface{ Unwrap() []error }); ok {
			var all []T
			for _, part := range parts.Unwrap() {
				all = append(all, As(part, other)...)
			}
			return all
		}
	}
	if err == nil {
		return nil
	}
	return []T{other(err)}
}

// Line is err's text on one line, with a semicolon between the texts of joined errors.
func Line(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
