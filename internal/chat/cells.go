package chat

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// A cell is drawn and edited as one character: a grapheme cluster, or a pasted control
// character.
type cell struct {
	text  string
	shown string // what is sent to the terminal: never a pasted control character
	width int    // in columns
}

// tabWidth is the width of a tab, in columns.
const tabWidth = 4

func newCell(text string, width int) cell {
	r, _ := utf8.DecodeRuneInString(text)
	switch {
	case r == '\t':
		return cell{text, strings.Repeat(" ", tabWidth), tabWidth}
	case r < ' ' || r == 0x7f:
		return cell{text, "^" + string(r^0x40), 2}
	case unicode.IsControl(r):
		return cell{text, string(utf8.RuneError), 1}
	case width == 0: // a combining mark without a base must not join the cell on its left
		return cell{text, " " + text, 1}
	}
	return cell{text, text, width}
}

func cellsOf(text string) []cell {
	var cells []cell
	for state := -1; text != ""; {
		var cluster string
		var width int
		cluster, text, width, state = uniseg.FirstGraphemeClusterInString(text, state)
		cells = append(cells, newCell(cluster, width))
	}
	return cells
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// promptCells also knows colours, which take no columns.
func promptCells(prompt string) []cell {
	var cells []cell
	for prompt != "" {
		next := colour.FindStringIndex(prompt)
		if next == nil {
			return append(cells, cellsOf(prompt)...)
		}
		cells = append(cells, cellsOf(prompt[:next[0]])...)
		cells = append(cells, cell{shown: prompt[next[0]:next[1]]})
		prompt = prompt[next[1]:]
	}
	return cells
}

func textOf(cells []cell) string {
	var b strings.Builder
	for _, c := range cells {
		b.WriteString(c.text)
	}
	return b.String()
}

func widthOf(cells []cell) (width int) {
	for _, c := range cells {
		width += c.width
	}
	return width
}

// isSpace reports whether a cell separates words.
func (c cell) isSpace() bool {
	r, _ := utf8.DecodeRuneInString(c.text)
	return unicode.IsSpace(r)
}
