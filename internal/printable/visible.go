package printable

import (
	"fmt"
	"strings"
	"unicode"
)

// Visible is a text of any number of lines for a page that hides nothing: control
// characters, marks of direction and other invisible characters stand as their code,
// "‹U+202E›". Line breaks and tabs stay, and so do the joiners that scripts and emoji
// need. Invalid UTF-8 becomes [Mark].
func Visible(s string) string {
	if plain(s) {
		return s
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, Mark), "\r\n", "\n")
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "‹U+%04X›", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

func hidden(r rune) bool {
	switch r {
	case '\n', '\t', zeroWidthNonJoiner, zeroWidthJoiner:
		return false
	case '\u2028', '\u2029', '\u115f', '\u1160', '\u3164', '\uffa0': // separators and fillers
		return true
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Noncharacter_Code_Point)
}

// VisibleLine is [Visible] on one line: every run of white space becomes one space.
func VisibleLine(s string) string { return strings.Join(strings.Fields(Visible(s)), " ") }
