package printable

import (
	"html"
	"strconv"
	"strings"
	"unicode"
)

// Markdown is a text of other parties as Markdown that shows it as it is, on one line: it
// cannot format, link, fold or include anything, nor leave its place. Punctuation marks that
// Markdown, HTML or a template of the reader give a meaning where they stand are numeric
// entities: not every renderer knows named ones, or a backslash before each mark. Quotes
// stay, and some renderers make typographic ones of them. A text from right to left is
// isolated from what stands beside it.
//
// What may also be shown without a renderer, such as a summary, is readable there: most
// texts stay as they are.
func Markdown(s string) string {
	line, mixed := line(s)
	return isolate(entities(line, -1), mixed)
}

// MarkdownClip is [Markdown] of at most limit bytes, with [Cut] at the end of a text that is
// too long. No entity is cut.
func MarkdownClip(s string, limit int) string {
	line, mixed := line(s)
	if mixed {
		limit -= 2 * len(string(isolateStart))
	}
	return isolate(entities(line, max(limit, len(Cut))), mixed)
}

// OfMarkdown is the text that Markdown was made of, on one line.
func OfMarkdown(s string) string {
	return html.UnescapeString(strings.Trim(s, string(isolateStart)+string(isolateEnd)))
}

const isolateStart, isolateEnd = '\u2068', '\u2069'

func line(s string) (text string, mixed bool) {
	text = Line(s)
	return text, strings.ContainsFunc(text, rightToLeft)
}

func isolate(s string, mixed bool) string {
	if !mixed {
		return s
	}
	return string(isolateStart) + s + string(isolateEnd)
}

// entities replaces marks by entities until limit bytes are full. Negative: all of them.
func entities(s string, limit int) string {
	var b strings.Builder
	fits := 0 // bytes that leave space for Cut
	before := ' '
	runes := []rune(s)
	for i, r := range runes {
		after := ' '
		if i+1 < len(runes) {
			after = runes[i+1]
		}
		if r <= unicode.MaxASCII && !plainHere(before, r, after) {
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		} else {
			b.WriteRune(r)
		}
		before = r
		switch {
		case limit < 0:
		case b.Len() > limit:
			return b.String()[:fits] + Cut
		case b.Len() <= limit-len(Cut):
			fits = b.Len()
		}
	}
	return b.String()
}

// plainHere reports whether an ASCII character has no meaning between two others. Beginning
// and end of the text count as spaces.
func plainHere(before, r, after rune) bool {
	letter := unicode.IsLetter
	switch r {
	case ' ', ',', ';', '?', '%', '"', '\'':
		return true
	case '.', ':': // not a list, "...", www.example.com or http://
		return (letter(before) || before == ')') && after == ' '
	case '!':
		return letter(before) && after == ' '
	case '-', '/': // not a list, a line, a dash, a fraction or an address
		return letter(before) && letter(after)
	case '(': // not (c), which some make a sign of, nor the address of a link
		return before == ' ' && letter(after) && !strings.ContainsRune("cCrRtT", after)
	case ')':
		return letter(before)
	}
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

func rightToLeft(r rune) bool {
	return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Samaritan, unicode.Mandaic, unicode.Adlam)
}
