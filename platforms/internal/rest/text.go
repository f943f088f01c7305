package rest

import "github.com/parley-run/parley/internal/printable"

// Clip makes s one line of at most 300 bytes, without what a terminal would obey.
func Clip(s string) string {
	const limit = 300
	return printable.Name(s, limit)
}

// FewWords makes s one line for people, of at most 80 characters.
func FewWords(s string) string {
	const limit = 80
	return printable.ClipLetters(Clip(s), limit)
}
