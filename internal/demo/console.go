package demo

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/parley-run/parley/internal/printable"
)

// plainEvery is the shortest interval between lines of progress where lines cannot be
// redrawn.
const plainEvery = 5 * time.Second

// A console writes lines, and below them one line of progress. On a terminal that line
// is redrawn; elsewhere it is written at intervals.
type console struct {
	out      io.Writer
	terminal bool
	colour   bool
	width    func() int
	now      func() time.Time

	mu     sync.Mutex
	status string
	drawn  bool
	last   time.Time // plain: when progress was last written
	rest   []byte    // of an incomplete line
	muted  bool
}

func newConsole(out io.Writer) *console {
	c := &console{out: out, width: func() int { return 80 }, now: time.Now}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return c
	}
	c.terminal = true
	c.colour = os.Getenv("NO_COLOR") == ""
	c.width = func() int {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
		return 80
	}
	return c
}

// Print writes a line.
func (c *console) Print(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line(fmt.Sprintf(format, args...))
}

// Done writes a line about a part that is ready, and ends its progress.
func (c *console) Done(what, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = ""
	mark := "✓"
	if c.colour {
		mark = "\x1b[32m✓\x1b[0m"
	}
	c.line(fmt.Sprintf("  %s %-10s %s", mark, what, fmt.Sprintf(format, args...)))
}

// Status replaces the line of progress. Empty: none.
func (c *console) Status(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.terminal {
		if text != c.status {
			c.status = text
			c.erase()
			c.draw()
		}
		return
	}
	// A change of the first word means a new kind of progress.
	sameKind := text != "" && firstWord(text) == firstWord(c.status)
	c.status = text
	if now := c.now(); text != "" && (!sameKind || now.Sub(c.last) >= plainEvery) {
		c.last = now
		fmt.Fprintf(c.out, "  %s\n", printable.Painted(text))
	}
}

// Write writes a log: its whole lines go between the others.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.muted {
		return len(p), nil
	}
	c.rest = append(c.rest, p...)
	if i := bytes.LastIndexByte(c.rest, '\n'); i >= 0 {
		c.line(string(c.rest[:i]))
		c.rest = append([]byte(nil), c.rest[i+1:]...)
	}
	return len(p), nil
}

// Mute drops further logs: during a requested stop they only report what stops.
func (c *console) Mute() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.muted = true
}

func (c *console) line(text string) {
	c.erase()
	fmt.Fprintln(c.out, printable.Painted(text))
	c.draw()
}

func (c *console) erase() {
	if c.drawn {
		fmt.Fprint(c.out, "\r\x1b[K")
		c.drawn = false
	}
}

// draw writes the progress without a line break, and never beyond the terminal's width:
// a second row could not be erased.
func (c *console) draw() {
	if !c.terminal || c.status == "" {
		return
	}
	fmt.Fprint(c.out, clip("  "+printable.Line(c.status), c.width()-1))
	c.drawn = true
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// clip shortens text to a number of characters. Less than one: it is not known.
func clip(text string, limit int) string {
	if limit < 1 {
		return text
	}
	return printable.ClipLetters(text, limit)
}

func after(d time.Duration) string {
	if d < time.Second {
		return ""
	}
	return " · " + d.Round(time.Second).String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
