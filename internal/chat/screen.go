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

// A Screen is a terminal that is talked on. It belongs to one goroutine, and its
// lines to another, until they are received.
type Screen struct {
	// History is what the arrow keys bring back.
	History *History

	in, out  *os.File
	saved    *term.State
	keys     *keyboard
	messages *editor
	progress bool // there is a line of it
	// calm: the terminal does not move its cursor about.
	calm bool
}

// IsTerminal reports whether somebody sits at both ends.
func IsTerminal(in io.Reader, out io.Writer) (*os.File, *os.File, bool) {
	i, isFile := in.(*os.File)
	o, isFileToo := out.(*os.File)
	if !isFile || !isFileToo || !term.IsTerminal(int(i.Fd())) || !term.IsTerminal(int(o.Fd())) {
		return nil, nil, false
	}
	return i, o, true
}

// OpenScreen takes the terminal over, until Close. Calm leaves out all that moves.
func OpenScreen(in, out *os.File, history *History, calm bool) (*Screen, error) {
	saved, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be used: %w", err)
	}
	s := &Screen{History: history, in: in, out: out, saved: saved, keys: newKeyboard(in), calm: calm}
	s.messages = s.editor(history)
	if !calm {
		_, _ = io.WriteString(out, "\x1b[?2004h") // what is pasted is marked
	}
	return s, nil
}

// Close gives the terminal back as it was.
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

// Print writes words, above the line that is being typed, if one is.
func (s *Screen) Print(words string) {
	s.Progress("")
	s.messages.print(printable.Painted(words))
}

// Progress shows one line that the next replaces. Empty: there is none.
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

// A Line is what was typed.
type Line struct {
	Text string
	// Pasted: the end of the line was pasted, not typed.
	Pasted bool
	// Err is ErrBreak, io.EOF (Ctrl-D, or the terminal is gone) or ErrInterrupted.
	Err error
}

// ReadLine asks for a line of a message beside the caller: what was typed ahead
// counts. There is one result. After a Line with an Err, what was typed is forgotten.
func (s *Screen) ReadLine(prompt string) <-chan Line {
	s.keys.apart = false
	return s.read(s.messages, prompt)
}

// Ask asks a question that what was typed ahead is no answer to.
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
			typed = s.History.Said(typed)
		}
		result <- Line{Text: typed, Pasted: s.keys.pasted, Err: err}
	}()
	return result
}

// Cancel gives a line up that is being asked for. It may have come in time all
// the same.
func (s *Screen) Cancel(line <-chan Line) Line {
	s.keys.interrupt <- struct{}{}
	result := <-line
	select {
	case <-s.keys.interrupt: // it was not needed
	default:
	}
	return result
}

// Typed is what is typed while nobody asks. Each is to be handed to Later.
func (s *Screen) Typed() <-chan []byte { return s.keys.typed }

// Later keeps what was typed for the next ReadLine. It reports whether Ctrl-C was
// among it.
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

// fitting is how many bytes of a line fit: up to a space, if there is one.
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
