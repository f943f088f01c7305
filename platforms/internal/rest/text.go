package rest

import (
	"strings"
	"unicode"
)

// Clip makes s one line of at most 300 bytes.
func Clip(s string) string {
	const limit = 300
	s = strings.ToValidUTF8(s[:min(len(s), 4*limit)], "")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// FewWords makes s one line for people, of at most 80 characters.
func FewWords(s string) string {
	s = Clip(s)
	const limit = 80
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}
