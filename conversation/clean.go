package conversation

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns the message without the characters that platforms cannot store: NUL and
// the other control characters, except for tabs and line breaks. Form feeds, vertical tabs
// and NEL become line breaks. Structured data loses the same characters. Cleaned counts
// them. The given message is not changed.
func (m Message) Clean() Message {
	var parts []Part
	for i, p := range m.Parts {
		text, inText := CleanText(p.Text)
		data, inData := cleanJSON(p.Data)
		if inText+inData == 0 {
			continue
		}
		if parts == nil {
			parts = slices.Clone(m.Parts)
		}
		parts[i].Text, parts[i].Data = text, data
		m.Cleaned += inText + inData
	}
	if parts != nil {
		m.Parts = parts
	}
	return m
}

// CleanText is [Message.Clean] for a text. It also returns how many characters it changed.
func CleanText(text string) (string, int) {
	if strings.IndexFunc(text, unfit) < 0 {
		return text, 0
	}
	n := 0
	return strings.Map(func(r rune) rune {
		if !unfit(r) {
			return r
		}
		n++
		return replacement(r)
	}, text), n
}

// unfit reports whether a platform may refuse or lose a character. PostgreSQL stores no
// NUL, XML has none of the control characters, and terminals obey them. Unassigned
// characters and noncharacters are stored everywhere.
func unfit(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }

// replacement is what a character becomes that is not fit. Negative: nothing.
func replacement(r rune) rune {
	switch r {
	case '\v', '\f', '\u0085':
		return '\n'
	}
	return -1
}

// cleanJSON changes the strings of a JSON text: in them control characters are escaped, or
// stand as they are above U+007F.
func cleanJSON(data []byte) ([]byte, int) {
	if !bytes.ContainsRune(data, '\\') && bytes.IndexFunc(data, unfit) < 0 {
		return data, 0
	}
	out, n := make([]byte, 0, len(data)), 0
	for rest := data; len(rest) > 0; {
		r, size := escaped(rest)
		switch {
		case !unfit(r):
			out = append(out, rest[:size]...)
		case replacement(r) == '\n':
			out, n = append(out, `\n`...), n+1
		default:
			n++
		}
		rest = rest[size:]
	}
	if n == 0 {
		return data, 0
	}
	return out, n
}

// escaped reads a character of a JSON text, and how many bytes it takes there.
func escaped(data []byte) (rune, int) {
	if data[0] != '\\' || len(data) < 2 {
		return utf8.DecodeRune(data)
	}
	switch data[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'u':
		if len(data) < 6 {
			break
		}
		if n, err := strconv.ParseUint(string(data[2:6]), 16, 32); err == nil {
			return rune(n), 6
		}
	}
	return ' ', 2
}
