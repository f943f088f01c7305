package conversation

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Cut returns the message with at most limit bytes of JSON, and the number of bytes it
// cut. A mark at the end says how many. Structured data that does not fit is left out as
// a whole: half of it is not JSON.
func (m Message) Cut(limit int) (Message, int) {
	if m.RecordedSize() <= limit {
		return m, 0
	}
	budget := max(0, limit-64-cutMarkBytes) // 64 is the message's own share in RecordedSize
	kept, cut, full := Message{Role: m.Role, Time: m.Time}, 0, false
	for _, p := range m.Parts {
		cost := Message{Parts: []Part{p}}.RecordedSize() - 64
		switch {
		case !full && cost <= budget:
			budget -= cost
			kept.Parts = append(kept.Parts, p)
		case !full && p.Type == PartText && budget > 32:
			text := prefix(p.Text, budget-32)
			kept.Parts = append(kept.Parts, Part{Type: PartText, Text: text})
			cut, full = cut+len(p.Text)-len(text), true
		default:
			cut, full = cut+Message{Parts: []Part{p}}.Size()-64, true
		}
	}
	mark := cutMark(cut)
	if n := len(kept.Parts); n > 0 && kept.Parts[n-1].Type == PartText {
		kept.Parts[n-1].Text += " " + mark
	} else {
		kept.Parts = append(kept.Parts, Part{Type: PartText, Text: mark})
	}
	return kept, cut
}

// CutText returns text with at most limit bytes as JSON writes it, and the number of
// bytes it cut.
func CutText(text string, limit int) (string, int) {
	if EscapedSize(text) <= limit {
		return text, 0
	}
	kept := prefix(text, max(0, limit-cutMarkBytes))
	cut := len(text) - len(kept)
	return kept + " " + cutMark(cut), cut
}

// cutMarkBytes is the most that a mark takes, with the part that may be needed for it.
const cutMarkBytes = 96

func cutMark(bytes int) string { return fmt.Sprintf("[… %s bytes cut]", grouped(bytes)) }

// prefix is the longest beginning of text that ends between two characters and takes at
// most limit bytes in JSON.
func prefix(text string, limit int) string {
	taken := 0
	for i := 0; i < len(text); {
		_, size := utf8.DecodeRuneInString(text[i:])
		if taken += EscapedSize(text[i : i+size]); taken > limit {
			return text[:i]
		}
		i += size
	}
	return text
}

// grouped writes a number with a comma at each thousand.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
