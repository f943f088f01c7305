package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// MaxFrame returns the longest frame for a reply of maxReplyBytes: JSON needs at
// most six bytes for one, \u0000, and a frame has other fields.
func MaxFrame(maxReplyBytes int) int { return 6*maxReplyBytes + 64<<10 }

// Lines reads lines of bounded length.
type Lines struct {
	r   *bufio.Reader
	max int
	buf []byte
}

// NewLines returns a reader of lines of at most limit bytes.
func NewLines(r io.Reader, limit int) *Lines {
	return &Lines{r: bufio.NewReader(r), max: limit}
}

// Next returns the next line without its end, valid until the next call. It returns
// a last line without an end together with the reader's error.
func (l *Lines) Next() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		piece, err := l.r.ReadSlice('\n')
		if len(l.buf)+len(piece) > l.max {
			return nil, modelcall.ErrTooLarge
		}
		l.buf = append(l.buf, piece...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimRight(l.buf, "\r\n"), err
		}
	}
}
