package chat

import "strings"

// A picture is a line on the screen, in the rows that it takes. The last row has
// room for the cursor.
type picture struct {
	cells   []cell
	columns int
	starts  []int // of the rows, in cells
	cursor  int   // a cell, or behind the last
	y       int   // the cursor's row
	// Rows from top to bottom are on the screen: all, if it is high enough.
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

// show chooses the rows that a screen can hold: those of before, if the cursor is
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

// left is what is in the cursor's row before it.
func (p *picture) left() []cell { return p.cells[p.starts[p.y]:p.cursor] }

// above is how many rows of the screen are above the cursor's, when the terminal
// has got another width meanwhile: most break what has become too long for them.
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

// same reports whether only the cursor may be elsewhere.
func (p *picture) same(other *picture) bool {
	return p.columns == other.columns && p.top == other.top && p.bottom == other.bottom &&
		len(p.cells) == len(other.cells) && p.continues(other)
}

// continues reports whether all of the other is the beginning of this one.
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

// added is what has been typed at the end of other, if that is all there is to
// draw.
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
