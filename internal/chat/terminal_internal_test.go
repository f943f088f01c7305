package chat

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"
)

// cursor stands in what a terminal shows for its cursor.
const cursor = "▏"

// A terminal interprets its input as common terminals do, and fails on sequences it does
// not know. Its table of widths differs from the editor's.
type terminal struct {
	columns, rows int
	cells         [][]string // an empty string is the right half of a wide character
	x, y          int        // x may equal columns: the next character begins a row
	wrap          bool
	unknown       []string
	rest          string
}

func newTerminal(columns, rows int) *terminal {
	d := &terminal{columns: columns, rows: rows, wrap: true}
	d.cells = make([][]string, rows)
	d.clear(0, 0)
	return d
}

func (d *terminal) clear(x, y int) {
	for ; y < d.rows; x, y = 0, y+1 {
		for len(d.cells[y]) < d.columns {
			d.cells[y] = append(d.cells[y], " ")
		}
		for ; x < d.columns; x++ {
			d.cells[y][x] = " "
		}
	}
}

var control = regexp.MustCompile("^\x1b\\[([?0-9;]*)([a-zA-Z])")

func (d *terminal) write(sent string) {
	d.rest += sent
	for d.rest != "" {
		if d.rest[0] == escape {
			m := control.FindStringSubmatch(d.rest)
			if m == nil {
				return // incomplete
			}
			d.rest = d.rest[len(m[0]):]
			d.control(m[1], m[2])
			continue
		}
		if !utf8.FullRuneInString(d.rest) {
			return
		}
		r, size := utf8.DecodeRuneInString(d.rest)
		d.rest = d.rest[size:]
		d.put(r)
	}
}

func (d *terminal) control(parameter, final string) {
	n, _ := strconv.Atoi(parameter)
	switch command := parameter + final; {
	case final == "A" && n > 0:
		d.y = max(d.y-n, 0)
	case final == "B" && n > 0:
		d.y = min(d.y+n, d.rows-1)
	case command == "H":
		d.x, d.y = 0, 0
	case command == "J":
		d.clear(min(d.x, d.columns-1), d.y)
	case command == "2J":
		d.clear(0, 0)
	case command == "K":
		d.cells[d.y] = d.cells[d.y][:min(d.x, d.columns-1)]
		d.clear(d.columns, d.y)
	case command == "?7l", command == "?7h":
		d.wrap = final == "h"
	case command == "?2004h", command == "?2004l", final == "m":
	default:
		d.unknown = append(d.unknown, command)
	}
}

func (d *terminal) put(r rune) {
	width := text.RuneWidth(r)
	last := max(min(d.x, d.columns)-1, 0)
	if last > 0 && d.cells[d.y][last] == "" {
		last--
	}
	before := d.cells[d.y][last]
	isFlag := func(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }
	head, size := utf8.DecodeRuneInString(before)
	switch {
	case r == '\r':
		d.x = 0
	case r == '\n':
		if d.y++; d.y == d.rows {
			d.y--
			d.cells = append(d.cells[1:], nil)
			d.clear(0, d.rows-1)
		}
	case r < ' ':
		d.unknown = append(d.unknown, strconv.QuoteRune(r))
	case d.x > 0 && (width == 0 || strings.HasSuffix(before, "\u200d") || isFlag(r) && isFlag(head) && size == len(before)):
		d.cells[d.y][last] = before + string(r)
	default:
		if isFlag(r) {
			width = 2
		}
		if d.x+width > d.columns {
			if d.wrap {
				d.put('\r')
				d.put('\n')
			} else {
				d.x = d.columns - width
			}
		}
		d.cells[d.y][d.x] = string(r)
		if width == 2 {
			d.cells[d.y][d.x+1] = ""
		}
		d.x += width
	}
}

// resize breaks rows that have become too long, as most terminals do.
func (d *terminal) resize(columns int) {
	var rows [][]string
	x, y := d.x, d.y
	for i, row := range d.cells {
		used := len(row)
		for used > 0 && row[used-1] == " " && (i != d.y || used > d.x) {
			used--
		}
		row = row[:used]
		if i == d.y {
			y, x = len(rows)+d.x/columns, d.x%columns
		}
		for len(row) > columns {
			rows, row = append(rows, row[:columns:columns]), row[columns:]
		}
		rows = append(rows, row[:len(row):len(row)])
	}
	extra := max(y+1-d.rows, 0)
	d.cells, d.columns, d.x, d.y = rows[extra:extra+d.rows], columns, x, y-extra
	for y := range d.cells {
		d.clear(columns, y)
	}
}

// String is the visible text, with the cursor.
func (d *terminal) String() string {
	var rows []string
	for y, cells := range d.cells {
		row := strings.TrimRight(strings.Join(cells, ""), " ")
		if y == d.y {
			row = strings.Join(cells[:d.x], "") + cursor + strings.TrimRight(strings.Join(cells[d.x:], ""), " ")
		}
		rows = append(rows, row)
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

// A desk has a screen at one end of a pseudo-terminal, and a typist at the other.
type desk struct {
	t      *testing.T
	screen *Screen
	keys   *os.File

	mu       sync.Mutex
	terminal *terminal
	changed  chan struct{}
}

func newDesk(t *testing.T, columns, rows int) *desk {
	t.Helper()
	keys, tty, err := pty.Open()
	require.NoError(t, err)
	require.NoError(t, pty.Setsize(keys, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}))
	screen, err := OpenScreen(tty, tty, &History{}, false)
	require.NoError(t, err)
	d := &desk{t: t, screen: screen, keys: keys, terminal: newTerminal(columns, rows), changed: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	reading.Go(func() {
		chunk := make([]byte, 4096)
		for {
			n, err := keys.Read(chunk)
			d.mu.Lock()
			d.terminal.write(string(chunk[:n]))
			d.mu.Unlock()
			select {
			case d.changed <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		require.NoError(t, screen.Close())
		require.NoError(t, tty.Close())
		d.types("\n") // ends the keyboard's read, and with it the test's own
		reading.Wait()
		require.NoError(t, keys.Close())
		require.Empty(t, d.terminal.unknown, "sequences that must not be sent to a terminal")
	})
	return d
}

func (d *desk) types(keys string) {
	d.t.Helper()
	_, err := d.keys.WriteString(keys)
	require.NoError(d.t, err)
}

func (d *desk) resize(columns int) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.terminal.resize(columns)
	require.NoError(d.t, pty.Setsize(d.keys, &pty.Winsize{Cols: uint16(columns), Rows: uint16(d.terminal.rows)}))
}

// sees waits until the terminal shows these rows.
func (d *desk) sees(rows ...string) {
	d.t.Helper()
	want := strings.Join(rows, "\n")
	late := time.After(time.Minute)
	for {
		d.mu.Lock()
		got := d.terminal.String()
		d.mu.Unlock()
		if got == want {
			return
		}
		select {
		case <-d.changed:
		case <-late:
			require.Equal(d.t, want, got, "on the screen")
		}
	}
}

func (d *desk) gets(typed <-chan Line) Line {
	d.t.Helper()
	select {
	case line := <-typed:
		return line
	case <-time.After(time.Minute):
		require.FailNow(d.t, "no line", fmt.Sprint(d.terminal))
		return Line{}
	}
}
