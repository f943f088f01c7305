package chat

import (
	"bytes"
	"errors"
	"io"
)

// Ends of a line other than a line ending.
var (
	// ErrBreak: Ctrl-C.
	ErrBreak = errors.New("break")
	// ErrInterrupted: Screen.Cancel.
	ErrInterrupted = errors.New("interrupted")
)

const (
	ctrlC = 3
	ctrlD = 4
)

var (
	pasteStart = []byte("\x1b[200~")
	pasteEnd   = []byte("\x1b[201~")
)

// A keyboard hands typed text to one reader at a time, and reports which of it was
// pasted.
type keyboard struct {
	typed     chan []byte
	interrupt chan struct{}
	stop      chan struct{} // closed once no more is read

	ahead []byte // typed before a read
	apart bool   // text typed ahead is not for the current reader
	ready []byte // for the current reader

	tail    []byte // the last bytes handed out
	pasting bool
	pasted  bool // the last line ending was pasted
	last    byte
}

// newKeyboard reads in until it ends. A blocked read, as of a terminal, outlives the
// keyboard.
func newKeyboard(in io.Reader) *keyboard {
	k := &keyboard{typed: make(chan []byte), interrupt: make(chan struct{}, 1), stop: make(chan struct{})}
	go func() {
		defer close(k.typed)
		for {
			chunk := make([]byte, 1024)
			n, err := in.Read(chunk)
			if n > 0 {
				select {
				case k.typed <- chunk[:n]:
				case <-k.stop:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return k
}

// Read implements io.Reader. It returns at most one line at a time, so that pasted
// applies to the whole line.
func (k *keyboard) Read(p []byte) (int, error) {
	for {
		if len(k.ready) == 0 {
			if err := k.more(); err != nil {
				return 0, err
			}
		}
		n := 0
		for n < len(p) && len(k.ready) > 0 {
			b := k.ready[0]
			k.ready = k.ready[1:]
			if b == '\n' && k.last == '\r' && k.pasting {
				k.last = b
				continue // the second half of a line ending
			}
			k.note(b)
			p[n] = b
			n++
			if b == '\r' || b == '\n' || b == ctrlC || b == ctrlD {
				break
			}
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (k *keyboard) more() error {
	select { // checked first: what follows may be for another reader
	case <-k.interrupt:
		return ErrInterrupted
	default:
	}
	if len(k.ahead) > 0 && !k.apart {
		k.ready, k.ahead = k.ahead, nil
		return nil
	}
	select {
	case <-k.interrupt:
		return ErrInterrupted
	case chunk, ok := <-k.typed:
		if !ok {
			return io.EOF
		}
		k.ready = chunk
		return nil
	}
}

func (k *keyboard) note(b byte) {
	k.last = b
	k.tail = append(k.tail, b)
	if extra := len(k.tail) - len(pasteStart); extra > 0 {
		k.tail = k.tail[extra:]
	}
	switch {
	case bytes.Equal(k.tail, pasteStart):
		k.pasting = true
	case bytes.Equal(k.tail, pasteEnd):
		k.pasting = false
	}
	if b == '\r' || b == '\n' {
		k.pasted = k.pasting
	}
}

// hold sets aside what was typed before a question was asked.
func (k *keyboard) hold() {
	k.ahead, k.ready = append(k.ready, k.ahead...), nil
	k.apart = true
}

// later keeps text that no reader has asked for yet. It reports whether Ctrl-C was among
// it: text before Ctrl-C is discarded.
func (k *keyboard) later(chunk []byte) (broken bool) {
	if i := bytes.LastIndexByte(chunk, ctrlC); i >= 0 {
		k.ahead = nil
		chunk, broken = chunk[i+1:], true
	}
	k.ahead = append(k.ahead, chunk...)
	return broken
}
