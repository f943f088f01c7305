package child

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
)

// Lines returns a writer that calls each for every complete line written to it.
func Lines(each func(line string)) io.Writer { return &lineWriter{each: each} }

type lineWriter struct {
	each func(line string)

	mu   sync.Mutex
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		w.each(strings.TrimRight(string(w.rest[:i]), "\r"))
		w.rest = w.rest[i+1:]
	}
}

// tailLines bounds the output that error messages contain.
const tailLines = 20

// A Tail keeps the last lines of a program's output. Its zero value is empty.
type Tail struct {
	mu    sync.Mutex
	lines []string
}

// Add adds a line. Empty ones are left out.
func (t *Tail) Add(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if extra := len(t.lines) - tailLines; extra > 0 {
		t.lines = slices.Delete(t.lines, 0, extra)
	}
}

// String is the lines.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
