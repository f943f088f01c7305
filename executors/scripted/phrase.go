package scripted

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A phrase matches regardless of case, spacing and kind of apostrophe, and only
// whole words, except at an end with an asterisk: "refund*" also matches
// "refunded".
type phrase struct {
	text                string
	openLeft, openRight bool
}

func newPhrase(s string) phrase {
	var p phrase
	s, p.openLeft = strings.CutPrefix(s, "*")
	s, p.openRight = strings.CutSuffix(s, "*")
	p.text = fold(s)
	// A phrase such as "!!" has no word at its ends to continue.
	first, _ := utf8.DecodeRuneInString(p.text)
	last, _ := utf8.DecodeLastRuneInString(p.text)
	p.openLeft = p.openLeft || !inWord(first)
	p.openRight = p.openRight || !inWord(last)
	return p
}

// in reports whether the folded text contains the phrase.
func (p phrase) in(text string) bool {
	for from := 0; from <= len(text); {
		i := strings.Index(text[from:], p.text)
		if i < 0 {
			return false
		}
		begin := from + i
		end := begin + len(p.text)
		before, _ := utf8.DecodeLastRuneInString(text[:begin])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if (p.openLeft || begin == 0 || !inWord(before)) && (p.openRight || end == len(text) || !inWord(after)) {
			return true
		}
		_, width := utf8.DecodeRuneInString(text[begin:])
		from = begin + width
	}
	return false
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

var apostrophes = strings.NewReplacer("’", "'", "‘", "'", "`", "'")

// fold makes texts comparable: lower case, plain apostrophes, single spaces.
func fold(s string) string {
	return strings.Join(strings.Fields(strings.ToLower(apostrophes.Replace(s))), " ")
}
