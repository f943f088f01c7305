// Package joined takes joined errors apart.
package joined

import "strings"

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
