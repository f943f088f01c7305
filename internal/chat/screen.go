package chat

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/parley-run/parley/internal/printable"
)

// A Screen is the terminal of a chat. It belongs to one goroutine, and its lines to
// another until they are received.
type Screen struct {
	// History is what the arrow keys recall.
	History *History

	in, out  *os.File
	saved    *term.State
	keys     *keyboard
	messages *editor
	progress bool // a line of progress is shown
	// calm: the terminal's cursor is not moved
	calm bool
}

// IsTerminal reports whether both ends are a terminal.
func IsTerminal(in io.Reader, out io.Writer) (*os.File, *os.File, bool) {
	i, isFile := in.(*os.File)
	o, isFileToo := out.(*os.File)
	if !isFile || !isFileToo || !term.IsTerminal(int(i.Fd())) || !term.IsTerminal(int(o.Fd())) {
		return nil, nil, false
	}
	return i, o, true
}

// OpenScreen switches the terminal's modes until Close. Calm leaves out everything that
// moves.
func OpenScreen(in, out *os.File, history *History, calm bool) (*Screen, error) {
	saved, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be used: %w", err)
	}
	s := &Screen{History: history, in: in, out: out, saved: saved, keys: newKeyboard(in), calm: calm}
	s.messages = s.editor(history)
	if !calm {
		_, _ = io.WriteString(out, "\x1b[?2004h") // pasted text is bracketed
	}
	return s, nil
}

// Close restores the terminal.
func (s *Screen) Close() error {
	s.Progress("")
	close(s.keys.stop)
	if !s.calm {
		_, _ = io.WriteString(s.out, "\x1b[?2004l")
	}
	return term.Restore(int(s.in.Fd()), s.saved)
}

func (s *Screen) editor(history *History) *editor {
	return &editor{keys: s.keys, out: s.out, size: s.size, history: history, calm: s.calm}
}

func (s *Screen) size() (columns, rows int) {
	columns, rows, err := term.GetSize(int(s.out.Fd()))
	if err != nil || columns <= 0 {
		return 80, 0
	}
	return columns, rows
}

// Width is the number of columns.
func (s *Screen) Width() int {
	columns, _ := s.size()
	return columns
}

// Print writes text above the line that is being typed, if there is one.
func (s *Screen) Print(words string) {
	s.Progress("")
	s.messages.print(printable.Painted(words))
}

// Progress shows one line that the next call replaces. Empty: none.
func (s *Screen) Progress(line string) {
	switch {
	case line == "" && !s.progress, s.calm:
		return
	case line == "":
		_, _ = io.WriteString(s.out, "\r\x1b[K")
		s.progress = false
	default:
		_, _ = io.WriteString(s.out, "\r"+printable.Painted(line)+"\x1b[K")
		s.progress = true
	}
}

// A Line is a typed line.
type Line struct {
	Text string
	// Pasted: the line ending was pasted, not typed.
	Pasted bool
	// Err is ErrBreak, io.EOF (Ctrl-D, or the terminal is gone) or ErrInterrupted.
	Err error
}

// ReadLine reads a line of a message in the background; text typed ahead counts. The
// channel yields one result. After a Line with an Err, the typed text is discarded.
func (s *Screen) ReadLine(prompt string) <-chan Line {
	s.keys.apart = false
	return s.read(s.messages, prompt)
}

// Ask asks a question. Text typed ahead does not answer it.
func (s *Screen) Ask(prompt string) <-chan Line {
	s.keys.hold()
	return s.read(s.editor(&History{}), prompt)
}

func (s *Screen) read(e *editor, prompt string) <-chan Line {
	s.Progress("")
	result := make(chan Line, 1)
	go func() {
		typed, err := e.readLine(prompt)
		if err == nil && e == s.messages {
			typed = s.History.Meant(typed)
		}
		result <- Line{Text: typed, Pasted: s.keys.pasted, Err: err}
	}()
	return result
}

// Cancel stops reading the current line. The line may arrive all the same.
func (s *Screen) Cancel(line <-chan Line) Line {
	s.keys.interrupt <- struct{}{}
	result := <-line
	select {
	case <-s.keys.interrupt: // the reader had finished
	default:
	}
	return result
}

// Typed yields what is typed while no line is being read. Pass each value to Later.
func (s *Screen) Typed() <-chan []byte { return s.keys.typed }

// Later keeps typed text for the next ReadLine. It reports whether Ctrl-C was among it.
func (s *Screen) Later(chunk []byte) (broken bool) { return s.keys.later(chunk) }

// Wrap breaks lines at words, so that none is wider than width.
func Wrap(body string, width int) string {
	if width < 10 {
		return body
	}
	var out []string
	for _, line := range strings.Split(body, "\n") {
		for text.StringWidth(line) > width {
			at := fitting(line, width)
			out = append(out, strings.TrimRight(line[:at], " "))
			line = strings.TrimLeft(line[at:], " ")
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// fitting is the number of bytes of a line that fit: up to a space, if there is one.
func fitting(line string, width int) int {
	used, space, words := 0, 0, false
	for i, r := range line {
		if r == ' ' && words {
			space = i
		}
		words = words || r != ' '
		if used += text.RuneWidth(r); used > width {
			if space > 0 {
				return space
			}
			return max(i, len(string(r)))
		}
	}
	return len(line)
}
