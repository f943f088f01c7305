// Package printable makes texts of other parties safe to store as a name and to print on
// a terminal. Terminals interpret control characters, and invisible characters mislead
// readers: model names, ids, errors and messages of peers pass through here when they
// are received and again when they are printed.
package printable

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mark replaces a character that is not printed; Cut replaces the end of a text that is
// too long.
const (
	Mark = "\uFFFD"
	Cut  = "…"
)

// MaxName is the usual bound of a name in bytes, see [Name].
const MaxName = 256

// Text is a text of any number of lines for a terminal. Line breaks and tabs stay; other
// control characters (the beginning of every escape sequence) and invalid UTF-8 become
// [Mark]; marks of direction, which reorder the text, are removed.
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

// Name is the name that another party has given (to a model, a provider, a tool), in the
// form to store: one line, without invisible characters, at most limit bytes long with
// [Cut]. A clean name stays as it is.
func Name(s string, limit int) string {
	// The part that is cut off need not be cleaned: a name may have megabytes.
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

// ID is an id for printing. Ids are used for lookups, so no character may be dropped:
// one that is not printable is quoted and escaped, as in Go.
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
