// Package printable makes text from other people fit to be kept as a name and to be
// shown on a terminal. Terminals obey control characters, and people are misled by
// characters that they cannot see: model names, ids, errors and messages of peers
// pass through here where they come in and again where they are printed.
package printable

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mark stands for a character that is not shown, and Cut for what was left out
// because the text is too long.
const (
	Mark = "\uFFFD"
	Cut  = "…"
)

// MaxName is the usual bound of a name in bytes, see [Name].
const MaxName = 256

// Text is a text of any number of lines for a terminal. Line breaks and tabs stay;
// other control characters (the beginning of every escape sequence) and what is not
// UTF-8 become [Mark]; marks of direction, which reorder what is seen, are left out.
func Text(s string) string {
	if plain(s) {
		return s
	}
	s = strings.NewReplacer("\r\n", "\n", "\u2028", "\n", "\u2029", "\n").Replace(strings.ToValidUTF8(s, Mark))
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.In(r, unicode.Noncharacter_Code_Point):
			return utf8.RuneError
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
}

// Line is [Text] on one line: every run of white space becomes one space.
func Line(s string) string { return strings.Join(strings.Fields(Text(s)), " ") }

// Name is a name that somebody else has chosen (of a model, a provider, a tool), as it
// is kept: on one line, without any character that is not seen, at most limit bytes
// long, which includes [Cut]. What is cleaned already stays as it is.
func Name(s string, limit int) string {
	// What is cut off need not be cleaned: a name may have megabytes.
	if most := 4*limit + utf8.UTFMax; len(s) > most {
		s = s[:most]
	}
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, Mark)), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
	return Clip(s, limit)
}

// Clip cuts a text to a number of bytes, between characters, with [Cut] at the end.
func Clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := max(limit-len(Cut), 0)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + Cut
}

// ClipLetters cuts a text to a number of characters, with [Cut] at the end.
func ClipLetters(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	end := 0
	for range max(limit-1, 0) {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return s[:end] + Cut
}

// IsName reports whether a text can be kept as it is: [Name] would not change it.
func IsName(s string, limit int) bool { return Name(s, limit) == s }

// ID is an id for people. An id finds things, so nothing is left out silently: one
// that cannot be shown as it is, is shown quoted and escaped, as Go does.
func ID(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// plain reports whether a text is printable ASCII, as most are.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\n' && c != '\t') || c > '~' {
			return false
		}
	}
	return true
}
