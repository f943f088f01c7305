package chat

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

const (
	wrapOff = "\x1b[?7l"
	wrapOn  = "\x1b[?7h"
)

// An editor edits a line. One goroutine reads lines; any goroutine may print above them.
//
// Terminals do not agree on the width of some characters. The editor therefore breaks
// rows itself, redraws a changed row from the left, and places the cursor by drawing
// what precedes it.
type editor struct {
	keys    *keyboard
	out     io.Writer
	size    func() (columns, rows int)
	history *History
	calm    bool // terminal modes stay as they are

	mu       sync.Mutex
	prompt   []cell
	line     []cell
	at       int    // the cursor is before this cell
	recalled int    // entries back in the history
	pending  string // the line before recall
	pasting  bool
	rest     []byte   // the beginning of a key sequence
	drawn    *picture // nil: no line is on the screen
}

// readLine reads a line. After an error the typed line is discarded: ErrBreak, io.EOF
// (Ctrl-D or the terminal is gone), or the keyboard's.
func (e *editor) readLine(prompt string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.prompt, e.line, e.at, e.recalled, e.rest = promptCells(prompt), nil, 0, 0, nil
	e.pasting = e.keys.pasting
	defer e.finish()
	buffer := make([]byte, 4096)
	for {
		e.draw()
		e.mu.Unlock()
		n, err := e.keys.Read(buffer)
		e.mu.Lock()
		if err != nil {
			return "", err
		}
		e.rest = append(e.rest, buffer[:n]...)
		if whole, err := e.edit(); err != nil {
			return "", err
		} else if whole {
			return textOf(e.line), nil
		}
	}
}

// edit applies keys until the line is complete.
func (e *editor) edit() (whole bool, err error) {
	for {
		k, n := nextKey(e.rest, e.pasting)
		if n == 0 {
			return false, nil
		}
		pressed := string(e.rest[:n])
		e.rest = e.rest[n:]
		switch k {
		case keyEnter:
			return true, nil
		case keyInterrupt:
			return false, ErrBreak
		case keyEndOfFile:
			if len(e.line) == 0 {
				return false, io.EOF
			}
			e.replace(e.at, e.at+1, "")
		case keyText:
			e.replace(e.at, e.at, strings.ToValidUTF8(pressed, "\ufffd"))
		case keyPasteStart, keyPasteEnd:
			e.pasting = k == keyPasteStart
		case keyUp:
			e.recall(e.recalled + 1)
		case keyDown:
			e.recall(e.recalled - 1)
		case keyClear:
			_, _ = io.WriteString(e.out, "\x1b[H\x1b[2J")
			e.drawn = nil
		default:
			e.press(k)
		}
	}
}

// press moves the cursor, or deletes.
func (e *editor) press(k key) {
	switch k {
	case keyLeft:
		e.at = max(e.at-1, 0)
	case keyRight:
		e.at = min(e.at+1, len(e.line))
	case keyHome:
		e.at = 0
	case keyEnd:
		e.at = len(e.line)
	case keyWordLeft:
		e.at = e.wordLeft()
	case keyWordRight:
		e.at = e.wordRight()
	case keyBackspace:
		e.replace(e.at-1, e.at, "")
	case keyDelete:
		e.replace(e.at, e.at+1, "")
	case keyDeleteWordLeft:
		e.replace(e.wordLeft(), e.at, "")
	case keyDeleteWordRight:
		e.replace(e.at, e.wordRight(), "")
	case keyDeleteToStart:
		e.replace(0, e.at, "")
	case keyDeleteToEnd:
		e.replace(e.at, len(e.line), "")
	case keyTranspose:
		if at := min(e.at, len(e.line)-1); at > 0 {
			e.replace(at-1, at+1, e.line[at].text+e.line[at-1].text)
		}
	}
}

// replace puts text in place of cells, and the cursor behind it. Characters that become
// neighbours may join into one cell.
func (e *editor) replace(from, to int, text string) {
	from, to = max(from, 0), min(to, len(e.line))
	if from == to && text == "" {
		return
	}
	first, last := max(from-1, 0), min(to+1, len(e.line))
	before := textOf(e.line[first:from]) + text
	cells := cellsOf(before + textOf(e.line[to:last]))
	e.at = first
	for size := 0; size < len(before); e.at++ {
		size += len(cells[e.at-first].text)
	}
	line := make([]cell, 0, len(e.line)+len(cells))
	line = append(line, e.line[:first]...)
	line = append(line, cells...)
	e.line = append(line, e.line[last:]...)
}

