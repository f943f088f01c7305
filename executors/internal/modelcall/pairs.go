package modelcall

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// pairs puts characters together whose halves stand at the end of one event's text and at
// the beginning of the next text in the same place: the two escapes of a surrogate pair,
// which encoding/json would decode to two U+FFFD each, and the bytes of UTF-8. Servers
// that stream token by token split them so. A half whose other one does not follow becomes
// U+FFFD.
type pairs struct {
	// open are the first halves, by the path of their text.
	open map[string]string
}

// maxOpen bounds the halves that wait for another.
const maxOpen = 64

// mend returns the event's data with the halves in place.
func (p *pairs) mend(data []byte) []byte {
	if len(p.open) == 0 && utf8.Valid(data) && !hasSurrogate(data) {
		return data
	}
	var out []byte
	from := 0
	for t := range texts(data) {
		text := data[t.begin:t.end] // without its quotes
		first, waits := p.open[t.path]
		tail := half(text)
		if len(text) == 0 || !waits && tail == 0 {
			continue
		}
		out = append(out, data[from:t.begin]...)
		from = t.end
		if waits {
			delete(p.open, t.path)
			if !fits(first, text) {
				first = `\ufffd`
			}
			out = append(out, first...)
		}
		if tail > 0 && len(p.open) < maxOpen {
			if p.open == nil {
				p.open = map[string]string{}
			}
			p.open[t.path] = string(text[len(text)-tail:])
			text = text[:len(text)-tail]
		}
		out = append(out, text...)
	}
	if out == nil {
		return data
	}
	return append(out, data[from:]...)
}

// hasSurrogate reports whether the data may have an escaped surrogate.
func hasSurrogate(data []byte) bool {
	return bytes.Contains(data, []byte(`\ud`)) || bytes.Contains(data, []byte(`\uD`))
}

// half returns the length of the first half of a character at the end of a text.
func half(text []byte) int {
	if n := unfinished(text); n > 0 {
		return n
	}
	const escape = len(`\ud83d`)
	if len(text) < escape || !isSurrogate(text[len(text)-escape:], 0xD800) {
		return 0
	}
	// The backslash itself may be escaped.
	before := text[:len(text)-escape]
	if (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 1 {
		return 0
	}
	return escape
}

// fits reports whether the text begins with the other half.
func fits(first string, text []byte) bool {
	if strings.HasPrefix(first, `\`) {
		return isSurrogate(text, 0xDC00)
	}
	n := 0
	for n < len(text) && n < utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n++
	}
	r, size := utf8.DecodeRuneInString(first + string(text[:n]))
	return r != utf8.RuneError && size == len(first)+n
}

// isSurrogate reports whether the text begins with an escape in the block of 1024 that
// begins at base.
func isSurrogate(text []byte, base uint64) bool {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return false
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return err == nil && n&^0x3FF == base
}
