package chat

import "strings"

// A picture is a line as rows of the screen. The last row has a free column for the
// cursor.
type picture struct {
	cells   []cell
	columns int
	starts  []int // first cell of each row
	cursor  int   // a cell, or behind the last
	y       int   // the cursor's row
	// The rows from top to bottom are on the screen: all of them, if it is high enough.
	top, bottom int
}

func newPicture(cells []cell, cursor, columns int) picture {
	p := picture{cells: cells, columns: columns, starts: []int{0}, cursor: cursor}
	x := 0
	for i, c := range cells {
		if x > 0 && x+c.width > columns {
			p.starts, x = append(p.starts, i), 0
		}
		if i == cursor {
			p.y = len(p.starts) - 1
		}
		x += c.width
	}
	if x >= columns {
		p.starts = append(p.starts, len(cells))
	}
	if cursor == len(cells) {
		p.y = len(p.starts) - 1
	}
	p.bottom = len(p.starts)
	return p
}

// show chooses the rows that a screen can hold: the same as before, if the cursor is
// among them.
func (p *picture) show(before *picture, height int) {
	if height <= 0 || len(p.starts) <= height {
		return
	}
	if before != nil {
		p.top = before.top
	}
	p.top = min(max(p.top, p.y-height+1), p.y, len(p.starts)-height)
	p.bottom = p.top + height
}

func (p *picture) row(y int) []cell {
	if y+1 < len(p.starts) {
		return p.cells[p.starts[y]:p.starts[y+1]]
	}
	return p.cells[p.starts[y]:]
}

// left is the part of the cursor's row before the cursor.
func (p *picture) left() []cell { return p.cells[p.starts[p.y]:p.cursor] }

// above is the number of screen rows above the cursor's after the terminal has changed
// its width: most terminals break rows that have become too long.
func (p *picture) above(columns int) int {
	if columns >= p.columns {
		return p.y - p.top
	}
	rows := widthOf(p.left()) / columns
	for y := p.top; y < p.y; y++ {
		rows += max(1, (widthOf(p.row(y))+columns-1)/columns)
	}
	return rows
}

// same reports whether nothing but the cursor differs.
func (p *picture) same(other *picture) bool {
	return p.columns == other.columns && p.top == other.top && p.bottom == other.bottom &&
		len(p.cells) == len(other.cells) && p.continues(other)
}

// continues reports whether the other is a prefix of this one.
func (p *picture) continues(other *picture) bool {
	if len(other.cells) > len(p.cells) {
		return false
	}
	for i, c := range other.cells {
		if p.cells[i].shown != c.shown {
			return false
		}
	}
	return true
}

// added is the text typed at the end of other, if that is the only difference.
func (p *picture) added(other *picture) ([]cell, bool) {
	atEnds := other.cursor == len(other.cells) && p.cursor == len(p.cells)
	if !atEnds || p.columns != other.columns || p.top != other.top || len(p.starts) != len(other.starts) || !p.continues(other) {
		return nil, false
	}
	return p.cells[len(other.cells):], true
}

func drawCells(b *strings.Builder, cells []cell) {
	for _, c := range cells {
		b.WriteString(c.shown)
	}
}