func (e *editor) wordLeft() int {
	at := e.at
	for at > 0 && e.line[at-1].isSpace() {
		at--
	}
	for at > 0 && !e.line[at-1].isSpace() {
		at--
	}
	return at
}

func (e *editor) wordRight() int {
	at := e.at
	for at < len(e.line) && !e.line[at].isSpace() {
		at++
	}
	for at < len(e.line) && e.line[at].isSpace() {
		at++
	}
	return at
}

// recall shows an entry of the history; 0 is the line typed before.
func (e *editor) recall(back int) {
	if back < 0 || back > e.history.Len() {
		return
	}
	if e.recalled == 0 {
		e.pending = textOf(e.line)
	}
	text := e.pending
	if back > 0 {
		text = e.history.At(back - 1)
	}
	e.recalled = back
	e.replace(0, len(e.line), text)
}

// print writes text above the line.
func (e *editor) print(words string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	words = strings.ReplaceAll(words, "\n", "\r\n")
	if e.drawn == nil {
		_, _ = io.WriteString(e.out, words)
		return
	}
	if !strings.HasSuffix(words, "\n") {
		words += "\r\n"
	}
	_, _ = io.WriteString(e.out, e.start()+"\x1b[J"+words)
	e.drawn = nil
	e.draw()
}

// draw shows the current line with few writes.
func (e *editor) draw() {
	p, height := e.picture()
	p.show(e.drawn, height)
	before := e.drawn
	var b strings.Builder
	if before != nil && p.same(before) {
		if p.cursor != before.cursor {
			e.point(&b, &p, before.y)
			_, _ = io.WriteString(e.out, b.String())
		}
	} else if added, only := e.added(&p); only {
		drawCells(&b, added)
		e.write(b.String())
	} else {
		b.WriteString(e.start() + "\x1b[J")
		e.paint(&b, &p)
		if p.cursor < len(p.cells) || p.y != p.bottom-1 {
			e.point(&b, &p, p.bottom-1)
		}
		e.write(b.String())
	}
	e.drawn = &p
}

func (e *editor) picture() (p picture, height int) {
	columns, height := e.size()
	cells := make([]cell, 0, len(e.prompt)+len(e.line))
	cells = append(append(cells, e.prompt...), e.line...)
	return newPicture(cells, len(e.prompt)+e.at, columns), height
}

func (e *editor) added(p *picture) ([]cell, bool) {
	if e.drawn == nil {
		return nil, false
	}
	return p.added(e.drawn)
}

// paint draws all rows and leaves the cursor behind the last.
func (e *editor) paint(b *strings.Builder, p *picture) {
	for y := p.top; y < p.bottom; y++ {
		if y > p.top {
			b.WriteString("\r\n")
		}
		drawCells(b, p.row(y))
	}
}

// point moves the cursor from row y to its place.
func (e *editor) point(b *strings.Builder, p *picture, y int) {
	b.WriteString(vertical(p.y-y) + "\r")
	drawCells(b, p.left())
}

// start moves to where the line on the screen begins.
func (e *editor) start() string {
	if e.drawn == nil {
		return ""
	}
	columns, _ := e.size()
	return vertical(-e.drawn.above(columns)) + "\r"
}

// finish leaves the whole line on the screen and moves below it.
func (e *editor) finish() {
	e.at = len(e.line)
	if p, height := e.picture(); height > 0 && len(p.starts) > height {
		var b strings.Builder
		b.WriteString(e.start() + "\x1b[J")
		e.paint(&b, &p)
		e.write(b.String())
		e.drawn = &p
	} else {
		e.draw()
	}
	end := "\r\n"
	if last := len(e.drawn.starts) - 1; last > 0 && len(e.drawn.row(last)) == 0 {
		end = "\r"
	}
	_, _ = io.WriteString(e.out, end)
	e.drawn = nil
}

// write draws text that must stay in its row, whatever width the terminal gives it.
func (e *editor) write(drawing string) {
	if !e.calm {
		drawing = wrapOff + drawing + wrapOn
	}
	_, _ = io.WriteString(e.out, drawing)
}

func vertical(rows int) string {
	switch {
	case rows < 0:
		return fmt.Sprintf("\x1b[%dA", -rows)
	case rows > 0:
		return fmt.Sprintf("\x1b[%dB", rows)
	}
	return ""
}
