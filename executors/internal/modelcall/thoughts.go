package modelcall

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-run/parley/executors"
)

// tags are what models put around thoughts, in lower case.
var tags = [][2]string{
	{"<think>", "</think>"},
	{"<thinking>", "</thinking>"},
	{"<reasoning>", "</reasoning>"},
	{"<thought>", "</thought>"},
	{"<seed:think>", "</seed:think>"},
	{"[think]", "[/think]"},
	{"◁think▷", "◁/think▷"},
	{"<|begin_of_thought|>", "<|end_of_thought|>"},
	// The answer begins behind the last marker.
	{"<|channel|>analysis<|message|>", "<|channel|>final<|message|>"},
}

// maxHeld bounds the white space before a tag.
const maxHeld = 4 << 10

// A Thoughts takes thoughts out of a text that arrives in pieces: the blocks between
// tags with which the text begins, with white space around them. Tags may be split over
// pieces, at any byte, and may be in upper case. A block that is not closed reaches to
// the end. Tags behind other text are text.
//
// The zero value removes thoughts; one for [executors.KeepThoughts] removes none.
type Thoughts struct {
	keep bool
	// close is the tag that ends the current block. Empty: there is none.
	close string
	begun bool // text has begun: nothing more is removed
	found bool
	held  string // the end of the pieces so far that may belong to a tag
}

// NewThoughts returns a filter for a setting.
func NewThoughts(setting executors.Thoughts) Thoughts {
	return Thoughts{keep: setting == executors.KeepThoughts}
}

// Found reports whether thoughts were removed.
func (t *Thoughts) Found() bool { return t.found }

// Inside reports whether the text so far ends within a block of thoughts.
func (t *Thoughts) Inside() bool { return t.close != "" }

// Add adds a piece, and returns the text that is certain not to be thoughts.
func (t *Thoughts) Add(piece string) string {
	if t.keep || t.begun {
		return piece
	}
	t.held += piece
	for {
		if t.close != "" {
			if !t.skip() {
				return ""
			}
			continue
		}
		text := strings.TrimLeftFunc(t.held, unicode.IsSpace)
		if t.found {
			t.held = text // white space behind a block
		}
		open, whole := opening(text)
		switch {
		case whole:
			t.found, t.close, t.held = true, open[1], text[len(open[0]):]
		case (open[0] != "" || text == "") && len(t.held) <= maxHeld:
			return "" // more pieces decide
		default:
			return t.Rest()
		}
	}
}

// Rest returns the text that is held back, at the end of the answer. Blank lines before it
// are left out: they stand behind thoughts that the server has put elsewhere.
func (t *Thoughts) Rest() string {
	if t.close != "" {
		return ""
	}
	text := t.held
	if !t.keep && !t.begun {
		space := len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
		text = text[strings.LastIndexByte(text[:space], '\n')+1:]
	}
	t.held, t.begun = "", true
	return text
}

// skip drops the pieces of a block, and reports whether it has ended.
func (t *Thoughts) skip() bool {
	// ToLower may change the length of a text: only ASCII is folded.
	low := lowerASCII(t.held)
	if i := strings.Index(low, t.close); i >= 0 {
		t.held, t.close = t.held[i+len(t.close):], ""
		return true
	}
	// The end may be the beginning of the tag.
	n := min(len(low), len(t.close)-1)
	for n > 0 && !strings.HasPrefix(t.close, low[len(low)-n:]) {
		n--
	}
	t.held = t.held[len(t.held)-n:]
	return false
}

// opening returns the tags whose opening one the text begins with, and whether all of
// that is there.
func opening(text string) (tag [2]string, whole bool) {
	var part [2]string
	for _, tag := range tags {
		n := min(len(text), len(tag[0]))
		if n == 0 || lowerASCII(text[:n]) != tag[0][:n] {
			continue
		}
		if n == len(tag[0]) {
			return tag, true
		}
		part = tag
	}
	return part, false
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// WithoutOpening returns what follows a closing tag that has no opening one before it:
// some chat templates put the opening tag into the prompt, so that the answer begins
// with thoughts. Such a tag ends a line, or begins one, or touches the word before it; a
// tag between words or in quotes is text. It reports whether there is one.
//
// Where the answer is streamed, OnDelta has received the thoughts by then. The reply
// leaves them out.
func WithoutOpening(text string) (string, bool) {
	low := lowerASCII(text)
	for _, tag := range tags[:5] {
		i := strings.Index(low, tag[1])
		if i < 0 || strings.Contains(low[:i], tag[0]) {
			continue
		}
		before, after := text[:i], text[i+len(tag[1]):]
		if endsThoughts(before, after) {
			rest := strings.TrimLeftFunc(after, unicode.IsSpace)
			if more, ok := WithoutOpening(rest); ok {
				return more, true
			}
			return rest, true
		}
	}
	return text, false
}

func endsThoughts(before, after string) bool {
	line := before[strings.LastIndexByte(before, '\n')+1:]
	next := strings.TrimLeft(after, " \t\r")
	last, _ := utf8.DecodeLastRuneInString(before)
	switch {
	case strings.TrimSpace(line) == "":
		return true
	case strings.HasPrefix(next, "\n"):
		return true
	}
	return !unicode.IsSpace(last) && !slices.Contains([]rune("`'\"“‘«(["), last)
}
